"""Evaluations made up from known truths, and what of all that the posterior said of them was so.

Truths are made up by families, none of which is the posterior's own prior; trials are drawn from them. `probit`: a
task's difficulty moves all agents' probit by an amount that each agent feels differently; `lost`: a share of the tasks
is lost to everybody, others to some; `flat`: each agent's chance on a task is uniform around its mean, tasks have
nothing in common; `even`: all tasks are alike; `graded`: as `flat`, but a trial's score is one of six letters'
midpoints, around its chance; `skills`: a task asks for one of two skills, in which each agent has a chance of its own.
Seconds and dollars: one trial in ten takes four times as long (`probit`, `lost`), or their logarithms have heavy tails
(the others); tasks differ by a factor of up to 30.

The next task's truth is the mean over 3,000 other tasks of the same family; the utility's is what the grades' rules
make of the true means.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from statistics import NormalDist

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatfield.records import MIDPOINTS, Weights
from flatfield.scoring.certainty.posterior import DrawnMeans, Scale, posterior_of, relative_scores
from flatfield.scoring.certainty.table import SumTable, tabulate
from flatfield.scoring.certainty.utility import TIE, utility

Array = NDArray[np.float64]
FAMILIES = ("probit", "lost", "flat", "even", "graded")
LIKE = 3000
"""So many other tasks are the next ones' truth."""
DRAWS = 1000
PERFORMANCE, WEIGHTS = Weights(performance=1.0, speed=0.0, cost=0.0), Weights()
QUESTIONS = ("performance", "seconds", "usd", "utility")


class Setting(Struct, frozen=True, kw_only=True):
    """One kind of evaluation; `missing`: the share of cells without a trial; `unequal`: repeats from 1 to twice."""

    family: str
    agents: int
    tasks: int
    repeats: int
    missing: float = 0.0
    unequal: bool = False

    @property
    def name(self) -> str:
        """As a table's row is called."""
        more = f", {self.missing:.0%} missing" if self.missing else ""
        more += ", unequal repeats" if self.unequal else ""
        return f"{self.family}, {self.agents} agents × {self.tasks} tasks × {self.repeats}{more}"


class Truth(Struct, frozen=True, kw_only=True):
    """Agents × tasks: the chance to pass, and the mean logarithm of seconds and dollars."""

    chance: Array
    seconds: Array
    usd: Array

    def means(self) -> DrawnMeans:
        """As a posterior with one draw that knows everything."""
        nobody = np.zeros(len(self.chance), dtype=bool)
        frozen: list[Scale | None] = [None] * self.chance.shape[1]
        work = np.log(np.maximum(self.chance, 1e-9))
        score = self.chance[:, :, None]
        speed = relative_scores((self.seconds - work)[:, :, None], score, nobody, frozen)
        cost = relative_scores((self.usd - work)[:, :, None], score, nobody, frozen, least=np.log(0.001))
        performance, seconds, usd = (x.mean(axis=1)[None] for x in (self.chance, self.seconds, self.usd))
        return DrawnMeans(
            performance=performance,
            speed=speed.mean(axis=1).T,
            cost=cost.mean(axis=1).T,
            solved=performance,
            seconds=np.exp(seconds),
            usd=np.exp(usd),
            expected_usd=None,
            expected_wait_seconds=np.exp(seconds),
        )


# ---------------------------------------------------------------------------- made-up truths


def chances(family: str, rates: Array, tasks: int, r: np.random.Generator, kind: Array) -> Array:
    """Agents × tasks: the chance to pass, about `rates` on average; `kind`: by agent, how it feels difficulty."""
    agents = len(rates)
    if family == "probit":
        alike = 0.5 + kind
        level = _probit(rates) * np.sqrt(1.0 + alike**2 + 0.4**2)
        shift = alike[:, None] * r.standard_normal(tasks)[None, :] + 0.4 * r.standard_normal((agents, tasks))
        return _normal(level[:, None] + shift)
    if family == "lost":
        lost = 0.6 * (1.0 - rates)
        hard = r.random(tasks)[None, :] < 0.6 * lost[:, None]
        own = r.random((agents, tasks)) < 0.4 * lost[:, None] / (1.0 - 0.6 * lost[:, None])
        return np.where(hard | own, 0.02, np.minimum(rates / (1.0 - lost), 0.98)[:, None])
    if family in {"flat", "graded"}:
        room = np.minimum(rates, 1.0 - rates)[:, None]
        if family == "graded":
            room = np.minimum(rates - MIDPOINTS["F"], MIDPOINTS["S"] - rates).clip(0.0, 0.3)[:, None]
        return rates[:, None] + room * r.uniform(-1.0, 1.0, (agents, tasks))
    if family == "skills":
        apart = np.minimum(rates, 1.0 - rates) * (2.0 * kind - 1.0)
        return rates[:, None] + apart[:, None] * np.where(r.random(tasks) < 0.5, 1.0, -1.0)[None, :]
    return np.repeat(rates[:, None], tasks, axis=1)


