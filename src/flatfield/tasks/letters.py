"""What a letter of any script is, with its marks: names of agents and tasks are made of them."""

from __future__ import annotations

import re
import unicodedata

_MARKS = frozenset({"Mn", "Mc"})
_UNSEEN = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that nobody sees, so that two names would look alike."""
_JOINERS = frozenset("\u200c\u200d")
"""Nobody sees them either, but between the letters of Persian and Indic words they are part of the spelling."""


def lettered(text: str) -> str:
    """The text, as long as it was, with a plain letter for what is written as part of one.

    To a pattern a letter has no marks (vowel signs, tones, dots), which most scripts of India and beyond cannot do
    without. So it is matched against this text, and what it finds is cut from the real one.
    """
    if text.isascii():
        return text
    found: list[str] = []
    for at, char in enumerate(text):
        behind_letter = at > 0 and found[-1].isalnum()
        joins = char in _JOINERS and _joined(text[at - 1 : at]) and _joined(text[at + 1 : at + 2])
        found.append("x" if behind_letter and (joins or _is_mark(char)) else char)
    return "".join(found)


def replaced(pattern: re.Pattern[str], by: str, text: str) -> str:
    """The text with what a pattern finds in it replaced, where a letter is one with its marks."""
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(lettered(text)):
        parts += [text[end : match.start()], by]
        end = match.end()
    return "".join([*parts, text[end:]])


def _joined(char: str) -> bool:
    return not char.isascii() and (char.isalpha() or _is_mark(char))


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in _MARKS and not _UNSEEN.match(char)
