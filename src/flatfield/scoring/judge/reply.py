"""Reads a judge's reply: JSON, also in a code fence or with prose around it; and whether its quotes are in the work."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flatfield.records import Letter


# Whether what a judge quotes is really in the work that it was shown.


MOST_QUOTES = 5
QUOTE_CHARACTERS = 400
_LEFT_OUT = re.compile(r"\[?(?:\.{3,}|…)\]?")
_MARKS = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "`": "'", "–": "-", "—": "-"})


def quotes_of(value: object) -> tuple[str, ...]:
    """The quotes of a reply's `evidence`: a list, or one text; at most MOST_QUOTES, empty ones left out."""
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    texts = (item.strip() for item in items if isinstance(item, str))
    return tuple(text[:QUOTE_CHARACTERS] for text in texts if _plain(text))[:MOST_QUOTES]


def found_quotes(quotes: Iterable[str], shown: str) -> tuple[str, ...]:
    """Those of the quotes that are in `shown`.

    Case, white space, the kind of quotation marks and dashes, and marks around the quote do not matter; where a quote
    leaves something out ("…"), its parts must be there in their order. A quote of no letter or digit is no evidence.
    """
    plain = _plain(shown)
    return tuple(quote for quote in quotes if _is_in(quote, plain))


def _is_in(quote: str, plain: str) -> bool:
    parts = [part for part in (_plain(piece).strip("\"' ") for piece in _LEFT_OUT.split(quote)) if part]
    if not any(character.isalnum() for part in parts for character in part):
        return False
    position = 0
    for part in parts:
        position = plain.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True


def _plain(text: str) -> str:
    # Escaped line ends: a judge that quotes code inside JSON often escapes once too many.
    text = text.replace("\\n", " ").replace("\\t", " ").replace('\\"', '"')
    return " ".join(unicodedata.normalize("NFKC", text).translate(_MARKS).casefold().split())


# ---------------------------------------------------------------------------- the reply


LETTERS: tuple[Letter, ...] = ("S", "A", "B", "C", "D", "F")
_REASON_CHARACTERS = 2_000
_OBJECTS_TRIED = 2_000


class Mark(Struct, frozen=True, kw_only=True):
    """A letter, why, and what was quoted for it."""

    letter: Letter
    reason: str
    evidence: tuple[str, ...] = ()


class UnusableReply(Exception):
    """The reply holds no grade; `str(error)` tells the judge what is wrong with it."""


def read_item(text: str) -> Mark:
    """The one grade in a reply; the last object with a letter counts.

    Raises:
        UnusableReply: there is none, or its letter is not one of the six (E counts as F).
    """
    candidates = [value for value in _objects(text) if isinstance(value, dict) and "letter" in value]
    if not candidates:
        raise UnusableReply('it holds no JSON object with "letter" and "reason"')
    return _mark(candidates[-1])


def read_list(text: str, count: int) -> tuple[Mark, ...]:
    """The grades of work_1 … work_`count`, in that order; the last object with grades counts.

    Raises:
        UnusableReply: there is none, or an id is unknown, missing or twice there, or a letter is not one of the six.
    """
    candidates = [grades for value in _objects(text) if (grades := _grades(value)) is not None]
    if not candidates:
        raise UnusableReply('it holds no JSON object with "grades", a list of objects with "id", "letter" and "reason"')
    ids = [f"work_{number}" for number in range(1, count + 1)]
    marks: dict[str, Mark] = {}
    for grade in candidates[-1]:
        name = str(grade.get("id", "")).strip().lower()
        if name not in ids:
            raise UnusableReply(f"the id {name[:20]!r} is not one of {', '.join(ids)}")
        if name in marks:
            raise UnusableReply(f"{name} is graded twice")
        marks[name] = _mark(grade)
    if missing := [name for name in ids if name not in marks]:
        raise UnusableReply(f"there is no grade for {', '.join(missing)}")
    return tuple(marks[name] for name in ids)


def with_evidence(mark: Mark, shown: str, *, last: bool) -> Mark:
    """The mark with those of its quotes that are in `shown`, the work as the judge was shown it.

    A mark without any quote passes: it may be about what is not there. On the `last` attempt so does one some of whose
    quotes are there; its reason then says that others are not.

    Raises:
        UnusableReply: quotes are not there; on the last attempt: none is.
    """
    found = found_quotes(mark.evidence, shown)
    missing = [quote for quote in mark.evidence if quote not in found]
    if missing and not (last and found):
        # The quotes themselves are not repeated: the judge reads this outside of the data.
        raise UnusableReply(
            f"evidence not found: {len(missing)} of {len(mark.evidence)} quotes are not in the work; quote it exactly"
        )
    reason = f"{mark.reason} (not found in the work: {len(missing)} of {len(mark.evidence)} quotes)"
    return structs.replace(mark, evidence=found, reason=reason if missing else mark.reason)


def _grades(value: object) -> Sequence[dict[str, Any]] | None:
    grades = value.get("grades") if isinstance(value, dict) else value
    if isinstance(grades, list) and grades and all(isinstance(grade, dict) for grade in grades):
        return grades
    return None


def _mark(grade: dict[str, Any]) -> Mark:
    given = str(grade["letter"]).strip().upper() if "letter" in grade else ""
    wanted = "F" if given == "E" else given
    for letter in LETTERS:
        if letter == wanted:
            reason = str(grade.get("reason") or "").strip() or "the judge gave no reason"
            quotes = quotes_of(grade.get("evidence"))
            return Mark(letter=letter, reason=reason[:_REASON_CHARACTERS], evidence=quotes)
    raise UnusableReply(f"the letter {given[:20]!r} is not one of {', '.join(LETTERS)}")


def _objects(text: str) -> list[Any]:
    """The outermost JSON objects and arrays that occur in a text, in order."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    position = 0
    for _ in range(_OBJECTS_TRIED):
        starts = [found for found in (text.find("{", position), text.find("[", position)) if found >= 0]
        if not starts:
            break
        try:
            value, position = decoder.raw_decode(text, min(starts))
        except (ValueError, RecursionError):
            position = min(starts) + 1
        else:
            values.append(value)
    return values
