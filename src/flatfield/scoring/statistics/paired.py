"""How far two agents are apart: an interval of the difference, and "better with probability p"."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.scoring.scales import exact, mean
from flatfield.scoring.statistics.intervals import ALPHA, beta_cdf, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

Z = NormalDist().inv_cdf(1.0 - ALPHA / 2)


class Estimate(Struct, frozen=True, kw_only=True):
    """A mean in 0..1 and the ends of its 95% interval."""

    value: float
    low: float
    high: float


class Difference(Struct, frozen=True, kw_only=True):
    """First minus second in -1..1, its 95% interval, and the probability that the first is the better.

    The probability is above 0.975 exactly when the interval lies above 0.
    """

    value: float
    low: float
    high: float
    probability: float


def paired(first: Sequence[float], second: Sequence[float], repeats: float) -> Difference:
    """The difference over the same tasks, two or more; `first[i]`, `second[i]`: means of `repeats` trials of task i.

    A t interval of the tasks' differences, to whose sum of squares 1 / `repeats` is added. That stands for two more
    tasks, one for either agent, at the largest standard error that the difference of two means of pass/fail trials can
    have: without it agents that both pass everything would surely be the same. The probability is that of Student's t,
    with a prior that knows nothing.

    Source: "Student", Biometrika 6 (1908), 1; adding observations: Agresti & Caffo, The American Statistician 54
    (2000), 280. What the addition does to the coverage: bench/coverage.py.

    Raises:
        ValueError: the lists differ in length.
    """
    apart = [a - b for a, b in zip(first, second, strict=True)]
    n, value = len(apart), mean(apart)
    error = standard_error(apart, repeats)
    half = t_quantile(1.0 - ALPHA / 2, n - 1) * error
    return Difference(
        value=value,
        low=exact(max(value - half, -1.0)),
        high=exact(min(value + half, 1.0)),
        probability=t_cdf(value / error, n - 1),
    )


def standard_error(apart: Sequence[float], repeats: float) -> float:
    """The standard error of the mean of the tasks' differences, two or more, with the addition of `paired`."""
    n, value = len(apart), mean(apart)
    squares = math.fsum((each - value) ** 2 for each in apart) + 1.0 / repeats
    return math.sqrt(squares / (n - 1) / n)


def unpaired(first: Estimate, second: Estimate) -> Difference:
    """The difference of two independent estimates.

    Each side of the interval is the root of the sum of squares of the distances from the estimates to the ends of their
    own intervals; the probability takes the side towards 0 for a normal distribution's.

    Source: Newcombe, Statistics in Medicine 17 (1998), 873, method 10; in general form ("MOVER") Zou & Donner,
    Statistics in Medicine 27 (2008), 1693.
    """
    value = exact(first.value - second.value)
    down = math.hypot(first.value - first.low, second.high - second.value)
    up = math.hypot(first.high - first.value, second.value - second.low)
    side = down if value > 0.0 else up
    return Difference(
        value=value,
        low=exact(max(value - down, -1.0)),
        high=exact(min(value + up, 1.0)),
        probability=NormalDist().cdf(Z * value / side) if side > 0.0 else 0.5 + math.copysign(0.5, value),
    )


def t_cdf(t: float, freedom: float) -> float:
    """Student's distribution function. Source: Abramowitz & Stegun 26.7.1."""
    tail = beta_cdf(freedom / (freedom + t * t), freedom / 2.0, 0.5) / 2.0
    return 1.0 - tail if t > 0.0 else tail