def noise(family: str, shape: tuple[int, ...], r: np.random.Generator) -> Array:
    """What one trial adds to the logarithm of its amount, 0 on average."""
    if family in {"probit", "lost"}:
        slow = r.random(shape) < 0.1
        return np.asarray(np.where(slow, np.log(4.0), 0.0) - 0.1 * np.log(4.0) + 0.25 * r.standard_normal(shape))
    return np.asarray(0.3 * r.standard_t(3, shape))


class World:
    """The agents of one simulation, and tasks of their family."""

    def __init__(self, setting: Setting, r: np.random.Generator, rates: Array | None = None) -> None:
        agents = setting.agents
        least = MIDPOINTS["F"] if setting.family == "graded" else 0.1
        self.rates = r.uniform(least, 0.95, agents) if rates is None else rates
        self._family = setting.family
        self._kind = r.uniform(0.0, 1.0, agents)
        self._slow, self._dear = r.normal(3.0, 0.6, agents), r.normal(-3.0, 0.8, agents)
        self._r = r

    def tasks(self, count: int) -> Truth:
        """So many tasks, drawn anew. Long tasks are long and dear for everybody."""
        r, agents = self._r, len(self.rates)
        long = r.uniform(-1.2, 1.2, count) if self._family in {"lost", "even"} else 0.6 * r.standard_normal(count)
        own = 0.25 * r.standard_t(5, (2, agents, count))
        return Truth(
            chance=chances(self._family, self.rates, count, r, self._kind),
            seconds=self._slow[:, None] + long[None, :] + own[0],
            usd=self._dear[:, None] + 0.7 * long[None, :] + own[1],
        )


