"""Tells texts that look alike and are other characters, which is all that a reader of a reason would not see."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SAID = "look alike, but are other Unicode characters"

_SAME = {
    # Quotes, dashes and signs that keyboards and word processors exchange.
    **dict.fromkeys("‘’‚‛ʹʻʼʽˈ`´′＇", "'"),
    **dict.fromkeys("“”„‟″«»＂", '"'),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("⁄∕", "/"),
    "×": "x",
    "…": "...",
    # Cyrillic and Greek letters that are drawn as Latin ones.
    **dict(zip("АВЕЅІЈКМНОРСТХУаеѕіјорсхуԁһ", "ABESIJKMHOPCTXYaesijopcxydh", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονγ", "ABEZHIKMNOPTYXovy", strict=True)),
}
_TABLE = str.maketrans(_SAME)


def drawn(text: str) -> str:
    """The text as it looks: composed (NFKC), without invisible characters, and one character for all that look so."""
    plain = unicodedata.normalize("NFKC", text).translate(_TABLE)
    return "".join(character for character in plain if not _is_unseen(character))


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def look_alike(one: str, other: str) -> bool:
    """Whether two texts that are not the same look the same."""
    return one != other and drawn(one) == drawn(other)


def twin_of(name: str, names: Iterable[str]) -> str | None:
    """The one of several names that looks like `name`, or is it in other cases; None when there is none."""
    candidates = [other for other in names if other != name]
    alike = (other for other in candidates if look_alike(name, other))
    return next(alike, next((other for other in candidates if other.casefold() == name.casefold()), None))
