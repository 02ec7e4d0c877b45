"""The overall grade: three scores blended and capped, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import Grade, Interval, Letter
from flatfield.scoring.scales import HOLDS, blended, capped, letter_of
from flatfield.scoring.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Cell, Weights


def graded(score: float, n: int, interval: Interval | None, note: str = "") -> Grade:
    """A score with its letter, and the worst letter inside its interval; one trial is said to be one."""
    remark = "one trial" if n == 1 and not note else note
    worst: Letter | None = letter_of(interval.low) if interval else None
    return Grade(score=score, letter=letter_of(score), n=n, interval=interval, at_worst=worst, note=remark)


def combine(performance: Grade, speed: Grade, cost: Grade, weights: Weights) -> Grade:
    """The overall grade, or why there is none.

    An agent whose cost has no grade has no overall while cost has a weight: a mean without it would not compare with
    the others' (`grading.grade` takes the weight from all, where such an agent does the job). Of one that does not, it
    counts 0: that takes cost from nobody and helps nobody. The interval joins the worst (and the
    best) ends of the parts that count: wider than an interval of the mean itself would be, never narrower.
    """
    if performance.score is None:
        return Grade(note=performance.note or "performance not measured")
    note = performance.note if performance.n > 1 else ""
    if weights.cost > 0.0 and counts_dearest(performance, cost, weights):
        note = note or f"{cost.note}: cost counts 0"
        nothing = Interval(low=0.0, high=0.0, method="a cost without a grade counts 0")
        cost = Grade(score=0.0, interval=nothing)
    blend = blended(performance.score, speed.score, cost.score, weights)
    named = (("speed", speed, weights.speed), ("cost", cost, weights.cost))
    needed = [(name, grade) for name, grade, weight in named if weight > 0.0]
    if blend is None:
        missing = [grade.note or f"{name} not measured" for name, grade in needed if grade.score is None]
        return Grade(note=missing[0] if missing else "no weight is above 0")
    ends = _joint_ends(performance, speed, cost, weights)
    return graded(capped(blend, performance.score), performance.n, ends, note)


def counts_dearest(performance: Grade, cost: Grade, weights: Weights) -> bool:
    """Whether a cost that cannot be graded counts 0: of who does not do the job, where something else has a weight."""
    fails = performance.score is not None and performance.score < HOLDS
    return fails and cost.lacks is not None and weights.performance + weights.speed > 0.0


def task_blends(cells: Sequence[Cell], weights: Weights, *, dearest: bool = False) -> list[float]:
    """The uncapped blend of each task where all that counts was measured; with `dearest`, an unknown cost counts 0."""
    blends = [
        blended(cell.performance.score, cell.speed.relative.score, _cost(cell, dearest=dearest), weights)
        for cell in cells
        if cell.performance.score is not None
    ]
    return [blend for blend in blends if blend is not None]


def _cost(cell: Cell, *, dearest: bool) -> float | None:
    known = cell.cost.relative.score
    return 0.0 if known is None and dearest else known


def task_interval(blends: Sequence[float], performance: Grade) -> Interval | None:
    """The interval of the mean of the tasks' blends, its ends capped as the estimate is; None under three tasks."""
    found = mean_interval(blends, "tasks")
    if found is None or performance.interval is None:
        return None
    low, high = capped(found.low, performance.interval.low), capped(found.high, performance.interval.high)
    return Interval(low=low, high=high, method=found.method)


def _joint_ends(performance: Grade, speed: Grade, cost: Grade, weights: Weights) -> Interval | None:
    ends = [(g.interval.low, g.interval.high) if g.interval else (None, None) for g in (performance, speed, cost)]
    (low_performance, high_performance), (low_speed, high_speed), (low_cost, high_cost) = ends
    if low_performance is None or high_performance is None:
        return None
    low = blended(low_performance, low_speed, low_cost, weights)
    high = blended(high_performance, high_speed, high_cost, weights)
    if low is None or high is None:
        return None
    method = "joint ends of the parts' intervals"
    return Interval(low=capped(low, low_performance), high=capped(high, high_performance), method=method)
