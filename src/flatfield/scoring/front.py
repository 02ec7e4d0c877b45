"""How sure the order of the front is: each pair that matters is told apart, alike, still open, or out of reach."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.scoring.performance import measure
from flatfield.scoring.scales import HOLDS, blended, mean
from flatfield.scoring.scorecards import counts_dearest
from flatfield.scoring.statistics.intervals import LEAST, t_quantile
from flatfield.scoring.statistics.paired import Estimate, Z, standard_error, t_cdf, unpaired
from flatfield.scoring.work import MEASURES, task_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.records import Anchors, RunResult, Scorecard, Weights
    from flatfield.scoring.performance import Figures
    from flatfield.scoring.scales import Measure

ERROR = 0.05
"""How probable it may be, over all looks at a pair together, that it is put in the wrong order."""
MARGIN = 0.05
"""Overall scores that surely differ by less than this are alike: half of what the narrowest letter spans."""
GROWTH = 4 / 3
"""Each look comes when a pair has so many times the repeats of the look before."""

Standing = Literal["apart", "alike", "open", "out of reach", "at the most repeats"]


class Pair(Struct, frozen=True, kw_only=True):
    """Two agents, the better one first, the probability that it is, and the one that is asked for at this look.

    Both None with fewer than three repeats.
    """

    first: str
    second: str
    standing: Standing
    probability: float | None = None
    asked: float | None = None


class Order(Struct, frozen=True, kw_only=True):
    """Who has an overall score, best first, the pairs that matter, and the tasks that any of them did.

    `noise`: the variance of one trial's part in a task's overall score, by (task, agent) where that is known; `looks`:
    the repeats, as a mean over tasks, at which pairs are looked at.
    """

    agents: tuple[str, ...]
    pairs: tuple[Pair, ...]
    tasks: tuple[str, ...]
    noise: Mapping[tuple[str, str], float]
    looks: tuple[float, ...]


def order_of(result: RunResult, max_repeats: int) -> Order:
    """The order of the front, and how sure each step of it is.

    The pairs: neighbours on the front, by overall, and its best with everybody who is not on it. They are compared in
    overall, as ranks are: paired by task from three tasks up (`statistics.paired`), else by their intervals. A pair is
    `apart` when the probability of the first being better reaches 1 minus the look's share of ERROR, and `alike` when,
    as surely, the two differ by less than MARGIN.

    It is `out of reach` when `max_repeats` of these tasks would bring neither, with the difference one standard error
    larger (for apart) or smaller (for alike) than it is seen: what remains is how the tasks differ, which no repeat
    changes.
    """
    cards = {card.agent: card for card in result.grading.scorecards if not card.control}
    agents = tuple(agent for agent in result.grading.order if agent in cards)
    unbeaten = _unbeaten([cards[agent] for agent in agents], result.grading.weights)
    looks = looks_at(mean(result.run.repeats.values()), max_repeats) if result.run.repeats else ()
    view = _View(result, agents)
    front = [agent for agent in agents if agent in unbeaten]
    named = (*pairwise(front), *((front[0], agent) for agent in agents if agent not in front))
    pairs = tuple(_pair(one, other, view, looks) for one, other in named)
    return Order(agents=agents, pairs=pairs, tasks=view.tasks, noise=view.noise, looks=looks)


def _unbeaten(cards: Sequence[Scorecard], weights: Weights) -> frozenset[str]:
    """Agents that no other one matches on every weighted score and beats on one; what is not known counts 0."""
    parts = [name for name in ("performance", "speed", "cost") if getattr(weights, name) > 0]
    points = {card.agent: [getattr(card, name).score or 0.0 for name in parts] for card in cards}

    def beaten(mine: list[float], other: list[float]) -> bool:
        return other != mine and all(theirs >= own for theirs, own in zip(other, mine, strict=True))

    return frozenset(agent for agent, mine in points.items() if not any(beaten(mine, one) for one in points.values()))


def looks_at(planned: float, most: int) -> tuple[float, ...]:
    """The repeats at which a pair is looked at: the planned ones, three at least, and GROWTH times as many each time.

    Fixed beforehand, so that the looks' shares of ERROR add up to it whatever is seen at them.
    """
    looks = [max(planned, float(LEAST))]
    while looks[-1] < most:
        looks.append(min(looks[-1] * GROWTH, float(most)))
    return tuple(looks)


def share(looks: Sequence[float], repeats: float) -> float:
    """What a look after so many repeats may spend of ERROR: its part of all repeats that there may be.

    By Boole's inequality the shares bound the error over all looks together, so this is a little stricter than needed.

    Source: spending functions: Lan & DeMets, Biometrika 70 (1983), 659; this one, in proportion to the information:
    Kim & DeMets, Biometrika 74 (1987), 149.
    """
    reached = [look for look in looks if look <= repeats + 1e-9] or looks[:1]
    before = reached[-2] if len(reached) > 1 else 0.0
    return ERROR * (reached[-1] - before) / looks[-1]


class _Gap(Struct, frozen=True, kw_only=True):
    """A difference in overall, its standard error now and at the most repeats, and its t distribution's freedom.

    `freedom` None: a normal distribution.
    """

    value: float
    error: float
    error_at_most: float
    freedom: int | None

    @property
    def probability(self) -> float:
        """That the difference is above 0."""
        if self.error <= 0.0:
            return 0.5 + math.copysign(0.5, self.value) if self.value else 0.5
        t = self.value / self.error
        return NormalDist().cdf(t) if self.freedom is None else t_cdf(t, self.freedom)

    def reach(self, error_share: float) -> float:
        """How many standard errors leave so much on one side."""
        p = 1.0 - error_share
        return NormalDist().inv_cdf(p) if self.freedom is None else t_quantile(p, self.freedom)


class _View:
    """Overall scores task by task, and how far single trials move them."""

    def __init__(self, result: RunResult, agents: Sequence[str]) -> None:
        self._result = result
        self.cards = {card.agent: card for card in result.grading.scorecards}
        figures = measure(result.run, result.trials, result.verdicts).figures
        self.scores: dict[tuple[str, str], float] = {}
        self.noise: dict[tuple[str, str], float] = {}
        tasks = tuple(task.id for task in result.run.tasks)
        for agent in agents:
            for task in tasks:
                found = self._cell(agent, task, figures.get((agent, task), ()))
                if found is not None:
                    self.scores[task, agent], self.noise[task, agent] = found
        self.tasks = tuple(task for task in tasks if any((task, agent) in self.scores for agent in agents))

    def common(self, first: str, second: str) -> list[str]:
        """The tasks on which both have a score."""
        return [task for task in self.tasks if (task, first) in self.scores and (task, second) in self.scores]

    def repeats(self, agent: str) -> float:
        """Planned for the agent, as a mean over the tasks."""
        run = self._result.run
        return mean(run.repeats.get(task, 1) + run.added_to(task, agent) for task in self.tasks)

    def _cell(self, agent: str, task: str, figures: Sequence[Figures]) -> tuple[float, float] | None:
        """The agent's part of its overall and its noise; None where it was not measured, or lacks a part."""
        grading = self._result.grading
        anchors: dict[Measure, Anchors | None] = {
            measure: next((a for a in grading.anchors if (a.task, a.measure) == (task, measure)), None)
            for measure in MEASURES
        }
        card = self.cards[agent]
        holds = _holds(card)
        dearest = counts_dearest(card.performance, card.cost, grading.weights)
        score = _score(figures, anchors, grading.weights, holds=holds, dearest=dearest)
        if score is None:
            return None

        def again(some: Sequence[Figures]) -> float:
            found = _score(some, anchors, grading.weights, holds=holds, dearest=dearest)
            return score if found is None else found

        return score, _noise(score, figures, again)


