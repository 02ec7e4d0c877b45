"""Ranks as ranges: which places an agent takes in most of the worlds that its trials allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.scoring.statistics.intervals import LEAST
from flatfield.scoring.statistics.paired import Estimate, Z

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 4000
DEEP = 0.01
"""The share of resamples cut off at either end: with 0.025, agents that hardly differ lie outside in 8% of cases."""


class Contender(Struct, frozen=True, kw_only=True):
    """An agent's overall estimate (None: no interval is known), and its blend on each task, the same tasks for all.

    `repeats`: trials per task. `tasks`: those that all have, in the same order. `gap`: the share (0..1) of its trials
    that is not measured: its overall may lie anywhere between these all counting 0 and all counting 1.
    """

    estimate: Estimate | None
    tasks: tuple[float, ...] = ()
    repeats: float = 1.0
    gap: float = 0.0


def rank_ranges(contenders: Sequence[Contender]) -> list[tuple[int, int]]:
    """(best, worst) rank of each: the ranks 1% and 99% of all resamples deep.

    A resample moves all overall scores at once. From three tasks up, the same for all, their errors are a multivariate
    t with the covariance of the agents' blends over the tasks, and the addition that `paired` makes: what is hard for
    all costs nobody a place, and two agents' places are told apart as their paired difference is. Else each is drawn
    from its own interval. One without an interval may be anywhere, and ahead of anybody. The seed is fixed.

    Source: ranks of draws: Goldstein & Spiegelhalter, Journal of the Royal Statistical Society A 159 (1996), 385.
    """
    import numpy as np

    known = [one for one in contenders if one.estimate is not None]
    unknown = len(contenders) - len(known)
    ranges: list[tuple[int, int]] = []
    if known:
        drawn = _drawn(known) + _missing(known)
        for column in range(len(known)):
            mine = drawn[:, column, None]
            best, worst = 1 + (drawn > mine).sum(axis=1), (drawn >= mine).sum(axis=1)
            low = int(np.quantile(best, DEEP, method="lower"))
            ranges.append((low, int(np.quantile(worst, 1.0 - DEEP, method="higher")) + unknown))
    ranked = iter(ranges)
    return [(1, len(contenders)) if one.estimate is None else next(ranked) for one in contenders]


def _missing(known: Sequence[Contender]) -> NDArray[np.float64] | float:
    """RESAMPLES × agents: how far the trials that are not measured may move the overall scores."""
    import numpy as np

    if not any(one.gap for one in known):
        return 0.0
    shares = np.random.default_rng(8).random((RESAMPLES, len(known)))
    value = np.asarray([one.estimate.value for one in known if one.estimate is not None])
    return np.asarray((shares - value) * [one.gap for one in known])


def _drawn(known: Sequence[Contender]) -> NDArray[np.float64]:
    """RESAMPLES × agents: overall scores."""
    import numpy as np

    generator = np.random.default_rng(7)
    estimates = [one.estimate for one in known if one.estimate is not None]
    value, low, high = (np.asarray([getattr(each, name) for each in estimates]) for name in ("value", "low", "high"))
    own = generator.standard_normal((RESAMPLES, len(known)))
    count = len(known[0].tasks)
    if count < LEAST:
        return np.asarray(value + np.where(own > 0.0, high - value, value - low) / Z * own)
    tasks = np.asarray([one.tasks for one in known]).T
    added = np.sqrt([0.5 / one.repeats for one in known])
    errors = generator.standard_normal((RESAMPLES, count)) @ (tasks - tasks.mean(axis=0)) + own * added
    scale = np.sqrt(generator.chisquare(count - 1, (RESAMPLES, 1)) * count)
    return np.asarray(value + errors / scale)
