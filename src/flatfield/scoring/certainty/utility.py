"""What matters to a user, as one number a draw: weights of performance, speed and cost, or money."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flatfield.scoring.certainty.values import Money
from flatfield.scoring.measures.scales import HOLDS

if TYPE_CHECKING:
    from flatfield.records import Weights
    from flatfield.scoring.certainty.posterior import DrawnMeans

Array = NDArray[np.float64]

TIE = 0.01
"""Whose utility is within this of the best counts as best: a hundredth of the scale, or of a solved task's worth."""


def utility(means: DrawnMeans, measure: Weights | Money) -> Array:
    """Draws × agents. By weights: as an overall score (`overall.combine`); in money: dollars per task.

    Where nobody's dollars are known, or have no scale, cost has no weight, unless nothing else has any.
    """
    if isinstance(measure, Money):
        return money(means, measure)
    return overall(means, shares(means, measure))


def shares(means: DrawnMeans, weights: Weights) -> tuple[float, float, float]:
    """The weights as shares of 1; without cost where it has no scale."""
    cost = weights.cost if means.cost is not None else 0.0
    total = weights.performance + weights.speed + cost
    if total <= 0.0:
        return (1.0, 0.0, 0.0)
    return (weights.performance / total, weights.speed / total, cost / total)


def overall(means: DrawnMeans, parts: tuple[float, float, float]) -> Array:
    """The weighted mean, never above performance where that is D or F."""
    performance, speed, cost = parts
    blend = performance * means.performance + speed * means.speed
    if means.cost is not None:
        blend = blend + cost * means.cost
    found: Array = np.where(means.performance < HOLDS, np.minimum(blend, means.performance), blend)
    return found


def money(means: DrawnMeans, measure: Money) -> Array:
    """What a task brings: what is solved is worth, less its dollars, where known, and what waiting costs."""
    found = means.solved * measure.solved_usd - means.expected_wait_seconds / 3600.0 * measure.hour_usd
    if means.expected_usd is not None:
        found = found - means.expected_usd
    return found


def tie_of(measure: Weights | Money) -> float:
    """How close to the best counts as best, in the measure's unit."""
    return TIE * (measure.solved_usd if isinstance(measure, Money) else 1.0)
