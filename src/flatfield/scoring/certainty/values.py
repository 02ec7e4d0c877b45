"""What goes into the posterior, and what comes out of it: frozen records without arrays, for every face."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from flatfield.records import Weights

WhichTasks = Literal["these", "next"]
"""On these tasks (the tasks are fixed, the trials are chance), or on the next task like these (the tasks are too)."""


class Observation(Struct, frozen=True, kw_only=True):
    """One measured trial: its score in 0..1, whether it passed every check, active seconds, dollars (None: unknown).

    Where it stands for several, its figures are their means, and `solved` is the share of them that did.
    `wait_seconds`: wall time without queue, load included; None: its active seconds. `prepaid`: a flat rate pays for
    it, so that it costs nothing more, whatever `usd` its tokens would.
    """

    agent: str
    task: str
    score: float
    solved: float
    seconds: float | None
    usd: float | None = None
    wait_seconds: float | None = None
    prepaid: bool = False


class Money(Struct, frozen=True, kw_only=True):
    """What matters, in dollars: what a solved task is worth, and what an hour of waiting costs."""

    solved_usd: float
    hour_usd: float = 0.0


class Bounds(Struct, frozen=True, kw_only=True):
    """What an agent has to keep to on the next tasks, and how probably; None: no such limit.

    `seconds` and `usd` are of a typical trial.
    """

    min_performance: float | None = None
    max_seconds: float | None = None
    max_usd: float | None = None
    least_probability: float = 0.5


class Ask(Struct, frozen=True, kw_only=True):
    """What is asked of a posterior: what matters, which limits hold, and who may be recommended (None: all)."""

    measure: Weights | Money = Weights()
    bounds: Bounds = Bounds()
    among: tuple[str, ...] | None = None


class Estimate(Struct, frozen=True, kw_only=True):
    """A mean and its 95% interval."""

    mean: float
    low: float
    high: float


class Levels(Struct, frozen=True, kw_only=True):
    """An agent's means over tasks. Scores in 0..1; seconds and dollars of a typical trial (the geometric mean).

    `utility` is in the unit of what matters: an overall score, or dollars per task. None: no price, no scale,
    or no seconds.
    """

    performance: Estimate
    speed: Estimate
    cost: Estimate | None
    seconds: Estimate | None
    usd: Estimate | None
    utility: Estimate


class Regret(Struct, frozen=True, kw_only=True):
    """What is lost on the next tasks by an agent that is not the best, in utility: on average, and at worst (95%)."""

    mean: float
    worst: float


class Standing(Struct, frozen=True, kw_only=True):
    """All that is known of one agent. `best`: the probability that no allowed one is better by more than a hundredth.

    `share`: that of being the best of all, ties shared, so that all agents' sum to 1. `rank`: 95% of its ranks on the
    next tasks; `front`: the probability that nobody matches it on performance, seconds and dollars and beats it on one.
    `within`: that of keeping to the limits. `missing`: planned trials without a measure. `allowed`: it may be
    recommended, because it keeps to the limits with the probability that was asked for.
    """

    agent: str
    these: Levels
    next: Levels
    best: float
    share: float
    regret: Regret
    rank: tuple[int, int]
    front: float
    within: float
    allowed: bool
    trials: int
    missing: int


APART = 0.99
"""Told apart is who is better with this probability. A 95% interval asks for 0.975, which equal agents reach more often
than the 5% of cases that may be wrong; docs/grades.md has the figures."""


class Paired(Struct, frozen=True, kw_only=True):
    """First minus second. `probability`: that the first is better; `apart`: that one is, with APART at least.

    `what`: performance, or the utility that was asked for. `ends`: the difference at 1 - APART and at APART of its
    draws; who is told apart has no 0 between them.
    """

    first: str
    second: str
    question: WhichTasks
    what: Literal["performance", "utility"]
    difference: Estimate
    probability: float
    ends: tuple[float, float]
    apart: bool


class Reach(Struct, frozen=True, kw_only=True):
    """How far one weight can move, the others in proportion, before another agent is the answer; in money one worth.

    A weight is a share of all, in 0..1; a worth is dollars. `now`, and the answer stays the same from `low` to `high`.
    `below` and `above`: which one then; None: no other, as far as was looked: down to 0 or up to 1, of dollars to a
    thousandth or a thousand times as many.
    """

    weight: Literal["performance", "speed", "cost", "solved_usd", "hour_usd"]
    now: float
    low: float
    high: float
    below: str | None
    above: str | None


class Purchase(Struct, frozen=True, kw_only=True):
    """Trials that would lower the regret of the answer by `gain` on average, in the utility's unit.

    `kind`: fill an agent's missing cells, `each` more repeats of each of its tasks, or `each` new tasks for `agents`.
    `usd` None: an agent's price is not known.
    """

    kind: Literal["missing", "repeats", "tasks"]
    agents: tuple[str, ...]
    each: int
    trials: int
    usd: float | None
    seconds: float
    gain: float


class Certainty(Struct, frozen=True, kw_only=True):
    """What the posterior says: the answer, and how sure it is. `standings`: best first, by utility on the next task.

    It was made of `trials` on `tasks`, and `draws` were taken of it.
    `answer`: None where nobody may be recommended, or in money nobody pays for itself (`pays` False).
    `if_missing_fail`: the answer with every missing trial at 0; the same one where it does not change. `pairs`:
    the answer with everybody else, on the next task.
    """

    ask: Ask
    tasks: int
    trials: int
    draws: int
    answer: str | None
    runner_up: str | None
    pays: bool
    if_missing_fail: str | None
    standings: tuple[Standing, ...]
    pairs: tuple[Paired, ...]
    reaches: tuple[Reach, ...]
    purchases: tuple[Purchase, ...]
