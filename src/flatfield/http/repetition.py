"""Tells when a model says the same again and again, as small ones do until their output cap."""

from __future__ import annotations

REPEATED_CHARACTERS = 4000
"""So much of the end of a reply must be one text over and over: more than people ask for as an answer."""
LONGEST_UNIT_CHARACTERS = 200
_NEEDLE_CHARACTERS = 48
_STEP_CHARACTERS = 500
"""After so much more text it is looked at again."""


class Repetition:
    """Hears the text of a reply as it comes; `found` once its end is one text, repeated twenty times or more."""

    __slots__ = ("_since", "_tail", "found")

    def __init__(self) -> None:
        self.found = False
        self._tail = ""
        self._since = 0

    def hear(self, piece: str) -> None:
        """Another piece of the text."""
        self._tail += piece
        self._since += len(piece)
        if self._since >= _STEP_CHARACTERS:
            self._since = 0
            self._tail = self._tail[-REPEATED_CHARACTERS:]
            self.found = self.found or is_repetition(self._tail)


def is_repetition(text: str) -> bool:
    """Whether a text's last `REPEATED_CHARACTERS` are one text of at most `LONGEST_UNIT_CHARACTERS`, repeated."""
    end = text[-REPEATED_CHARACTERS:]
    if len(end) < REPEATED_CHARACTERS:
        return False
    before = end.rfind(end[-_NEEDLE_CHARACTERS:], 0, len(end) - 1)
    period = len(end) - _NEEDLE_CHARACTERS - before
    return before >= 0 and period <= LONGEST_UNIT_CHARACTERS and end[period:] == end[:-period]