def _holds(card: Scorecard) -> bool:
    """Whether the overall is the blend; else performance caps it."""
    performance, overall = card.performance.score or 0.0, card.overall.score or 0.0
    return performance >= HOLDS or overall < performance


def _score(
    figures: Sequence[Figures],
    anchors: Mapping[Measure, Anchors | None],
    weights: Weights,
    *,
    holds: bool,
    dearest: bool,
) -> float | None:
    """An agent's part of its overall on one task: the blend (None: a part is not known), or its performance."""
    performance, speed, cost = task_scores({"": figures}, anchors)[""]
    if performance is None or not holds:
        return performance
    return blended(performance, speed, 0.0 if cost is None and dearest else cost, weights)


def _noise(score: float, figures: Sequence[Figures], again: Callable[[Sequence[Figures]], float]) -> float:
    """The variance of one trial: by the jackknife, and as if one more trial had passed and one more failed.

    The addition keeps a task whose few trials were all alike from counting as one that cannot turn out otherwise.

    Source: Efron & Stein, Annals of Statistics 9 (1981), 586; the addition: Agresti & Caffo, The American
    Statistician 54 (2000), 280.
    """
    n = len(figures)
    without = [again([*figures[:i], *figures[i + 1 :]]) for i in range(n)] if n > 1 else [score]
    centre = mean(without)
    spread = math.fsum((each - centre) ** 2 for each in without)
    return (n - 1) * spread + 0.5 / (n + 2)


