"""From draws to a choice: who is best, what being wrong costs, ranks, the front, and what would change the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from flatfield.scoring.certainty.utility import TIE, money, overall, shares, tie_of, utility
from flatfield.scoring.certainty.values import APART, Estimate, Paired, Reach, Regret, WhichTasks
from flatfield.scoring.scales import HOLDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Weights
    from flatfield.scoring.certainty.posterior import DrawnMeans, Posterior
    from flatfield.scoring.certainty.values import Bounds, Money

Array = NDArray[np.float64]

NAMES: tuple[Literal["performance", "speed", "cost"], ...] = ("performance", "speed", "cost")
STEPS = 100
"""In how many steps a weight is moved from 0 to 1."""
WORTHS: tuple[Literal["solved_usd", "hour_usd"], ...] = ("solved_usd", "hour_usd")
FURTHEST, WORTH_STEPS = 1000.0, 300
"""By which factor, and in how many steps, a worth is moved; an hour that costs nothing yet begins at FIRST_HOUR."""
FIRST_HOUR = 1.0


def estimate(draws: Array) -> Estimate:
    """Mean and central 95% of one figure's draws."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(mean=float(draws.mean()), low=float(low), high=float(high))


def best_probabilities(values: Array, tie: float) -> Array:
    """By agent, how probably nobody is better by more than `tie`."""
    found: Array = (values >= values.max(axis=1, keepdims=True) - tie).mean(axis=0)
    return found


def leader(some: Sequence[int], means: Array, best: Array, tie: float, preferred: Sequence[int]) -> int:
    """Who of these has the highest mean; of those that are less than a tie behind, who is most probably the best.

    What tells near ones apart is the draws' chance alone, so of those whose P(best) reads the same it is the first by
    `preferred`, by agent.
    """
    top = max(float(means[a]) for a in some)
    near = [a for a in some if top - float(means[a]) < tie]
    return min(near, key=lambda a: (-round(float(best[a]), 2), preferred[a]))


def best_shares(values: Array, tie: float) -> Array:
    """By agent, its share of being best, who is within `tie` of the best sharing it: they sum to 1."""
    best = (values >= values.max(axis=1, keepdims=True) - tie).astype(float)
    found: Array = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return found


def regret(values: Array, agent: int, rivals: Sequence[int]) -> Regret:
    """What is lost against the best of the rivals, on average and in all but the worst 5% of draws.

    A bad case is no better than the average: few draws that lose much can carry the mean beyond the others.

    Source: the expected opportunity loss: Raiffa & Schlaifer, Applied Statistical Decision Theory (1961), chapter 4.
    """
    lost = np.maximum(values[:, list(rivals)].max(axis=1) - values[:, agent], 0.0) if rivals else np.zeros(1)
    average = float(lost.mean())
    return Regret(mean=average, worst=max(average, float(np.percentile(lost, 95.0))))


def rank_ranges(values: Array) -> list[tuple[int, int]]:
    """By agent, the central 95% of its ranks from 1 over the draws.

    Source: Goldstein & Spiegelhalter, Journal of the Royal Statistical Society A 159 (1996), 385.
    """
    ranks = np.argsort(np.argsort(-values, axis=1), axis=1) + 1
    low = np.percentile(ranks, 2.5, axis=0, method="inverted_cdf")
    high = np.percentile(ranks, 97.5, axis=0, method="inverted_cdf")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def front_probabilities(means: DrawnMeans) -> Array:
    """By agent, how probably nobody is as good on performance, seconds and dollars and better on one of them."""
    timed = not np.isnan(means.seconds[0, 0])
    sides = [means.performance, *([-means.seconds] if timed else []), *([] if means.usd is None else [-means.usd])]
    agents = means.performance.shape[1]
    found = np.empty(agents)
    for a in range(agents):
        matched, better = np.ones_like(sides[0], dtype=bool), np.zeros_like(sides[0], dtype=bool)
        for side in sides:
            matched &= side >= side[:, a : a + 1]
            better |= side > side[:, a : a + 1]
        found[a] = 1.0 - (matched & better).any(axis=1).mean()
    return found


def within(means: DrawnMeans, bounds: Bounds) -> Array:
    """By agent, how probably it keeps to all limits; whose dollars nobody knows keeps to no limit of dollars."""
    kept = np.ones_like(means.performance, dtype=bool)
    if bounds.min_performance is not None:
        kept &= means.performance >= bounds.min_performance
    if bounds.max_seconds is not None:
        kept &= means.seconds <= bounds.max_seconds
    if bounds.max_usd is not None:
        kept &= means.usd <= bounds.max_usd if means.usd is not None else False
    found: Array = kept.mean(axis=0)
    return found


def paired(
    posterior: Posterior, first: int, second: int, question: WhichTasks, measure: Weights | Money | None = None
) -> Paired:
    """First minus second of the same draws, in the measure's utility; in performance without a measure."""
    means = posterior.these if question == "these" else posterior.next
    values = means.performance if measure is None else utility(means, measure)
    off = values[:, first] - values[:, second]
    low, high = np.percentile(off, [100.0 * (1.0 - APART), 100.0 * APART]).tolist()
    return Paired(
        first=posterior.agents[first],
        second=posterior.agents[second],
        question=question,
        what="performance" if measure is None else "utility",
        difference=estimate(off),
        probability=float((off > 0.0).mean() + 0.5 * (off == 0.0).mean()),
        ends=(low, high),
        apart=low > 0.0 or high < 0.0,
    )


