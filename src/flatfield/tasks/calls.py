"""Calls as they are written in prose: where one ends, and its arguments, each as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_CHARACTERS = 100_000
"""A call that is not closed by then is taken as one that never is."""

_SIGNS = re.compile(r"[\"'`“„«‘#(\[{)\]},]")
_CLOSING = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“”", "«": "»", "‘": "’"}
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_PREFIX = re.compile(r"(?<!\w)(?:[rub]|f|fr|rf|br|rb)\Z", re.IGNORECASE)
_NAME = re.compile(r"[\"'`]?([A-Za-z_]\w*)[\"'`]?\s*[=:](?!=)\s*")
_LITERAL = re.compile(
    r"(?P<prefix>[rRuUbBfF]{0,2})"
    r"(?:\"{3}(?P<long>.*?)\"{3}|'{3}(?P<tall>.*?)'{3}|\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>(?:[^'\\]|\\.)*)')",
    re.DOTALL,
)
_BARE = re.compile(r"[“„«‘`].*|[A-Za-z0-9][\w.:/@+-]*", re.DOTALL)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*|None|null|true|false|True|False")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its name, "" without one, and its value as it stands, without comments."""

    name: str
    value: str

    @property
    def text(self) -> str | None:
        """What stands in its quotes; None where the value is no plain text in straight quotes."""
        match = _LITERAL.fullmatch(self.value)
        if match is None or ("f" in match["prefix"].lower() and "{" in self.value):
            return None
        for kind in ("long", "tall"):
            if match[kind] is not None:
                return str(match[kind])
        inner = match["double"] if match["double"] is not None else match["single"]
        return str(inner) if "r" in match["prefix"].lower() else re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)

    @property
    def lacks_quotes(self) -> bool:
        """Whether it means a text but has other quotes or none; a word in capitals is a variable."""
        return _BARE.fullmatch(self.value) is not None and _VARIABLE.fullmatch(self.value) is None

    @property
    def is_none(self) -> bool:
        """Whether it says that there is no value."""
        return self.value in {"None", "null"}


def arguments(text: str, start: int) -> tuple[Argument, ...]:
    """The arguments of the call whose parenthesis opens before `start`; of one that is never closed, of its paragraph.

    A map in the parentheses gives them too.
    """
    pieces = _pieces(text[start : start + MOST_CHARACTERS])
    if pieces is None:
        paragraph = re.split(r"\n[ \t\r]*\n", text[start : start + MOST_CHARACTERS], maxsplit=1)[0]
        pieces = _pieces(f"{paragraph})") or ()
    if len(pieces) == 1 and pieces[0][:1] == "{" and pieces[0].endswith("}"):
        pieces = _pieces(f"{pieces[0][1:-1]})") or ()
    return tuple(map(_argument, pieces))


def _argument(piece: str) -> Argument:
    name = _NAME.match(piece)
    return Argument(name[1], piece[name.end() :]) if name else Argument("", piece)


def _pieces(text: str) -> tuple[str, ...] | None:
    """What stands between the commas up to the parenthesis that closes, without comments; None where none does."""
    pieces: list[str] = [""]
    expected: list[str] = []
    hopeless: set[str] = set()
    at = 0
    while match := _SIGNS.search(text, at):
        sign, here = match[0], match.start()
        pieces[-1] += text[at:here]
        at = match.end()
        if sign == "#" and (not pieces[-1] or pieces[-1][-1].isspace()):
            at = _line_end(text, here)
            continue
        if sign == "," and not expected:
            pieces.append("")
            continue
        if sign == ")" and ")" not in expected:
            return tuple(piece.strip() for piece in pieces if piece.strip())
        if sign in _CLOSING and sign not in hopeless:
            at = _string_end(text, here, hopeless)
        elif sign in _BRACKETS:
            expected.append(_BRACKETS[sign])
        elif sign in expected:  # what was opened in it and never closed is none of ours
            del expected[len(expected) - 1 - expected[::-1].index(sign) :]
        pieces[-1] += text[here:at]
    return None


def _line_end(text: str, at: int) -> int:
    return found if (found := text.find("\n", at)) >= 0 else len(text)


def _string_end(text: str, at: int, hopeless: set[str]) -> int:
    """Behind the string that opens at `at`; behind the sign where it opens none: an apostrophe, or nothing closes it.

    Signs that nothing closes get into `hopeless`: nothing closes a later one either, and it is not looked for again.
    """
    before = text[max(0, at - 3) : at]
    if before[-1:].isalnum() and not _PREFIX.search(before):
        return at + 1
    sign = text[at]
    if text.startswith(sign * 3, at):
        end = text.find(sign * 3, at + 3)
        if end < 0:
            hopeless.add(sign)
        return end + 3 if end >= 0 else at + 3
    close = re.compile(rf"(?:[^\\{re.escape(_CLOSING[sign])}]|\\.)*[{re.escape(_CLOSING[sign])}]", re.DOTALL)
    match = close.match(text, at + 1)
    if match is None:
        hopeless.add(sign)
    return match.end() if match else at + 1
