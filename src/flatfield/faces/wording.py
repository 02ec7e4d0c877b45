"""How numbers and outcomes read, the same in every face."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from flatfield.json_text import escaped, plain
from flatfield.saying import UNKNOWN, dollars, few, likely, many, rounded, seconds
from flatfield.scoring.answer import graded
from flatfield.scoring.measures.performance import checks_score

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flatfield.records import Grade, ScaleGrade, TrialRecord


__all__ = [
    "UNKNOWN",
    "beginning",
    "count",
    "dollars",
    "few",
    "letter",
    "likely",
    "many",
    "many_known",
    "middle_cut",
    "one_line",
    "outcome",
    "plain",
    "printable",
    "rank",
    "rate",
    "rounded",
    "scaled",
    "seconds",
    "times",
    "wrong_but_confident",
]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def rate(usd_per_mtok: float | None) -> str:
    """`$0.125`, `$0.40`, `$2`: dollars per million tokens, as vendors write them."""
    if usd_per_mtok is None:
        return UNKNOWN
    whole, point, part = f"${usd_per_mtok:,.10g}".partition(".")
    return f"{whole}{point}{part:0<2}" if part else whole


def count(value: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if value is None else f"{value:,}"


def many_known(number: int | None, thing: str) -> str:
    """`2 turns`, or that nobody says how many they were."""
    return f"{thing}s not reported" if number is None else many(number, thing)


def letter(grade: Grade) -> str:
    """`A (B–S)`: the letter and its range on these tasks; `A (one trial)`."""
    return graded(grade)


def scaled(scale: ScaleGrade) -> str:
    """`B (C–A) · 2.3×`: letter, its range and how many times the best; the dollars alone where they have no letter."""
    if scale.relative.letter is None:
        return UNKNOWN if scale.per_work is None else dollars(scale.per_work)
    said = scale.relative.letter if scale.relative.n == 1 else graded(scale.relative)
    if scale.per_work == 0:
        return f"{said} · 0"
    return said if scale.ratio is None else f"{said} · {times(scale.ratio)}"


def times(ratio: float) -> str:
    """`2.3×`, `1,345×`."""
    return f"{ratio:.1f}×" if ratio < 99.95 else f"{ratio:,.0f}×"


def rank(ranks: tuple[int, int] | None) -> str:
    """`1`, or `1–3` where the certainty allows no more."""
    if ranks is None:
        return UNKNOWN
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def outcome(record: TrialRecord) -> str:
    """How a trial ended, in a few words: its score, or why there is none."""
    if record.failure is not None:
        return f"not measured ({record.failure.kind.replace('_', ' ')}): {record.failure.message}"
    score = checks_score(record.checks)
    ending = "" if record.stop == "answered" else f" ({record.stop.replace('_', ' ')})"
    return f"done{ending}" if score is None else f"score {score:.2f}{ending}"


def wrong_but_confident(sides: Iterable[tuple[str, int, int]]) -> str:
    """Who took for done what was not, as a sentence; `sides`: name, wrong claims, claims. "" where nobody claimed."""
    said = [f"{name} {wrong:,} of {claims:,}" for name, wrong, claims in sides if claims]
    text = "Wrong but confident (it answered, and checks say that not all is done)"
    return f"{text}: {few(said)}." if said else ""


def printable(text: str) -> str:
    """What a terminal or a reader could take for a command is shown instead: control characters, text direction.

    Newlines and tabs stay; a carriage return before a newline goes.
    """
    return _CONTROL.sub(_shown, text.replace("\r\n", "\n"))


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, cut at its end."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def middle_cut(text: str, limit: int) -> str:
    """A name of at most `limit` characters, cut behind its middle: names differ at both ends, and say more in front."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def beginning(text: str, characters: int) -> str:
    """The text's beginning, cut at a line's end."""
    return text if len(text) <= characters else text[: text.rfind("\n", 0, characters) + 1]


# Writes JSON that looks as it reads: nothing in it moves a cursor, changes a colour or turns the text around.


def json_of(value: object) -> str:
    """Any value as indented JSON, records included; unseen characters as escapes, which say the same."""
    try:
        data = msgspec.json.encode(value)
    except (UnicodeEncodeError, RecursionError, ValueError, TypeError):
        data = msgspec.json.encode(plain(value))
    return escaped(msgspec.json.format(data, indent=2).decode())
