"""How sure the answer's lead is, on these tasks: over each rival it is apart, alike, worth no more trials, or open.

Who leads is compared with everybody else, in overall, by the draws of the posterior (`scoring.certainty`): what counts
is what a wrong choice would cost. So trials are bought for the leader and for the rivals that carry most of the regret:
top-two sampling (Russo, Operations Research 68 (2020), 1625), in batches, by paired differences.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.scoring.certainty.study import study_run
from flatfield.scoring.ranges import overalls
from flatfield.scoring.scales import HOLDS, mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from flatfield.records import Cell, RunResult

    Array = NDArray[np.float64]

ERROR = 0.05
"""How probable it may be, over all looks at a pair together, that it is put in the wrong order."""
ALIKE = 0.01
"""Whichever of two is chosen, less than this of overall is lost on average: they are alike."""
LEAST_REGRET = 0.001
"""A lead of which being wrong costs less than this on average is worth no more trials."""
NEAR = 0.5
"""Trials are bought for rivals that carry at least this share of the largest regret."""
GROWTH = 4 / 3
"""Each look comes when a pair has so many times the repeats of the look before."""
WIDTH = 2.0 * NormalDist().inv_cdf(0.975)
"""Standard errors that a 95% interval spans."""

LEAST_POWER = 0.2
"""Where all repeats that there may be would tell two apart with less probability than this, no more are bought."""

PairState = Literal["apart", "alike", "worth no more", "open", "out of reach", "at the most repeats"]


class Pair(Struct, frozen=True, kw_only=True):
    """The leader and a rival: the probability that the leader is better, and the one that is asked for at this look.

    `regret`: what choosing the leader loses against this rival on average, in overall.
    """

    first: str
    second: str
    standing: PairState
    probability: float
    asked: float
    regret: float


class Order(Struct, frozen=True, kw_only=True):
    """Who has an overall, the leader first; the leader's pairs; `buying`: for whom more trials are worth their price.

    `tasks`: those that any of them did; `noise`: the variance of one trial's part in a task's overall score, by (task,
    agent) where that is known; `looks`: the repeats, as a mean over tasks, at which pairs are looked at. `ahead`: what
    choosing the leader loses on the next tasks like these, on average.
    """

    agents: tuple[str, ...]
    pairs: tuple[Pair, ...]
    buying: tuple[str, ...]
    tasks: tuple[str, ...]
    noise: Mapping[tuple[str, str], float]
    looks: tuple[float, ...]
    ahead: float


def order_of(result: RunResult, max_repeats: int) -> Order:
    """How sure the lead is on these tasks.

    A pair is `apart` when the leader is better with a probability of 1 minus the look's share of ERROR; `alike` when
    whichever is chosen loses less than ALIKE; `worth no more` when being wrong costs less than LEAST_REGRET; `out of
    reach` when all repeats that there may be would hardly tell.
    """
    run, grading = result.run, result.grading
    looks = looks_at(mean(run.repeats.values()), max_repeats) if run.repeats else ()
    study = study_run(result, run.anchors)
    named = frozenset(grading.order)
    cells = [cell for cell in grading.cells if cell.agent in named and cell.overall.score is not None]
    done = {cell.task for cell in cells}
    tasks = tuple(task.id for task in run.tasks if task.id in done)
    noise = {(cell.task, cell.agent): _noise(cell) for cell in cells}
    if study is None or not named:
        return Order(agents=(), pairs=(), buying=(), tasks=tasks, noise=noise, looks=looks, ahead=0.0)
    cards = [card for card in grading.scorecards if card.agent in named]
    rows = [row for row, name in enumerate(study.table.agents) if name in named]
    names = [study.table.agents[row] for row in rows]
    values = overalls(cards, study, study.posterior.these, grading.weights)[:, rows]
    field = _Field(names, values, study.posterior.these.performance[:, rows])
    repeats = {name: mean(run.repeats.get(task, 1) + run.added_to(task, name) for task in tasks) for name in names}
    pairs = tuple(_pair(field, rival, repeats, looks) for rival in field.rivals)
    following = overalls(cards, study, study.posterior.next, grading.weights)[:, rows]
    return Order(
        agents=(names[field.leader], *(names[rival] for rival in field.rivals)),
        pairs=pairs,
        buying=_buying(pairs),
        tasks=tasks,
        noise=noise,
        looks=looks,
        ahead=_Field(names, following, study.posterior.next.performance[:, rows]).loss(field.leader, field.rivals),
    )


def looks_at(planned: float, most: int) -> tuple[float, ...]:
    """The repeats at which a pair is looked at: the planned ones, and GROWTH times as many each time.

    Fixed beforehand, so that the looks' shares of ERROR add up to it whatever is seen at them.
    """
    looks = [planned]
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


class _Field:
    """Draws × agents of overall and of performance. Who does the job (C or better) leads before who does not."""

    def __init__(self, names: Sequence[str], values: Array, performance: Array) -> None:
        self.names, self._values, self._able = names, values, performance >= HOLDS
        means, does = values.mean(axis=0), performance.mean(axis=0) >= HOLDS
        order = sorted(range(len(names)), key=lambda a: (not does[a], -float(means[a]), names[a]))
        self.leader, self.rivals = order[0], order[1:]
        self._needed = bool(does[self.leader])

    def apart(self, one: int, rival: int) -> Array:
        """The draws' differences; where only one of two does the job and the leader does, the other is behind."""
        import numpy as np

        off = self._values[:, one] - self._values[:, rival]
        if not self._needed:
            return off
        found: Array = np.where(self._able[:, rival], off, np.maximum(off, 0.0))
        return found

    def probability(self, rival: int) -> float:
        """That the leader is better; never surer than a normal distribution is, for draws are few far out."""
        off = self.apart(self.leader, rival)
        drawn = float((off > 0.0).mean() + 0.5 * (off == 0.0).mean())
        plain = self._values[:, self.leader] - self._values[:, rival]
        error = float(plain.std())
        smooth = NormalDist().cdf(float(plain.mean()) / error) if error > 0.0 else drawn
        return min(drawn, smooth) if drawn > 0.5 else drawn

    def power(self, rival: int, times: float, asked: float) -> float:
        """How probably so many times the repeats tell the leader from a rival, whoever is the better.

        Source: assurance: O'Hagan, Stevens & Campbell, Pharmaceutical Statistics 4 (2005), 187 (`certainty.plan`).
        """
        off = self._values[:, self.leader] - self._values[:, rival]
        error, reach = float(off.std()) / math.sqrt(times), NormalDist().inv_cdf(asked)
        if error <= 0.0:
            return 0.0
        told = (NormalDist().cdf(abs(one) / error - reach) for one in off[:: max(len(off) // 500, 1)].tolist())
        return mean(told)

    def loss(self, one: int, rivals: Sequence[int]) -> float:
        """What choosing one loses against the best of these, on average."""
        import numpy as np

        if not rivals:
            return 0.0
        lost = [-self.apart(one, rival) for rival in rivals]
        return float(np.maximum(np.max(lost, axis=0), 0.0).mean())


def _pair(field: _Field, rival: int, repeats: Mapping[str, float], looks: Sequence[float]) -> Pair:
    first, second = field.names[field.leader], field.names[rival]
    reached = min(repeats[first], repeats[second])
    asked, probability = 1.0 - share(looks, reached), field.probability(rival)
    regret = field.loss(field.leader, [rival])
    if probability >= asked:
        standing: PairState = "apart"
    elif max(regret, field.loss(rival, [field.leader])) <= ALIKE:
        standing = "alike"
    elif regret <= LEAST_REGRET:
        standing = "worth no more"
    elif reached >= looks[-1] - 1e-9:
        standing = "at the most repeats"
    else:
        told = field.power(rival, looks[-1] / reached, 1.0 - share(looks, looks[-1]))
        standing = "open" if told >= LEAST_POWER else "out of reach"
    return Pair(first=first, second=second, standing=standing, probability=probability, asked=asked, regret=regret)


def _buying(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The leader and the open rivals that carry most of the regret; nobody where none is open."""
    still = [pair for pair in pairs if pair.standing == "open"]
    if not still:
        return ()
    most = max(pair.regret for pair in still)
    return (still[0].first, *(pair.second for pair in still if pair.regret >= NEAR * most))


def _noise(cell: Cell) -> float:
    """The variance of one trial, by the width of the cell's interval."""
    found = cell.overall.interval
    return 0.0 if found is None else cell.n * math.pow((found.high - found.low) / WIDTH, 2)
