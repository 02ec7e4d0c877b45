"""Writes JSON that looks as it reads: nothing in it moves a cursor, changes a colour or turns the text around."""

from __future__ import annotations

import msgspec

from flatfield.json_text import escaped, plain


def json_of(value: object) -> str:
    """Any value as indented JSON, records included; unseen characters as escapes, which say the same."""
    try:
        data = msgspec.json.encode(value)
    except (UnicodeEncodeError, RecursionError, ValueError, TypeError):
        data = msgspec.json.encode(plain(value))
    return escaped(msgspec.json.format(data, indent=2).decode())
