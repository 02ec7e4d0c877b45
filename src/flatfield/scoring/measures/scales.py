"""Letters, scores and positions on a scale: the bands and the two scales, as plain arithmetic on numbers.

A *position* is where an amount (seconds or dollars per work done) lies between best (0) and worst (1). Positions and
scores are told apart to 1e-12, so that what is equal on paper is equal here (the mean of three times .95 is an S).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flatfield.records import Letter, Weights

Measure = Literal["speed", "cost"]

BANDS: tuple[tuple[Letter, float], ...] = (("S", 0.95), ("A", 0.85), ("B", 0.70), ("C", 0.50), ("D", 0.25), ("F", 0.0))
KNOTS: tuple[tuple[float, float], ...] = (
    (0.0, 1.0),
    (0.05, 0.95),
    (0.20, 0.85),
    (0.40, 0.70),
    (0.60, 0.50),
    (0.80, 0.25),
    (1.0, 0.0),
)
HOLDS = 0.50
"""From here up (C or better) an agent can do the job: it may set a scale's anchors, and nothing caps its overall."""
SPREAD = 8.0
"""The least ratio of worst to best that a relative scale spans."""
LEAST_USD = 0.001
"""Who costs less than so many dollars per work done is told apart from nobody else who does: all are at 0."""


def exact(value: float) -> float:
    """`value` without the last digits that floating-point arithmetic leaves behind."""
    return round(value, 12)


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean of at least one number."""
    items = values if isinstance(values, list | tuple) else tuple(values)
    return exact(items[0] if len(items) == 1 else math.fsum(items) / len(items))


def weighted_mean(scores: Iterable[tuple[float, float]]) -> float | None:
    """The mean of (score, weight) pairs; None where no weight is above 0."""
    pairs = tuple(scores)
    if len(pairs) == 1:  # most trials have one check
        ((score, weight),) = pairs
        return exact(score * weight / weight) if weight > 0.0 else None
    total = math.fsum([weight for _, weight in pairs])
    return exact(math.fsum([score * weight for score, weight in pairs]) / total) if total > 0.0 else None


def letter_of(score: float) -> Letter:
    """The letter of a score in 0..1."""
    for letter, least in BANDS:
        if score >= least:
            return letter
    return "F"


def score_at(position: float) -> float:
    """The score of a position in 0..1: piecewise linear, so that letters of positions and of scores never disagree."""
    place = exact(min(max(position, 0.0), 1.0))
    for (start, upper), (end, lower) in pairwise(KNOTS):
        if place <= end:
            return lower + (upper - lower) * (1.0 - (place - start) / (end - start))
    return 0.0


def relative_position(amount: float, best: float, worst: float) -> float | None:
    """`log(x / best) / max(log(worst / best), log 8)`, clipped to 0..1.

    An amount of 0 is at 0, infinity (nothing was achieved) at 1. Beside a best of 0 no other amount has a place: None.
    """
    if amount <= 0.0:
        return 0.0
    if math.isinf(amount):
        return 1.0
    if best <= 0.0:
        return None
    span = max(math.log(worst / best), math.log(SPREAD))
    return exact(min(max(math.log(amount / best) / span, 0.0), 1.0))


def absolute_position(amount: float, target: float) -> float:
    """Position of an amount against a task's target: the end of S at the target, one letter down for each doubling.

    Within a letter it is linear in the number of doublings, as the relative scale is; half the target is at 0.
    """
    if amount <= 0.0:
        return 0.0
    if target <= 0.0 or math.isinf(amount):
        return 1.0
    doublings = exact(math.log2(amount / target) + 1.0)
    step = math.floor(doublings)
    if step < 0:
        return 0.0
    if step >= len(KNOTS) - 1:
        return 1.0
    return exact(KNOTS[step][0] + (doublings - step) * (KNOTS[step + 1][0] - KNOTS[step][0]))


def blended(performance: float, speed: float | None, cost: float | None, weights: Weights) -> float | None:
    """Weighted mean of the three scores; None when one that has a weight is missing, or when no weight is above 0."""
    if (speed is None and weights.speed > 0.0) or (cost is None and weights.cost > 0.0):
        return None
    parts = ((performance, weights.performance), (speed or 0.0, weights.speed), (cost or 0.0, weights.cost))
    return weighted_mean(parts)


def capped(blend: float, performance: float) -> float:
    """An overall score: never higher than performance when that is D or F."""
    return min(blend, performance) if performance < HOLDS else blend
