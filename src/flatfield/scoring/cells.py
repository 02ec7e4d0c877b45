"""Grades of one agent on one task, with the interval that its repeats allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Anchors, Cell, Grade, Interval, ScaleGrade, Task, TrialRecord, Weights
from flatfield.scoring.overall import combine, graded
from flatfield.scoring.performance import Figures  # noqa: TC001 - msgspec resolves annotations at runtime
from flatfield.scoring.scales import (
    Measure,
    absolute_position,
    mean,
    score_at,
)
from flatfield.scoring.statistics.intervals import mean_interval, ratio_interval
from flatfield.scoring.work import amounts, per_work, place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


ALONE_PRICED = "the only one that costs anything: no price to compare with, and the task has no target"


class Setting(Struct, frozen=True, kw_only=True):
    """What a cell is graded with: its task, the anchors of its scales, the weights, and how many trials were planned.

    `ranked` False for controls: they are on no scale.
    """

    task: Task
    anchors: Mapping[str, Anchors | None]
    weights: Weights
    planned: int
    ranked: bool


def build_cell(
    agent: str,
    setting: Setting,
    figures: Sequence[Figures],
    judged: Sequence[float],
    trials: Sequence[TrialRecord],
) -> Cell:
    """One agent on one task: `figures`, `judged`: its measured trials; `trials`: all that the harness did not fail."""
    performance = _performance([f.score for f in figures], ran=bool(trials))
    speed, cost = _scale(setting, figures, "speed"), _scale(setting, figures, "cost")
    overall = combine(performance, speed.relative, cost.relative, setting.weights)
    return Cell(
        agent=agent,
        task=setting.task.id,
        planned=setting.planned,
        n=len(figures),
        performance=performance,
        speed=speed,
        cost=cost,
        overall=overall if setting.ranked else Grade(note="a control is not ranked"),
        active_seconds=mean(t.active_seconds for t in trials) if trials else None,
        wall_seconds=mean(t.wall_seconds for t in trials) if trials else None,
        cost_usd=_mean_known([t.cost_usd for t in trials]),
        passed=sum(f.score >= 1.0 for f in figures),
        judge=graded(mean(judged), len(judged), mean_interval(judged, "trials")) if judged else Grade(),
        down=mean(f.down for f in figures) if figures else 0.0,
        up=mean(f.up for f in figures) if figures else 0.0,
    )


def _performance(scores: Sequence[float], *, ran: bool) -> Grade:
    if not scores:
        return Grade(note="not measured: no verifier and no judge gave a score" if ran else "not measured: no trial")
    return graded(mean(scores), len(scores), mean_interval(scores, "trials"))


def _scale(setting: Setting, figures: Sequence[Figures], measure: Measure) -> ScaleGrade:
    """Speed or cost on both scales. A task on which an agent scored nothing is F on both."""
    if not setting.ranked:
        unscaled = Grade(note="a control is on no scale")
        return ScaleGrade(relative=unscaled, absolute=unscaled)
    amount = per_work(figures, measure)
    target = setting.task.targets.seconds if measure == "speed" else setting.task.targets.cost_usd
    if amount is None:
        none = Grade(note="no price known", lacks="price") if figures else Grade(note="performance not measured")
        return ScaleGrade(relative=none, absolute=none if target is not None else Grade(note="no target"))
    if math.isinf(amount):
        zero = Grade(score=0.0, letter="F", n=len(figures), at_worst="F", note="scored nothing")
        return ScaleGrade(position=1.0, relative=zero, absolute=zero if target is not None else Grade(note="no target"))
    scale = setting.anchors.get(measure)
    absolute = Grade(note="no target")
    if target is not None:
        absolute = _placed(figures, measure, amount, lambda x: absolute_position(x, target))
    if scale is None:
        return ScaleGrade(per_work=amount, relative=Grade(note="no anchors"), absolute=absolute)
    position = place(amount, scale)
    if position is None:
        return ScaleGrade(per_work=amount, relative=Grade(note=ALONE_PRICED, lacks="scale"), absolute=absolute)
    return ScaleGrade(
        per_work=amount,
        ratio=amount / scale.best if scale.best > 0.0 else None,
        position=position,
        relative=_placed(figures, measure, amount, lambda x: _or_worst(place(x, scale))),
        absolute=absolute,
    )


def _or_worst(position: float | None) -> float:
    return 1.0 if position is None else position


def _placed(figures: Sequence[Figures], measure: Measure, amount: float, where: Callable[[float], float]) -> Grade:
    """The grade at the place of `amount`; the interval is that of the ratio, taken through the scale."""
    used, done = amounts(figures, measure)
    ends = ratio_interval(used, done)
    interval = None
    if ends is not None:
        score = score_at(where(amount))
        low, high = min(score_at(where(ends[1])), score), max(score_at(where(ends[0])), score)
        interval = Interval(
            low=low, high=high, method=f"joint ends of amount and score on {len(used)} trials, anchors held"
        )
    note = f"price known for {len(used)} of {len(figures)} trials" if len(used) < len(figures) else ""
    return graded(score_at(where(amount)), len(used), interval, note)


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None
