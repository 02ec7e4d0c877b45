"""Where a text stands in a file, exactly or nearly: pure functions behind edit_file and its errors."""

from __future__ import annotations

import difflib
import heapq
from itertools import islice

LINES_COMPARED = 2000  # bounds the comparing to some 50 ms, whatever a model sends
LETTERS_COMPARED = 200
LINES_SHOWN = 12
ALIKE = 0.6  # difflib's own cutoff for "close"


def offsets(text: str, part: str, most: int) -> list[int]:
    """Where `part` starts in `text`, overlapping places included, at most `most` of them."""
    found: list[int] = []
    at = text.find(part)
    while at >= 0 and len(found) < most:
        found.append(at)
        at = text.find(part, at + 1)
    return found


def line_numbers(text: str, places: list[int]) -> list[int]:
    """The line, from 1, that each offset is on."""
    return [text.count("\n", 0, place) + 1 for place in places]


def only_crlf(text: str) -> bool:
    """Whether every line ends in CR LF."""
    return "\r\n" in text and text.count("\n") == text.count("\r\n")


def to_crlf(text: str) -> str:
    """The text with every line end as CR LF."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def closest(text: str, part: str) -> str:
    """The lines of `text` that come closest to `part`, each with its number; "" when none does."""
    lines = text.split("\n")
    wanted = part.strip("\n").split("\n")
    first = next((line for line in wanted if line.strip()), "")
    lead = wanted.index(first) if first else 0
    at = _closest_line(lines, first)
    if at is None:
        return ""
    start = max(0, at - lead)
    shown = lines[start : start + min(len(wanted), LINES_SHOWN)]
    return "\n".join(f"{start + number}: {_short(line)}" for number, line in enumerate(shown, 1))


def _closest_line(lines: list[str], wanted: str) -> int | None:
    """The index of the line most like `wanted`: the same but for blanks, else by difflib's ratio."""
    bare = "".join(wanted.split())
    if not bare:
        return None
    for index, line in enumerate(lines):
        if "".join(line.split()) == bare:
            return index
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(wanted.strip()[:LETTERS_COMPARED])
    promising = []
    for index, line in enumerate(islice(lines, LINES_COMPARED)):
        matcher.set_seq1(line.strip()[:LETTERS_COMPARED])
        if matcher.real_quick_ratio() >= ALIKE and (quick := matcher.quick_ratio()) >= ALIKE:
            promising.append((quick, -index))
    best = None
    reached = ALIKE
    for _, negative in heapq.nlargest(10, promising):  # the exact ratio is quadratic: only for a few
        matcher.set_seq1(lines[-negative].strip()[:LETTERS_COMPARED])
        if (ratio := matcher.ratio()) >= reached and (best is None or ratio > reached):
            best, reached = -negative, ratio
    return best


def _short(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= LETTERS_COMPARED else line[:LETTERS_COMPARED] + "…"
