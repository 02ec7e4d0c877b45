"""Whether what a judge quotes is really in the work that it was shown."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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
