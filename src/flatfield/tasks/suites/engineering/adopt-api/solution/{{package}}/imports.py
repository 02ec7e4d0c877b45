"""Reads what other branches send: each column by the reader that is registered for it."""

from {{package}}.texts import whole_minutes, words

READERS = {"time": whole_minutes, "tags": words, "code": str.strip}


def read(rows):
    """Rows with `time` in minutes and `tags` as a list; columns that nobody reads stay texts."""
    return [{name: READERS.get(name, str)(text) for name, text in row.items()} for row in rows]
