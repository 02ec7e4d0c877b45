"""How far graders agree beyond chance: weighted kappa, Krippendorff's alpha, a rank correlation, as arithmetic.

Grades are whole numbers in order (0 for S … 5 for F), or None where there is none.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from flatfield.records import Interval
from flatfield.scoring.scales import exact, mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Pair = tuple[int, int]
RESAMPLES = 2_000
_Z = 1.959963984540054


def weighted_kappa(pairs: Sequence[Pair]) -> float | None:
    """Agreement of two graders, a disagreement counting by its square: 1 full, 0 as by chance, below 0 worse.

    None where it is not defined: no pairs, or both graders always gave one and the same grade.

    Source: J. Cohen, Psychological Bulletin 70 (1968), 213, with quadratic weights.
    """
    if not pairs:
        return None
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    expected = sum(n * m * (a - b) ** 2 for a, n in first.items() for b, m in second.items()) / len(pairs) ** 2
    return exact(1.0 - observed / expected) if expected else None


def ordinal_alpha(units: Iterable[Sequence[int | None]]) -> float | None:
    """Krippendorff's alpha with the ordinal metric; `units` are what was graded, each with its graders' grades.

    Grades that are missing do no harm; a unit with fewer than two is left out. None where it is not defined: nothing
    was graded twice, or all grades are the same.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections C and D.
    """
    known = [[grade for grade in unit if grade is not None] for unit in units]
    paired = [unit for unit in known if len(unit) > 1]
    counts = Counter(grade for unit in paired for grade in unit)
    total = sum(counts.values())
    grades = sorted(counts)
    if len(grades) < 2:
        return None
    apart = {(a, b): _ordinal_distance(counts, a, b) for a in grades for b in grades}
    observed = sum(
        sum(apart[a, b] for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j) / (len(unit) - 1)
        for unit in paired
    )
    expected = sum(counts[a] * counts[b] * apart[a, b] for a in grades for b in grades) / (total - 1)
    return exact(1.0 - observed / expected)


def _ordinal_distance(counts: Counter[int], a: int, b: int) -> float:
    low, high = min(a, b), max(a, b)
    between = sum(n for grade, n in counts.items() if low <= grade <= high)
    return float((between - (counts[a] + counts[b]) / 2.0) ** 2)


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None for fewer than three pairs or where one never varies.

    Source: C. Spearman, American Journal of Psychology 15 (1904), 72, as Pearson's correlation of ranks.
    """
    if len(pairs) < 3:
        return None
    x, y = (np.asarray(_ranks(side)) for side in zip(*pairs, strict=True))
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return exact(float(x @ y) / size) if size else None


def spearman_interval(value: float, n: int) -> Interval | None:
    """The 95% interval of a rank correlation of `n` pairs; None below ten pairs.

    Source: D. G. Bonett & T. A. Wright, Psychometrika 65 (2000), 23: Fisher's z with variance (1 + r²/2) / (n − 3).
    """
    if n < 10 or abs(value) >= 1.0:
        return None
    half = _Z * math.sqrt((1.0 + value * value / 2.0) / (n - 3))
    centre = math.atanh(value)
    return Interval(low=math.tanh(centre - half), high=math.tanh(centre + half), method=f"Fisher's z on {n} trials")


def kappa_interval(pairs: Sequence[Pair], seed: int = 0) -> Interval | None:
    """The 95% bootstrap interval of weighted kappa over the pairs; None below ten of them or where it is not defined.

    Source: A. C. Davison & D. V. Hinkley, Bootstrap Methods and their Application (1997), section 5.3, percentiles.
    """
    if len(pairs) < 10 or weighted_kappa(pairs) is None:
        return None
    data = np.asarray(pairs, dtype=float)
    chosen = np.random.default_rng(seed).integers(len(data), size=(RESAMPLES, len(data)))
    values = _kappas(data[:, 0][chosen], data[:, 1][chosen])
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(low=float(low), high=float(high), method=f"bootstrap over {len(pairs)} trials")


def kappa_p(pairs: Sequence[Pair], seed: int = 0) -> float:
    """How often grades dealt out at random agree at least as well (a permutation test); 1 where kappa is not defined.

    Source: the add-one estimate of B. Phipson & G. K. Smyth, Statistical Applications in Genetics 9 (2010), 39.
    """
    value = weighted_kappa(pairs)
    if value is None:
        return 1.0
    data = np.asarray(pairs, dtype=float)
    chance = np.random.default_rng(seed)
    dealt = chance.permuted(np.tile(data[:, 1], (RESAMPLES, 1)), axis=1)
    values = _kappas(np.broadcast_to(data[:, 0], dealt.shape), dealt)
    return (1.0 + float(np.sum(values >= value - 1e-12))) / (RESAMPLES + 1.0)


def _kappas(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weighted kappa of each row: 1 − mean squared difference / the same of independent draws from both margins."""
    observed = ((first - second) ** 2).mean(axis=1)
    expected = first.var(axis=1) + second.var(axis=1) + (first.mean(axis=1) - second.mean(axis=1)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1.0 - observed / expected, np.nan)


def difference_interval(
    groups: Sequence[tuple[Sequence[float], Sequence[float]]], seed: int = 0
) -> tuple[float, Interval | None] | None:
    """Mean difference between first and second members, within groups, each weighted by its smaller side.

    `groups` hold two samples each; one with an empty side says nothing. None when none is left; the interval is a
    bootstrap within the samples, None below five values on either side in all.
    """
    used = [(np.asarray(a), np.asarray(b)) for a, b in groups if len(a) and len(b)]
    if not used:
        return None
    weights = np.array([min(len(a), len(b)) for a, b in used], dtype=float)

    def blend(values: Sequence[float] | np.ndarray) -> np.ndarray:
        return np.average(np.asarray(values), axis=0, weights=weights)

    value = exact(float(blend([float(a.mean() - b.mean()) for a, b in used])))
    if min(sum(len(side) for side in sides) for sides in zip(*used, strict=True)) < 5:
        return value, None
    chance = np.random.default_rng(seed)

    def redrawn(sample: np.ndarray) -> np.ndarray:
        return np.asarray(sample[chance.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(axis=1))

    values = blend([redrawn(a) - redrawn(b) for a, b in used])
    low, high = np.percentile(values, [2.5, 97.5])
    return value, Interval(low=float(low), high=float(high), method="bootstrap within tasks")


def at_least(hits: int, n: int, share: float) -> float:
    """P(X ≥ hits) for X binomial with n and `share`: how likely so many hits are by luck.

    Source: the exact one-sided binomial test.
    """
    return min(1.0, math.fsum(math.comb(n, k) * share**k * (1.0 - share) ** (n - k) for k in range(hits, n + 1)))


def _ranks(values: Iterable[float]) -> list[float]:
    items = list(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(items), start=1):
        places.setdefault(value, []).append(place)
    return [mean(places[value]) for value in items]