def reaches(
    posterior: Posterior, weights: Weights, agent: int, rivals: Sequence[int], preferred: Sequence[int]
) -> tuple[Reach, ...]:
    """How far each weight can move before one of the rivals would be the answer (`leader`)."""
    means, names = posterior.next, posterior.agents
    now = shares(means, weights)
    some = sorted({agent, *rivals})

    def moved(which: int, end: float) -> tuple[float, str | None]:
        steps = np.linspace(now[which], end, STEPS + 1)
        means_there = averages(means, with_share(now, which, 0.0), which, steps)
        top = means_there[:, some].max(axis=1, keepdims=True)
        near = (means_there[:, some] > top - TIE).sum(axis=1) > 1
        for step in np.flatnonzero(near | (means_there[:, agent] < top[:, 0])).tolist():
            best = np.zeros(len(names))
            if near[step]:
                values = overall(means, with_share(now, which, float(steps[step])))
                best[some] = best_probabilities(values[:, some], TIE)
            first = leader(some, means_there[step], best, TIE, preferred)
            if step and first != agent:
                return float(steps[step - 1]), names[first]
        return float(steps[-1]), None

    found = []
    for i, name in enumerate(NAMES):
        if (name == "cost" and means.cost is None) or (name == "speed" and np.isnan(means.seconds).all()):
            continue
        (low, below), (high, above) = moved(i, 0.0), moved(i, 1.0)
        found.append(Reach(weight=name, now=now[i], low=low, high=high, below=below, above=above))
    return tuple(found)


def worth_reaches(
    posterior: Posterior, measure: Money, agent: int, rivals: Sequence[int], preferred: Sequence[int]
) -> tuple[Reach, ...]:
    """How far what is solved, or an hour, can be worth less or more before one of the rivals would be the answer."""
    some, names = sorted({agent, *rivals}), posterior.agents
    of_some = [preferred[a] for a in some]

    def first_at(name: str, worth: float) -> str:
        there = replace(measure, **{name: worth})
        values, tie = money(posterior.next, there)[:, some], tie_of(there)
        average = values.mean(axis=0)
        near = (average > average.max() - tie).sum() > 1
        best = best_probabilities(values, tie) if near else np.zeros(len(some))
        return names[some[leader(range(len(some)), average, best, tie, of_some)]]

    def moved(name: str, steps: Array) -> tuple[float, str | None]:
        before = steps[0]
        for step in steps[1:]:
            first = first_at(name, float(step))
            if first != names[agent]:
                return float(before), first
            before = step
        return float(before), None

    found = []
    for name in WORTHS:
        now = getattr(measure, name)
        factors = np.geomspace(1.0, FURTHEST, WORTH_STEPS)
        low, below = moved(name, now / factors)
        high, above = moved(name, now * factors if now else np.append(0.0, FIRST_HOUR * factors))
        found.append(Reach(weight=name, now=now, low=low, high=high, below=below, above=above))
    return tuple(found)


def averages(means: DrawnMeans, others: tuple[float, float, float], which: int, steps: Array) -> Array:
    """Steps × agents: the mean of `overall` with one weight at each step, `others` being the shares without it.

    What the cap takes from a draw is, as the weight moves, a straight line that begins or ends where the blend is as
    high as performance: so all steps come from sums up to them.
    """
    if steps[0] > steps[-1]:
        return averages(means, others, which, steps[::-1])[::-1]
    parts = (means.performance, means.speed, np.zeros_like(means.speed) if means.cost is None else means.cost)
    rest = others[0] * parts[0] + others[1] * parts[1] + others[2] * parts[2]
    slope, room = parts[which] - rest, means.performance - rest
    blend = rest.mean(axis=0) + steps[:, None] * slope.mean(axis=0)
    capped = means.performance < HOLDS
    if not capped.any():
        found: Array = blend
        return found
    count, agents = len(steps), slope.shape[1]
    steep = np.where(capped, np.abs(slope), 0.0)
    start = np.clip(room / np.where(steep > 0.0, slope, 1.0), -1e6, 1e6)
    place = np.searchsorted(steps, start) + (count + 1) * np.arange(agents)

    def before(weights: Array) -> tuple[Array, Array]:
        """By step, the sums of weights of draws whose line begins by then, and of all."""
        by_step = np.bincount(place.ravel(), weights.ravel(), (count + 1) * agents).reshape(agents, count + 1)
        return by_step.cumsum(axis=1).T[:-1], by_step.sum(axis=1)

    rising, falling = (before(steep * mine) for mine in (slope > 0.0, slope < 0.0))
    rising_at, falling_at = (before(steep * start * mine) for mine in (slope > 0.0, slope < 0.0))
    taken = steps[:, None] * rising[0] - rising_at[0]
    taken += (falling_at[1] - falling_at[0]) - steps[:, None] * (falling[1] - falling[0])
    level = np.where(capped & (slope == 0.0), np.maximum(-room, 0.0), 0.0).sum(axis=0)
    return np.asarray(blend - (taken + level) / len(slope))


def with_share(now: tuple[float, float, float], which: int, value: float) -> tuple[float, float, float]:
    """The shares with one at `value`, the others in proportion; alike where they had none."""
    rest = 1.0 - now[which]
    others = [(1.0 - value) * (now[i] / rest if rest > 0.0 else 0.5) for i in range(3)]
    others[which] = value
    return (others[0], others[1], others[2])
