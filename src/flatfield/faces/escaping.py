"""Text that others wrote, made harmless: it must neither draw a Markdown report nor run in a spreadsheet."""

from __future__ import annotations

import re

from flatfield.faces.wording import printable

_ALWAYS = re.compile(r"[\\`*\[\]|~$]")
_NOT_BETWEEN_LETTERS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_AT_LINE_START = re.compile(r"^([#+=-](?![^\W_])|\d+[.)](?=\s|$))")
_ADDRESS = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=\bwww)\.", re.IGNORECASE)
"""Where a bare address would become a link: a backslash keeps it text."""
_MENTION = re.compile(r"(?<![\w.])@(?=\w)")
"""Where a name would be notified: a word joiner, which nobody sees, keeps it text."""
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def markdown(text: str) -> str:
    """Markdown that reads as `text`, on one line: no link, image, tag, table, heading or mention comes of it."""
    line = " ".join(printable(text).split())
    escaped = _ALWAYS.sub(r"\\\g<0>", line)
    escaped = _NOT_BETWEEN_LETTERS.sub(r"\\_", escaped)
    escaped = _MENTION.sub("@\u2060", _ADDRESS.sub(r"\\\g<0>", escaped))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _AT_LINE_START.sub(_escaped_start, escaped)


def _escaped_start(found: re.Match[str]) -> str:
    mark = found.group()
    return f"{mark[:-1]}\\{mark[-1]}"


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe before it.

    Control characters are shown, as everywhere.
    """
    if not isinstance(value, str):
        return value
    risky = value.startswith(("\t", "\r")) or value.lstrip().startswith(_FORMULA)
    return f"'{printable(value)}" if risky else printable(value)
