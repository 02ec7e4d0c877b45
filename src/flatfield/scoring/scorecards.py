"""One agent over all tasks: its averages, each task counting once, with their intervals, and its totals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Grade, Interval, Scorecard
from flatfield.scoring.overall import combine, counts_dearest, graded, task_blends, task_interval
from flatfield.scoring.performance import device_cost, is_wrong_claim
from flatfield.scoring.scales import HOLDS, mean
from flatfield.scoring.skills import skill_scores
from flatfield.scoring.statistics.intervals import LEAST, mean_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, Cell, TrialRecord, Weights


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
    cost = _cost(cells, exactly or joint.get("cost"), certain=free)
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


def _cost(cells: Sequence[Cell], joint: Interval | None, *, certain: bool) -> Grade:
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
