"""One agent on one task, and over all tasks: grades, and averages in which each task counts once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Anchors, Cell, Grade, ScaleGrade, Scorecard, Task, TrialRecord, Weights
from flatfield.scoring.measures.performance import (
    Figures,
    device_cost,
    graded_usd,
    is_wrong_claim,
    known_seconds,
    skill_scores,
)
from flatfield.scoring.measures.scales import (
    HOLDS,
    Measure,
    absolute_position,
    blended,
    capped,
    letter_of,
    mean,
    score_at,
)
from flatfield.scoring.measures.work import amounts, per_work, place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig


# The overall grade: three scores blended and capped.


def graded(score: float, n: int, note: str = "") -> Grade:
    """A score with its letter; one trial is said to be one."""
    return Grade(score=score, letter=letter_of(score), n=n, note="one trial" if n == 1 and not note else note)


def combine(performance: Grade, speed: Grade, cost: Grade, weights: Weights) -> Grade:
    """The overall grade, or why there is none.

    An agent whose cost has no grade has no overall while cost has a weight: a mean without it would not compare with
    the others' (`grading.grade` takes the weight from all, where such an agent does the job). Of one that does not, it
    counts 0: that takes cost from nobody and helps nobody.
    """
    if performance.score is None:
        return Grade(note=performance.note or "performance not measured")
    note = performance.note if performance.n > 1 else ""
    if weights.cost > 0.0 and counts_dearest(performance, cost, weights):
        note = note or f"{cost.note}: cost counts 0"
        cost = Grade(score=0.0)
    blend = blended(performance.score, speed.score, cost.score, weights)
    named = (("speed", speed, weights.speed), ("cost", cost, weights.cost))
    needed = [(name, grade) for name, grade, weight in named if weight > 0.0]
    if blend is None:
        missing = [grade.note or f"{name} not measured" for name, grade in needed if grade.score is None]
        return Grade(note=missing[0] if missing else "no weight is above 0")
    return graded(capped(blend, performance.score), performance.n, note)


def counts_dearest(performance: Grade, cost: Grade, weights: Weights) -> bool:
    """Whether a cost that cannot be graded counts 0: of who does not do the job, where something else has a weight."""
    fails = performance.score is not None and performance.score < HOLDS
    return fails and cost.lacks is not None and weights.performance + weights.speed > 0.0


# Grades of one agent on one task.


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
    timed = _timed(trials)
    return Cell(
        agent=agent,
        task=setting.task.id,
        planned=setting.planned,
        n=len(figures),
        performance=performance,
        speed=speed,
        cost=cost,
        overall=overall if setting.ranked else Grade(note="a control is not ranked"),
        active_seconds=mean([t.active_seconds for t in trials]) if timed else None,
        wall_seconds=mean([t.wall_seconds for t in trials]) if timed else None,
        cost_usd=_mean_known([t.cost_usd for t in trials]),
        passed=sum([f.score >= 1.0 for f in figures]),
        judge=graded(mean(judged), len(judged)) if judged else Grade(),
        down=mean([f.down for f in figures]) if figures else 0.0,
        up=mean([f.up for f in figures]) if figures else 0.0,
    )


def _performance(scores: Sequence[float], *, ran: bool) -> Grade:
    if not scores:
        return Grade(note="not measured: no verifier and no judge gave a score" if ran else "not measured: no trial")
    return graded(mean(scores), len(scores))


def _scale(setting: Setting, figures: Sequence[Figures], measure: Measure) -> ScaleGrade:
    """Speed or cost on both scales. A task on which an agent scored nothing is F on both."""
    if not setting.ranked:
        unscaled = Grade(note="a control is on no scale")
        return ScaleGrade(relative=unscaled, absolute=unscaled)
    amount = per_work(figures, measure)
    target = setting.task.targets.seconds if measure == "speed" else setting.task.targets.cost_usd
    if amount is None:
        lacking = Grade(note="no price known", lacks="price") if measure == "cost" else Grade(note="no seconds known")
        none = lacking if figures else Grade(note="performance not measured")
        return ScaleGrade(relative=none, absolute=none if target is not None else Grade(note="no target"))
    if math.isinf(amount):
        zero = Grade(score=0.0, letter="F", n=len(figures), note="scored nothing")
        return ScaleGrade(position=1.0, relative=zero, absolute=zero if target is not None else Grade(note="no target"))
    scale = setting.anchors.get(measure)
    absolute = Grade(note="no target")
    if target is not None:
        absolute = _placed(figures, measure, absolute_position(amount, target))
    if scale is None:
        return ScaleGrade(per_work=amount, relative=Grade(note="no anchors"), absolute=absolute)
    position = place(amount, scale)
    if position is None:
        return ScaleGrade(per_work=amount, relative=Grade(note=ALONE_PRICED, lacks="scale"), absolute=absolute)
    return ScaleGrade(
        per_work=amount,
        ratio=amount / scale.best if scale.best > 0.0 else None,
        position=position,
        relative=_placed(figures, measure, position),
        absolute=absolute,
    )


def _placed(figures: Sequence[Figures], measure: Measure, position: float) -> Grade:
    """The grade at a position."""
    used, _ = amounts(figures, measure)
    what = "price" if measure == "cost" else "seconds"
    note = f"{what} known for {len(used)} of {len(figures)} trials" if len(used) < len(figures) else ""
    return graded(score_at(position), len(used), note)


def _timed(trials: Sequence[TrialRecord]) -> bool:
    """Whether it is known of all of them how long they took."""
    return bool(trials) and all(known_seconds(trial) is not None for trial in trials)


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


# ---------------------------------------------------------------------------- over all tasks


class Sheet(Struct, frozen=True, kw_only=True):
    """What a scorecard is made of: the agent, its cells, and its trials that the harness did not fail."""

    agent: AgentConfig
    control: bool
    cells: tuple[Cell, ...]
    trials: tuple[TrialRecord, ...]
    levels: Mapping[str, int | None]


def build_scorecard(sheet: Sheet, weights: Weights) -> Scorecard:
    """The scorecard, without its rank."""
    cells, trials = sheet.cells, sheet.trials
    performance = average([c.performance for c in cells])
    speed = _work_grade(cells, [c.speed.relative for c in cells])
    usd = [graded_usd(trial, sheet.agent) for trial in trials]
    priced = [each for each in usd if each is not None]
    cost = _work_grade(cells, [c.cost.relative for c in cells])
    if cost.score is not None and len(priced) < len(usd):
        cost = replace(cost, note=f"cost known on {len(priced)} of {len(usd)} trials")
    claims = [wrong for trial in trials if (wrong := is_wrong_claim(trial)) is not None]
    usages = [trial.usage for trial in trials if trial.usage is not None]
    return Scorecard(
        agent=sheet.agent.name,
        control=sheet.control,
        performance=performance,
        speed=speed,
        cost=cost,
        overall=Grade(note="a control is not ranked") if sheet.control else combine(performance, speed, cost, weights),
        speed_absolute=average([c.speed.absolute for c in cells]),
        cost_absolute=average([c.cost.absolute for c in cells]),
        trials=sum(cell.planned for cell in cells),
        measured=sum(cell.n for cell in cells),
        active_seconds=math.fsum(trial.active_seconds for trial in trials) if _timed(trials) else None,
        wall_seconds=math.fsum(trial.wall_seconds for trial in trials) if _timed(trials) else None,
        retry_seconds=math.fsum(trial.retry_seconds for trial in trials),
        cost_usd=_sum_known([trial.cost_usd for trial in trials]),
        device_cost_usd=_sum_known([device_cost(trial, sheet.agent) for trial in trials]),
        priced=len(priced),
        ran=len(usd),
        known_usd=math.fsum(priced) if priced else None,
        input_tokens=sum(usage.input_tokens for usage in usages) if usages else None,
        output_tokens=sum(usage.output_tokens for usage in usages) if usages else None,
        highest_level=_highest_level(sheet),
        claims=len(claims),
        wrong_claims=sum(claims),
        skills=skill_scores(trials),
    )


def _work_grade(cells: Sequence[Cell], grades: Sequence[Grade]) -> Grade:
    """The mean of the cells' grades on speed or cost; none where no work of them has one.

    A task on which the agent scored nothing is F at any price: such tasks are not graded alone.
    """
    worked = [grade for cell, grade in zip(cells, grades, strict=True) if cell.performance.score]
    if worked and all(found.score is None for found in worked):
        return worked[0]
    return average(grades)


def average(grades: Sequence[Grade]) -> Grade:
    """The mean over tasks of the measured grades, each task counting once."""
    known = [found for found in grades if found.score is not None]
    scores = [found.score for found in known if found.score is not None]
    if not scores:
        return Grade(note=next((found.note for found in grades if found.note), "not measured"))
    note = f"{len(scores)} of {len(grades)} tasks measured" if len(scores) < len(grades) else ""
    return graded(mean(scores), sum(found.n for found in known), note)


def _highest_level(sheet: Sheet) -> int | None:
    """The highest level on whose tasks the agent's mean performance is C or better."""
    scores: dict[int, list[float]] = {}
    for cell in sheet.cells:
        level = sheet.levels.get(cell.task)
        if level is not None and cell.performance.score is not None:
            scores.setdefault(level, []).append(cell.performance.score)
    return max((level for level, found in scores.items() if mean(found) >= HOLDS), default=None)


def _sum_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known and len(known) == len(values) else None
