"""95% intervals for small samples: Clopper–Pearson, Gaffke's bound for scores, and the joint ends of a ratio.

Quantiles are computed from the regularised incomplete beta function, so that no statistics library is needed.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from flatfield.records import Interval
from flatfield.scoring.scales import exact, mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

ALPHA = 0.05
DRAWS = 4000
"""Fixed draws behind Gaffke's bound: its probability is met within a quarter of a percent point (one sigma)."""
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


@cache
def t_quantile(p: float, freedom: float) -> float:
    """Student's t quantile for p in 0.5..1.

    Source: Abramowitz & Stegun 26.7.1: P(|T| > t) = I_x(freedom / 2, 1/2) with x = freedom / (freedom + t²).
    """
    x = beta_quantile(2.0 * (1.0 - p), freedom / 2.0, 0.5)
    return math.sqrt(freedom * (1.0 - x) / x)


@lru_cache(maxsize=4096)
def clopper_pearson(successes: int, n: int) -> tuple[float, float]:
    """The exact 95% interval of a proportion: two-sided, or one-sided where all pass or all fail.

    With five of five the upper end is 1 and cannot miss, so the whole 5% is the lower end's: 0.549, not 0.478. For all
    true proportions and n together that covers at least 92.5%.

    Source: Clopper & Pearson, Biometrika 26 (1934), 404, in the beta-quantile form.
    """
    below = ALPHA if successes >= n else ALPHA / 2
    above = ALPHA if successes <= 0 else ALPHA / 2
    low = 0.0 if successes <= 0 else beta_quantile(below, successes, n - successes + 1.0)
    high = 1.0 if successes >= n else beta_quantile(1.0 - above, successes + 1.0, n - successes)
    return exact(low), exact(high)


@lru_cache(maxsize=64)
def _spacings(n: int) -> NDArray[np.float64]:
    """DRAWS × (n + 1): the gaps that n points leave between 0 and 1; the seed is n, so that all is repeatable."""
    import numpy as np

    return np.random.default_rng(n).dirichlet(np.ones(n + 1), DRAWS)


@lru_cache(maxsize=4096)
def _gaffke_low(ordered: tuple[float, ...]) -> float:
    import numpy as np

    drawn = _spacings(len(ordered)) @ np.asarray((0.0, *ordered))
    return float(np.quantile(drawn, ALPHA / 2))


def gaffke(values: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of the mean of any distribution on 0..1, of at least one value.

    The low end is the 2.5% quantile of the mean of the values and one 0 under uniformly random weights; the high end
    mirrors it with one 1. On passes and failures it is Clopper–Pearson. A t interval is much too sure of scores near 0
    or 1: nine trials of .99 do not exclude that every tenth fails.

    Source: N. Gaffke, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable, Mathematical Methods of Statistics 14 (2005), 451; its coverage: Phan, Thomas & Learned-Miller, Towards
    Practical Mean Bounds for Small Samples, ICML 2021.
    """
    low = _gaffke_low(tuple(sorted(values)))
    high = 1.0 - _gaffke_low(tuple(sorted(1.0 - value for value in values)))
    centre = mean(values)
    return exact(min(low, centre)), exact(max(high, centre))


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of the mean of scores in 0..1: Clopper–Pearson if each is 0 or 1, else Gaffke's."""
    if all(value in (0.0, 1.0) for value in values):
        return clopper_pearson(round(math.fsum(values)), len(values))
    return gaffke(values)


def mean_interval(values: Sequence[float], unit: str) -> Interval | None:
    """The 95% interval of the mean of scores in 0..1, each value being one `unit` ("trials", "tasks").

    None for fewer than three values.
    """
    n = len(values)
    if n < LEAST:
        return None
    low, high = bounds(values)
    pass_fail = all(value in (0.0, 1.0) for value in values)
    side = ", one-sided" if len(set(values)) == 1 and pass_fail else ""
    return Interval(low=low, high=high, method=f"{'Clopper–Pearson' if pass_fail else 'Gaffke'} on {n} {unit}{side}")


def ratio_interval(amounts: Sequence[float], work: Sequence[float]) -> tuple[float, float] | None:
    """The 95% interval of sum(amounts) / sum(work), `work` being scores in 0..1; None for fewer than three pairs.

    It joins the ends of the two means: of the amounts by Student's t on a logarithmic scale, of the scores by `bounds`.
    So an agent that passed five of five has a ratio as uncertain as its passing; the t interval of the ratio itself
    (Cochran, Sampling Techniques, 3rd ed., 1977, section 6.4) has there only the scatter of its seconds. The joint
    ends hold also where failing takes longer.

    Source: the delta method for the logarithm of a mean (Casella & Berger, Statistical Inference, 2nd ed. 2002, section
    5.5.4), with t on n - 1.
    """
    n = len(amounts)
    if n < LEAST:
        return None
    used, done = math.fsum(amounts) / n, math.fsum(work) / n
    if used <= 0.0:
        return 0.0, 0.0
    low, high = bounds(work)
    factor = math.exp(min(t_quantile(1.0 - ALPHA / 2, n - 1) * math.sqrt(_variance(amounts) / n) / used, 100.0))
    return used / factor / high, used * factor / low if low > 0.0 and done > 0.0 else math.inf


def _variance(values: Sequence[float]) -> float:
    """The unbiased sample variance of at least two values."""
    centre = math.fsum(values) / len(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
