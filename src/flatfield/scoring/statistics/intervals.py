"""95% intervals for small samples: Clopper–Pearson, Student's t and the t interval of a ratio.

Quantiles are computed from the regularised incomplete beta function, so that no statistics library is needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flatfield.records import Interval
from flatfield.scoring.scales import exact, mean

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA = 0.05
LEAST = 3
"""Fewer tasks or repeats than this say nothing about how far an average may be off."""


def _continued_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b), by the modified Lentz method.

    Source: NIST Digital Library of Mathematical Functions, 8.17.22; converges fast for x < (a + 1) / (a + b + 2).
    """
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        factor = 1.0
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            factor = c * d
            value *= factor
        if abs(factor - 1.0) < 1e-15:
            break
    return value


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b): the distribution function of Beta(a, b), for a, b > 0.

    Source: NIST DLMF 8.17.22, and the symmetry 8.17.4 where that converges slowly.
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a * _continued_fraction(a, b, x)


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p, by bisection to the last bit; for p in 0..1 and a, b > 0."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2.0
        if middle in (low, high):
            return middle
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle


def t_quantile(p: float, freedom: float) -> float:
    """Student's t quantile for p in 0.5..1.

    Source: Abramowitz & Stegun 26.7.1: P(|T| > t) = I_x(freedom / 2, 1/2) with x = freedom / (freedom + t²).
    """
    x = beta_quantile(2.0 * (1.0 - p), freedom / 2.0, 0.5)
    return math.sqrt(freedom * (1.0 - x) / x)


def clopper_pearson(successes: float, n: float) -> tuple[float, float]:
    """The exact 95% interval of a proportion; `successes` may be a sum of fractions.

    Source: Clopper & Pearson, Biometrika 26 (1934), 404, in the beta-quantile form.
    """
    low = 0.0 if successes <= 0.0 else beta_quantile(ALPHA / 2, successes, n - successes + 1.0)
    high = 1.0 if successes >= n else beta_quantile(1.0 - ALPHA / 2, successes + 1.0, n - successes)
    return exact(low), exact(high)


def mean_interval(values: Sequence[float], unit: str, *, pass_fail: bool) -> Interval | None:
    """The 95% interval of the mean of scores in 0..1, each value being one `unit` ("trials", "tasks").

    Pass/fail scores get Clopper–Pearson, others a t interval cut to 0..1. Scores without any spread would get a t
    interval of width 0; they get Clopper–Pearson too, which bounds every score in 0..1 with that mean.
    None for fewer than three values.
    """
    n = len(values)
    if n < LEAST:
        return None
    if pass_fail or len(set(values)) == 1:
        low, high = clopper_pearson(math.fsum(values), n)
        return Interval(low=low, high=high, method=f"Clopper–Pearson on {n} {unit}")
    centre = mean(values)
    half = t_quantile(1.0 - ALPHA / 2, n - 1) * math.sqrt(_variance(values) / n)
    return Interval(
        low=exact(max(centre - half, 0.0)), high=exact(min(centre + half, 1.0)), method=f"t interval on {n} {unit}"
    )


def ratio_interval(amounts: Sequence[float], work: Sequence[float]) -> tuple[float, float] | None:
    """The 95% t interval of sum(amounts) / sum(work), lower end not below 0; None for fewer than three pairs.

    Source: the ratio estimator of Cochran, Sampling Techniques (3rd ed., 1977), section 6.4, with t on n - 1.
    """
    n = len(amounts)
    if n < LEAST:
        return None
    ratio = math.fsum(amounts) / math.fsum(work)
    residuals = [amount - ratio * done for amount, done in zip(amounts, work, strict=True)]
    error = math.sqrt(math.fsum(r * r for r in residuals) / (n - 1) / n) / (math.fsum(work) / n)
    half = t_quantile(1.0 - ALPHA / 2, n - 1) * error
    return max(ratio - half, 0.0), ratio + half


def _variance(values: Sequence[float]) -> float:
    """The unbiased sample variance of at least two values."""
    centre = math.fsum(values) / len(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
