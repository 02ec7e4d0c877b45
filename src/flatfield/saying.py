"""How amounts are said: seconds, dollars, counts, and names where there are many; the same in every sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN = "–"
LEAST_USD = 1e-9
NAMED = 6
"""So many names a sentence has room for."""
_DIGITS = 3
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def seconds(value: float | None) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`, `2 h 10 min`, `4 days 3 h`, `1,234 days`."""
    if value is None:
        return UNKNOWN
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 119.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return _long(whole)


def rounded(value: float) -> str:
    """`40 s`, `6 min`, `2 h 10 min`: as exact as a prediction is."""
    if value < 90:
        return f"{max(round(value), 1)} s"
    minutes = round(value / _MINUTE)
    return f"{minutes} min" if minutes < 90 else _long(minutes * _MINUTE)


def _long(whole: int) -> str:
    """An hour and more: days from two of them on, without hours from a hundred on."""
    minutes, hours, days = round(whole / _MINUTE), round(whole / _HOUR), round(whole / _DAY)
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} days {hours % 24} h" if days < 100 else f"{days:,} days"


def dollars(value: float | None) -> str:
    """`$0`, `$0.000190`, `$1.25`, `$12,345.68`: three digits below a dollar; unknown is "no price", never $0."""
    if value is None:
        return "no price"
    if value == 0:
        return "$0"
    if value >= 0.9995:
        return f"${value:,.2f}"
    if value < LEAST_USD:
        return f"< ${LEAST_USD:.9f}"
    return f"${value:.{max(_DIGITS - 1 - math.floor(math.log10(value)), 2)}f}"


def written(value: float) -> str:
    """`0.00001`, `5`, `1,000,000`: a number that somebody chose, as people write it."""
    text = f"{value:,.12f}"
    return text.rstrip("0").rstrip(".")


def likely(probability: float) -> str:
    """`0.73`; never 0 or 1, which nothing is."""
    if probability > 0.99:
        return ">0.99"
    return "<0.01" if probability < 0.01 else f"{probability:.2f}"


def many(number: int, thing: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def few(names: Iterable[str], most: int = NAMED, between: str = ", ") -> str:
    """`a, b, c`; of many the first ones, and how many more there are."""
    known = list(names)
    if len(known) <= most + 1:  # "and 1 more" would be no shorter than its name
        return between.join(known)
    return f"{between.join(known[:most])} and {len(known) - most:,} more"
