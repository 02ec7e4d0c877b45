"""What more trials would do: how probably they tell two agents apart, and which lower the regret most per dollar."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from flatfield.scoring.certainty.utility import utility
from flatfield.scoring.certainty.values import APART, Purchase, WhichTasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Weights
    from flatfield.scoring.certainty.posterior import Posterior
    from flatfield.scoring.certainty.table import SumTable
    from flatfield.scoring.certainty.values import Money

Array = NDArray[np.float64]

BATCHES = (1, 2, 4, 8)
LEAST_USD, USD_A_SECOND = 1e-4, 1e-6
"""A trial is never cheaper than this to buy; and of trials at no price the quicker one is bought."""
CONTENDER = 0.05
"""Who is best with less probability is not measured on new tasks."""
RATE, RHO = 0.5, 0.3
"""A pass rate, and the share of a trial's variance that tasks make, where nothing is known."""
Z = NormalDist().inv_cdf(APART)


def power(
    posterior: Posterior,
    pair: tuple[int, int],
    question: WhichTasks,
    times: float,
    measure: Weights | Money | None = None,
) -> float:
    """How probably a pair would be told apart with so many times the repeats (`these`), or the tasks (`next`).

    The difference is what the draws say it may be, its standard error shrinks with the root of `times`; the
    probability is averaged over the draws. Source: assurance: O'Hagan, Stevens & Campbell, Pharmaceutical Statistics 4
    (2005), 187.
    """
    means = posterior.these if question == "these" else posterior.next
    values = means.performance if measure is None else utility(means, measure)
    off = values[:, pair[0]] - values[:, pair[1]]
    error = float(off.std()) / math.sqrt(times)
    if error <= 0.0:
        return float(off[0] != 0.0)
    return float(np.mean([normal(abs(one) / error - Z) for one in off[:: max(len(off) // 500, 1)].tolist()]))


def least_difference(tasks: int, repeats: int, question: WhichTasks, rate: float = RATE, rho: float = RHO) -> float:
    """Before any trial: which difference of two pass rates around `rate` would be told apart in four of five cases.

    `rho`: the share of a trial's variance that tasks make. On these tasks only the trials are chance; on the next,
    tasks too, of whose difficulty half is the same for both.
    """
    noise = (1.0 - rho) / repeats
    between = rho / 2.0 if question == "next" else 0.0
    error = math.sqrt(2.0 * rate * (1.0 - rate) * (between + noise) / tasks)
    return min((Z + NormalDist().inv_cdf(0.8)) * error, 1.0)


def purchases(
    posterior: Posterior,
    table: SumTable,
    measure: Weights | Money,
    allowed: Sequence[int],
    most: int = 3,
    *,
    missing_first: bool = False,
) -> tuple[Purchase, ...]:
    """Which trials would lower the regret of the answer most per dollar, the best first; none that lower it not at all.

    `missing_first`: what is missing could change the answer, so it goes before all else.

    A purchase moves an agent's mean utility by a normal amount whose variance is what it takes away of the agent's; the
    regret falls by the chance that this changes the answer, times what that is worth: the knowledge gradient. Batches
    are compared by gain per dollar, for a single trial seldom changes anything. The agents bought for are those whose
    trials do so, in practice the two that are nearest to each other at the top.

    Sources: Frazier, Powell & Dayanik, SIAM Journal on Control and Optimization 47 (2008), 2410; batches: Frazier &
    Powell, Decision Analysis 7 (2010), 378; the top two: Russo, Operations Research 68 (2020), 1625.

    Departure: variances are those of the draws; repeats take from what is unsure on these tasks, new tasks from all.
    """
    if len(allowed) < 2:
        return ()
    values = utility(posterior.next, measure)
    found = [
        one for one in _offers(posterior, table, values, utility(posterior.these, measure), allowed) if one.gain > 1e-6
    ]

    def order(one: Purchase) -> tuple[bool, float]:
        return (not missing_first or one.kind != "missing", -one.gain / _price(one))

    return tuple(sorted(found, key=order)[:most])


def _offers(
    posterior: Posterior, table: SumTable, values: Array, these: Array, allowed: Sequence[int]
) -> Iterator[Purchase]:
    means, tasks = values.mean(axis=0), len(table.tasks)
    seconds = np.nan_to_num(np.median(posterior.next.seconds, axis=0))
    paid = posterior.next.expected_usd
    usd = [None if paid is None else float(one) for one in (seconds if paid is None else np.median(paid, axis=0))]
    count = table.score.count
    for a in allowed:
        best = max(float(means[b]) for b in allowed if b != a)
        gap, known = abs(best - float(means[a])), int((count[a] > 0.0).sum())
        lacking = tasks - known
        repeats = float(count[a].sum()) / max(known, 1)
        template = _offer(posterior.agents[a], usd[a], float(seconds[a]))
        if lacking:
            taken = float(values[:, a].var()) * lacking / tasks
            yield _bought(template, "missing", 1, lacking, _gain(gap, taken))
        for more in BATCHES if known else ():
            taken = float(these[:, a].var()) * more / (repeats + more)
            yield _bought(template, "repeats", more, more * known, _gain(gap, taken))
    yield from _new_tasks(posterior, values, allowed, usd, seconds)


def _new_tasks(
    posterior: Posterior, values: Array, allowed: Sequence[int], usd: Sequence[float | None], seconds: Array
) -> Iterator[Purchase]:
    """New tasks for all that may be the best: they change how the answer and its next rival differ."""
    order = sorted(allowed, key=lambda a: -float(values[:, a].mean()))
    best = (values[:, order] >= values[:, order].max(axis=1, keepdims=True)).mean(axis=0)
    contenders = [a for a, p in zip(order, best, strict=True) if p >= CONTENDER or a in order[:2]]
    first = contenders[0]
    prices = [usd[a] for a in contenders]
    known = [price for price in prices if price is not None]
    template = Purchase(
        kind="tasks",
        agents=tuple(posterior.agents[a] for a in contenders),
        each=1,
        trials=1,
        usd=math.fsum(known) / len(contenders) if len(known) == len(prices) else None,
        seconds=float(np.mean([seconds[a] for a in contenders])),
        gain=0.0,
    )
    tasks = len(posterior.tasks)
    for more in BATCHES:
        gains = [
            _gain(float((off := values[:, first] - values[:, b]).mean()), float(off.var()) * more / (tasks + more))
            for b in contenders[1:]
        ]
        yield _bought(template, "tasks", more, more * len(contenders), max(gains))


def _offer(agent: str, usd: float | None, seconds: float) -> Purchase:
    return Purchase(kind="repeats", agents=(agent,), each=1, trials=1, usd=usd, seconds=seconds, gain=0.0)


def _bought(
    one: Purchase, kind: Literal["missing", "repeats", "tasks"], each: int, trials: int, gain: float
) -> Purchase:
    usd = None if one.usd is None else one.usd * trials
    return replace(one, kind=kind, each=each, trials=trials, usd=usd, seconds=one.seconds * trials, gain=gain)


def _price(one: Purchase) -> float:
    return max(one.usd or 0.0, LEAST_USD * one.trials) + USD_A_SECOND * one.seconds


def _gain(gap: float, variance: float) -> float:
    """What is won on average by a look that moves a difference of `gap` by a normal amount of this variance."""
    if variance <= 0.0:
        return 0.0
    error = math.sqrt(variance)
    z = -abs(gap) / error
    return error * (math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi) + z * normal(z))


def normal(x: float) -> float:
    """The normal distribution function."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
