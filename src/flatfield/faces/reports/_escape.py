"""Text that others wrote, made harmless: it must neither draw a Markdown report nor run in a spreadsheet."""

from __future__ import annotations

import re

from flatfield.faces.wording import printable

_ALWAYS = re.compile(r"[\\`*\[\]|~$]")
_NOT_BETWEEN_LETTERS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_AT_LINE_START = re.compile(r"^([#+=-](?![^\W_])|\d+[.)](?=\s|$))")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def markdown(text: str) -> str:
    """Markdown that reads as `text`: no link, image, tag, table or heading comes of it; newlines become spaces."""
    line = " ".join(printable(text).split())
    escaped = _ALWAYS.sub(r"\\\g<0>", line)
    escaped = _NOT_BETWEEN_LETTERS.sub(r"\\_", escaped)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _AT_LINE_START.sub(_escaped_start, escaped)


def _escaped_start(found: re.Match[str]) -> str:
    mark = found.group()
    return f"{mark[:-1]}\\{mark[-1]}"


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe before it."""
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return f"'{value}"
    return value