def trials(setting: Setting, truth: Truth, r: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Agents' and tasks' places and the values of drawn trials; every agent has one cell at least."""
    agents, tasks = truth.chance.shape
    count = np.full((agents, tasks), setting.repeats)
    if setting.unequal:
        count = r.integers(1, 2 * setting.repeats + 1, (agents, tasks))
    if setting.missing:
        gone = r.random((agents, tasks)) < setting.missing
        gone[np.arange(agents), r.integers(tasks, size=agents)] = False
        count = np.where(gone, 0, count)
    a, t = np.nonzero(count)
    times = count[a, t]
    a, t = np.repeat(a, times), np.repeat(t, times)
    passed = (r.random(len(a)) < truth.chance[a, t]).astype(float)
    if setting.family == "graded":
        passed = letters(truth.chance[a, t], r)
    seconds = np.exp(truth.seconds[a, t] + noise(setting.family, a.shape, r))
    usd = np.exp(truth.usd[a, t] + noise(setting.family, a.shape, r))
    if setting.missing:
        usd = np.where(r.random(len(a)) < setting.missing / 2.0, np.nan, usd)
    return a, t, np.stack([passed, passed, seconds, seconds, usd], axis=1)


def letters(chance: Array, r: np.random.Generator) -> Array:
    """Midpoints of bands with these means: the one below or the one above a score that lies around the chance."""
    points = np.asarray(sorted(MIDPOINTS.values()))
    # Clipping would move the mean: what is added is symmetric, and no larger than what there is room for.
    room = np.minimum(chance - points[0], points[-1] - chance).clip(0.0, 0.15)
    around = np.clip(chance, points[0], points[-1]) + room * r.uniform(-1.0, 1.0, chance.shape)
    upper = np.searchsorted(points, around).clip(1, len(points) - 1)
    low, high = points[upper - 1], points[upper]
    return np.asarray(np.where(r.random(chance.shape) < (around - low) / (high - low), high, low))


def table_of(places: tuple[NDArray[np.intp], NDArray[np.intp], Array], agents: int, tasks: int) -> SumTable:
    """The trials as a table; columns without a trial go."""
    a, t, values = places
    kept, column = np.unique(t, return_inverse=True)
    names = tuple(f"task {i}" for i in kept)
    assert len(kept) <= tasks
    return tabulate(a, column, values, tuple(f"agent {i}" for i in range(agents)), names)


def raw_utility(table: SumTable, weights: Weights) -> Array:
    """What the highest mean is taken of: the grades' own rules on the trials' averages, of what was measured."""
    known = table.score.count > 0.0
    score = np.where(known, table.score.mean, 0.0)
    n = np.maximum(known.sum(axis=1), 1)
    nobody = np.zeros(len(known), dtype=bool)
    frozen: list[Scale | None] = [None] * known.shape[1]
    with np.errstate(divide="ignore"):
        work = np.log(score)
    parts = [score.sum(axis=1) / n]
    for cells in (table.log_seconds, table.log_usd):
        there = known & (cells.count > 0.0)
        amounts = np.where(there, cells.mean - work, np.inf)
        found = relative_scores(amounts[:, :, None], score[:, :, None], nobody, frozen)[:, :, 0]
        found = np.where(np.isfinite(amounts), found, 0.0)
        parts.append((found * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1))
    means = DrawnMeans(
        performance=parts[0][None],
        speed=parts[1][None],
        cost=parts[2][None],
        solved=parts[0][None],
        seconds=parts[1][None],
        usd=None,
        expected_usd=None,
        expected_wait_seconds=parts[1][None],
    )
    return np.asarray(utility(means, weights)[0])


# ---------------------------------------------------------------------------- what is counted


class Tally(Struct, kw_only=True):
    """What was counted in the evaluations of one setting, by question, one entry an evaluation.

    `held`: the share of agents, or of pairs, whose interval holds the truth. `said`: of every agent, which probability
    of being best was said, and whether it is. `regrets`: of the pick, of the highest mean, and what was told. `apart`:
    how many pairs were told apart, how many wrongly, and of how many.
    """

    setting: Setting
    held: dict[str, list[float]]
    said: list[tuple[float, bool]]
    regrets: dict[str, list[tuple[float, float, float]]]
    apart: dict[str, list[tuple[int, int, int]]]


def simulate(setting: Setting, times: int, seed: int) -> Tally:
    """So many evaluations of one setting."""
    tally = Tally(setting=setting, held=defaultdict(list), said=[], regrets=defaultdict(list), apart=defaultdict(list))
    for turn in range(times):
        r = np.random.default_rng([seed, turn])
        world = World(setting, r)
        here, like = world.tasks(setting.tasks), world.tasks(LIKE)
        table = table_of(trials(setting, here, r), setting.agents, setting.tasks)
        found = posterior_of(table, draws=DRAWS, seed=turn)
        columns = [int(name.split()[1]) for name in table.tasks]
        these = Truth(chance=here.chance[:, columns], seconds=here.seconds[:, columns], usd=here.usd[:, columns])
        true = {"these": these.means(), "next": like.means()}
        for name, said in (("these", found.these), ("next", found.next)):
            _hold(tally, name, said, true[name])
            for weights, label in ((PERFORMANCE, "performance"), (WEIGHTS, "overall")):
                values, truth = utility(said, weights), utility(true[name], weights)[0]
                _differ(tally, f"{name} difference, {label}", values, truth)
                if name == "next":
                    _choose(tally, label, values, truth, raw_utility(table, weights))
    return tally


def _hold(tally: Tally, name: str, said: DrawnMeans, true: DrawnMeans) -> None:
    for question in QUESTIONS:
        draws, truth = _values(said, question), _values(true, question)[0]
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        tally.held[f"{name} {question}"].append(float(((low <= truth) & (truth <= high)).mean()))


def _values(means: DrawnMeans, question: str) -> Array:
    if question == "utility":
        return utility(means, WEIGHTS)
    found = getattr(means, question)
    assert found is not None
    return np.asarray(found)


def _differ(tally: Tally, label: str, said: Array, true: Array) -> None:
    """Whether the interval of two agents' difference holds the true one, and whether it says wrongly who is better."""
    one, other = np.asarray(list(combinations(range(len(true)), 2))).T
    low, high = np.percentile(said[:, one] - said[:, other], [2.5, 97.5], axis=0)
    gap = true[one] - true[other]
    tally.held[label].append(float(((low <= gap) & (gap <= high)).mean()))
    wrong = ((low > 0.0) & (gap <= 0.0)) | ((high < 0.0) & (gap >= 0.0))
    tally.apart[label].append((int(((low > 0.0) | (high < 0.0)).sum()), int(wrong.sum()), len(gap)))


def _choose(tally: Tally, label: str, said: Array, true: Array, raw: Array) -> None:
    best = said >= said.max(axis=1, keepdims=True) - TIE
    really = true >= true.max() - TIE
    tally.said.extend(zip(best.mean(axis=0).tolist(), really.tolist(), strict=True))
    pick, highest = int(np.argmax(said.mean(axis=0))), int(np.argmax(raw))
    told = float((said.max(axis=1) - said[:, pick]).mean())
    tally.regrets[label].append((float(true.max() - true[pick]), float(true.max() - true[highest]), told))


def _normal(x: Array) -> Array:
    """The normal distribution function (Abramowitz & Stegun 7.1.26, error below 2e-7)."""
    z = np.abs(x) / np.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    upper = 1.0 - 0.5 * series * np.exp(-z * z)
    return np.asarray(np.where(x >= 0.0, upper, 1.0 - upper))


def _probit(p: Array) -> Array:
    return np.asarray([NormalDist().inv_cdf(float(x)) for x in p])