def _pair(first: str, second: str, view: _View, looks: Sequence[float]) -> Pair:
    repeats, most = min(view.repeats(first), view.repeats(second)), looks[-1]
    gap = _gap(first, second, view, repeats, most) if repeats >= LEAST else None
    if gap is None:
        standing: Standing = "open" if repeats < most else "at the most repeats"
        return Pair(first=first, second=second, standing=standing)
    away, error_share = abs(gap.value), share(looks, repeats)
    reach = gap.reach(error_share)
    if away >= reach * gap.error and away > 0.0:
        standing = "apart"
    elif away + reach * gap.error <= MARGIN:
        standing = "alike"
    elif repeats >= most - 1e-9:
        standing = "at the most repeats"
    else:
        standing = "open" if _reachable(gap) else "out of reach"
    return Pair(first=first, second=second, standing=standing, probability=gap.probability, asked=1.0 - error_share)


def _reachable(gap: _Gap) -> bool:
    """Whether all repeats that there may be could tell the two apart, or show that they are alike."""
    half, away = gap.reach(ERROR) * gap.error_at_most, abs(gap.value)
    return away + gap.error >= half or max(away - gap.error, 0.0) + half <= MARGIN


def _gap(first: str, second: str, view: _View, repeats: float, most: float) -> _Gap | None:
    """None where there are fewer than three tasks, and no interval."""
    tasks = view.common(first, second)
    count = len(tasks)
    if count < LEAST:
        return _gap_of_trials(view.cards[first], view.cards[second], math.sqrt(repeats / most))
    apart = [view.scores[task, first] - view.scores[task, second] for task in tasks]
    error = standard_error(apart, repeats)
    within = mean((view.noise[task, first] + view.noise[task, second]) / repeats for task in tasks)
    squares = max(error**2 * count * (count - 1) - 1.0 / repeats, 0.0)
    between = max(squares - (count - 1) * within, 0.0)
    at_most = math.sqrt((between + (count - 1) * within * repeats / most + 1.0 / most) / (count - 1) / count)
    return _Gap(value=mean(apart), error=error, error_at_most=min(at_most, error), freedom=count - 1)


def _gap_of_trials(first: Scorecard, second: Scorecard, shrunk: float) -> _Gap | None:
    ends = [_estimate(card) for card in (first, second)]
    if ends[0] is None or ends[1] is None:
        return None
    found = unpaired(ends[0], ends[1])
    error = max(found.value - found.low, found.high - found.value) / Z
    return _Gap(value=found.value, error=error, error_at_most=error * shrunk, freedom=None)


def _estimate(card: Scorecard) -> Estimate | None:
    ends, score = card.overall.interval, card.overall.score
    if ends is None or not ends.chance or score is None:
        return None
    return Estimate(value=score, low=ends.low, high=ends.high)
