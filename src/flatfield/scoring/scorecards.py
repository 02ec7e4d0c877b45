"""One agent on one task, and over all tasks: grades, averages in which each task counts once, and their intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Anchors, Cell, Grade, Interval, Letter, ScaleGrade, Scorecard, Task, TrialRecord, Weights
from flatfield.scoring.performance import Figures, device_cost, is_wrong_claim, skill_scores
from flatfield.scoring.scales import HOLDS, Measure, absolute_position, blended, capped, letter_of, mean, score_at
from flatfield.scoring.statistics.intervals import LEAST, mean_interval, ratio_interval
from flatfield.scoring.work import amounts, per_work, place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.records import AgentConfig


# The overall grade: three scores blended and capped, with its interval.


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
        blended(cell.performance.score, cell.speed.relative.score, _cost_score(cell, dearest=dearest), weights)
        for cell in cells
        if cell.performance.score is not None
    ]
    return [blend for blend in blends if blend is not None]


def _cost_score(cell: Cell, *, dearest: bool) -> float | None:
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


# Grades of one agent on one task, with the interval that its repeats allow.


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


# One agent over all tasks: its averages, each task counting once, with their intervals, and its totals.


class Sheet(Struct, frozen=True, kw_only=True):
    """What a scorecard is made of: the agent, its cells, and its trials that the harness did not fail.

    `bootstrapped`: intervals by figure, where there are twenty tasks.
    """

    agent: AgentConfig
    control: bool
    cells: tuple[Cell, ...]
    trials: tuple[TrialRecord, ...]
    bootstrapped: Mapping[str, Interval]
    levels: Mapping[str, int | None]


def build_scorecard(sheet: Sheet, weights: Weights) -> Scorecard:
    """The scorecard, without its rank."""
    cells, trials, joint = sheet.cells, sheet.trials, sheet.bootstrapped
    free = all(cell.cost.per_work == 0.0 for cell in cells if cell.cost.relative.score is not None)
    exactly = Interval(low=1.0, high=1.0, method="$0 on every task") if free else None
    performance = average([c.performance for c in cells], joint.get("performance"))
    speed = average([c.speed.relative for c in cells], joint.get("speed"))
    usd = [_graded_usd(trial, sheet.agent) for trial in trials]
    priced = [each for each in usd if each is not None]
    cost = _cost_grade(cells, exactly or joint.get("cost"), certain=free)
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
        overall=_overall(sheet, (performance, speed, cost), weights),
        speed_absolute=average([c.speed.absolute for c in cells], None),
        cost_absolute=average([c.cost.absolute for c in cells], None),
        trials=sum(cell.planned for cell in cells),
        measured=sum(cell.n for cell in cells),
        active_seconds=math.fsum(trial.active_seconds for trial in trials) if trials else None,
        wall_seconds=math.fsum(trial.wall_seconds for trial in trials) if trials else None,
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


def _graded_usd(trial: TrialRecord, agent: AgentConfig) -> float | None:
    """The dollars that a trial's cost is graded on: its device's where they are set."""
    return trial.cost_usd if agent.usd_per_hour is None else device_cost(trial, agent)


def _cost_grade(cells: Sequence[Cell], joint: Interval | None, *, certain: bool) -> Grade:
    """The mean over the tasks where it is known; none where it is known of no work.

    A task on which the agent scored nothing is F at any price: such tasks are not graded alone.
    """
    worked = [c.cost.relative for c in cells if c.performance.score]
    if worked and all(found.score is None for found in worked):
        return worked[0]
    return average([c.cost.relative for c in cells], joint, certain=certain)


def average(grades: Sequence[Grade], joint: Interval | None, *, certain: bool = False) -> Grade:
    """The mean over tasks of the measured grades, each task counting once.

    `joint` is the bootstrap's interval, or a `certain` one. A resample does not know what no task showed, so the
    bootstrap's is never narrower than the interval that the tasks' scores allow by themselves, and not used where
    they are all equal.
    """
    known = [found for found in grades if found.score is not None]
    scores = [found.score for found in known if found.score is not None]
    if not scores:
        return Grade(note=next((found.note for found in grades if found.note), "not measured"))
    note = f"{len(scores)} of {len(grades)} tasks measured" if len(scores) < len(grades) else ""
    alone = _task_interval(known, scores)
    interval = joint if certain else wider(joint, alone) if len(set(scores)) > 1 else alone
    return graded(mean(scores), sum(found.n for found in known), _around(interval, mean(scores)), note)


def _task_interval(known: Sequence[Grade], scores: Sequence[float]) -> Interval | None:
    """From three tasks up the interval of their mean; below, the mean of the ends of the tasks' own intervals."""
    if len(scores) >= LEAST:
        return mean_interval(scores, "tasks")
    ends = [found.interval for found in known if found.interval is not None]
    if len(ends) < len(scores):
        return None
    method = f"mean of the ends of {len(ends)} tasks' intervals" if len(ends) > 1 else ends[0].method
    return Interval(low=mean(end.low for end in ends), high=mean(end.high for end in ends), method=method)


def _overall(sheet: Sheet, parts: tuple[Grade, Grade, Grade], weights: Weights) -> Grade:
    """The blend of the averages.

    Where all trials pass or all fail, the tasks' blends do not tell how far performance may be off: then the interval
    joins the ends of the parts' intervals.
    """
    if sheet.control:
        return Grade(note="a control is not ranked")
    performance, speed, cost = parts
    dearest = counts_dearest(performance, cost, weights)
    overall = combine(performance, speed, cost, weights)
    tasks = [cell.performance.score for cell in sheet.cells if cell.performance.score is not None]
    if overall.score is None or len(set(tasks)) < 2:
        return overall
    blends = task_interval(task_blends(sheet.cells, weights, dearest=dearest), performance)
    found = wider(sheet.bootstrapped.get("overall"), blends)
    if found is None:
        return overall
    return graded(overall.score, overall.n, _around(found, overall.score), overall.note)


def wider(joint: Interval | None, tasks: Interval | None) -> Interval | None:
    """What covers both intervals; the one that there is where the other is missing."""
    if joint is None or tasks is None:
        return joint or tasks
    low, high = min(joint.low, tasks.low), max(joint.high, tasks.high)
    return Interval(low=low, high=high, method=f"{joint.method}, at least {tasks.method}")


def _around(interval: Interval | None, score: float) -> Interval | None:
    """The interval, never leaving its own estimate outside."""
    if interval is None or interval.low <= score <= interval.high:
        return interval
    return Interval(low=min(interval.low, score), high=max(interval.high, score), method=interval.method)


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
