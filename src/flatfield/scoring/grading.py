"""Grades of a run, computed from its records: a cell per task and agent, a scorecard per agent, ranks as ranges.

Which interval a figure gets, stated in its `method`:
- one cell, from three repeats up: Clopper–Pearson for pass/fail scores (one-sided where all pass or all fail), else
  Gaffke's bound; speed and cost join the ends of amount and score, taken through the scale with its anchors held.
- a scorecard of fewer than three tasks: the mean of its cells' ends, if all have an interval.
- three tasks or more: task means are the sample (Clopper–Pearson or Gaffke, as above); $0 on every task is exact.
- twenty tasks or more: the bootstrap clustered by task, anchors recomputed, never narrower than that.
- overall: of the tasks' weighted means, as above, its ends capped as the estimate is; where every task has the same
  performance, and in a cell, the joint ends of its parts' intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from flatfield.records import Grading
from flatfield.saying import few
from flatfield.scoring.fairness.conditions import conditions
from flatfield.scoring.fairness.received import oddities, others
from flatfield.scoring.performance import measure
from flatfield.scoring.scales import HOLDS, mean
from flatfield.scoring.scorecards import Setting, Sheet, build_cell, build_scorecard, counts_dearest, task_blends
from flatfield.scoring.standing import above_of, best_first, bounds_of, known, widen_card, widen_cell
from flatfield.scoring.statistics.bootstrap import bootstrap
from flatfield.scoring.statistics.paired import Estimate
from flatfield.scoring.statistics.ranks import Contender, rank_ranges
from flatfield.scoring.work import MEASURES, per_work, relative_score, scales_of
from flatfield.tasks.agents import is_control

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flatfield.records import Anchors, Cell, Interval, Run, Scorecard, TrialRecord, Verdict, Weights
    from flatfield.scoring.performance import Figures, Measured
    from flatfield.scoring.standing import KnownPart


def grade(
    run: Run,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    *,
    weights: Weights | None = None,
    anchors: Sequence[Anchors] = (),
    among: Collection[str] | None = None,
) -> Grading:
    """All grades of a run; nothing but its records goes in, so regrading is free.

    Args:
        run: its tasks, agents and evaluation (`judge_weight`, `weights`).
        trials: those that the harness failed, or that nothing measured, are left out of every average.
        verdicts: the judges' letters; several judges of one trial are averaged.
        weights: instead of the evaluation's; a weight of 0 means that the figure is not needed.
        anchors: frozen anchors, of another run or of this one before agents were added (`run.anchors`), by task and
            measure; tasks without one get their own.
        among: only these are ranked, and only they may take cost out of the overall (None: all but the controls). All
            are graded, and scales without frozen anchors are made of all.

    Where the cost of an agent that does the job cannot be graded, because no price is known or nobody else costs
    anything, cost is left out of all overalls, unless nothing else has a weight.
    """
    asked = weights or run.evaluation.weights
    controls = control_names(run)
    ranked = [agent.name for agent in run.agents if agent.name not in controls]
    chosen = [name for name in ranked if among is None or name in among]
    measured = measure(run, trials, verdicts)
    entries = {t.id: {name: measured.figures.get((name, t.id), ()) for name in ranked} for t in run.tasks}
    sources = scales_of(run, anchors)
    scales: dict[tuple[str, str], Anchors | None] = {
        (task, m): sources.of(task, m, agents) for task, agents in entries.items() for m in MEASURES
    }
    gaps = _cost_gaps({task: {name: row[name] for name in chosen} for task, row in entries.items()}, scales)
    used = without_cost(asked, gaps)
    ran = _finished(trials)
    cells = _cells(run, ran, measured, scales, used)
    sheets = _sheets(run, ran, cells, bootstrap(entries, used, sources))
    found = tuple(item for item in scales.values() if item is not None)
    cards = tuple(build_scorecard(sheet, used) for sheet in sheets)
    state = known(chosen, cells)
    left_out = gaps if used.cost == 0.0 < asked.cost else {}
    cards = _ranked(cards, cells, used, state)
    cells, cards = _with_unchecked(cells, cards, measured, scales, used)
    return Grading(
        run=run.id,
        weights=used,
        asked=asked,
        cells=cells,
        scorecards=cards,
        anchors=found,
        notes=(
            *measured.notes,
            *_failures(trials),
            *conditions(trials),
            *others(trials),
            *oddities(trials),
            *_anchor_notes(run, found, anchors),
        ),
        order=best_first(cards, state),
        unpriced=tuple(agent for agent, lacks in left_out.items() if lacks == "price"),
        without_scale=tuple(agent for agent, lacks in left_out.items() if lacks == "scale"),
    )


def control_names(run: Run) -> frozenset[str]:
    """The run's controls: those it names, and every agent whose provider is one."""
    return frozenset(run.controls) | {agent.name for agent in run.agents if is_control(agent)}


def _cost_gaps(
    entries: Mapping[str, Mapping[str, Sequence[Figures]]], scales: Mapping[tuple[str, str], Anchors | None]
) -> dict[str, Literal["price", "scale"]]:
    """Whose cost has no grade on any task that they did work on, and what it lacks.

    Of the agents that do the job (C or better); of all where nobody does: who fails takes nothing from the others.
    """
    done: dict[str, list[float]] = {}
    for agents in entries.values():
        for agent, figures in agents.items():
            if figures:
                done.setdefault(agent, []).append(mean(each.score for each in figures))
    able = {agent for agent, scores in done.items() if mean(scores) >= HOLDS} or set(done)
    worked: dict[str, list[tuple[float | None, float | None]]] = {}
    for task, agents in entries.items():
        for agent, figures in agents.items():
            if agent in able and any(each.score > 0.0 for each in figures):
                amount = per_work(figures, "cost")
                worked.setdefault(agent, []).append((amount, relative_score(amount, scales[task, "cost"])))
    return {
        agent: "price" if all(amount is None for amount, _ in found) else "scale"
        for agent, found in worked.items()
        if all(score is None for _, score in found)
    }


def without_cost(weights: Weights, gaps: Mapping[str, str]) -> Weights:
    """The weights, cost's taken away where it has gaps, and something else has a weight."""
    return replace(weights, cost=0.0) if gaps and weights.performance + weights.speed > 0.0 else weights


def _finished(trials: Sequence[TrialRecord]) -> dict[tuple[str, str], list[TrialRecord]]:
    """Trials that the harness did not fail, by (agent, task)."""
    ran: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in trials:
        if trial.failure is None:
            ran.setdefault((trial.agent, trial.task), []).append(trial)
    return ran


def _cells(
    run: Run,
    ran: Mapping[tuple[str, str], list[TrialRecord]],
    measured: Measured,
    scales: Mapping[tuple[str, str], Anchors | None],
    weights: Weights,
) -> tuple[Cell, ...]:
    """Task by task, agent by agent, in the run's order."""
    controls = control_names(run)
    cells = []
    for task in run.tasks:
        taking_part = run.rosters.get(task.id)
        for agent in run.agents:
            if taking_part is not None and agent.name not in taking_part:
                continue
            key = (agent.name, task.id)
            setting = Setting(
                task=task,
                anchors={m: scales[task.id, m] for m in MEASURES},
                weights=weights,
                planned=run.repeats.get(task.id, 1) + run.added_to(task.id, agent.name),
                ranked=agent.name not in controls,
            )
            figures, judged = measured.figures.get(key, ()), measured.judged.get(key, ())
            cells.append(build_cell(agent.name, setting, figures, judged, ran.get(key, [])))
    return tuple(cells)


def _sheets(
    run: Run,
    ran: Mapping[tuple[str, str], list[TrialRecord]],
    cells: Sequence[Cell],
    bootstrapped: Mapping[tuple[str, str], Interval],
) -> list[Sheet]:
    controls = control_names(run)
    sheets = []
    for agent in run.agents:
        sheet = Sheet(
            agent=agent,
            control=agent.name in controls,
            cells=tuple(cell for cell in cells if cell.agent == agent.name),
            trials=tuple(trial for task in run.tasks for trial in ran.get((agent.name, task.id), [])),
            bootstrapped={figure: ends for (name, figure), ends in bootstrapped.items() if name == agent.name},
            levels={task.id: task.level for task in run.tasks},
        )
        sheets.append(sheet)
    return sheets


def _ranked(
    cards: Sequence[Scorecard], cells: Sequence[Cell], weights: Weights, state: Mapping[str, KnownPart]
) -> tuple[Scorecard, ...]:
    """Rank ranges from resampled ranks, for all that have an overall; nobody's reaches above those who stand above."""
    field = [card for card in cards if card.agent in state and card.overall.score is not None]
    order = best_first(cards, state)
    blends: dict[str, dict[str, float]] = {card.agent: {} for card in field}
    dearest = {card.agent: counts_dearest(card.performance, card.cost, weights) for card in field}
    for cell in cells:
        found = task_blends([cell], weights, dearest=dearest.get(cell.agent, False))
        if found and cell.agent in blends:
            blends[cell.agent][cell.task] = found[0]
    tasks = dict.fromkeys(cell.task for cell in cells)
    common = [task for task in tasks if all(task in own for own in blends.values())]
    contenders = [
        _contender(card, tuple(blends[card.agent][task] for task in common), state[card.agent].gap) for card in field
    ]
    ranks = dict(zip((card.agent for card in field), rank_ranges(contenders), strict=True))
    for card in sorted(field, key=lambda each: order.index(each.agent)):
        for other in above_of(card, field, state):
            pair = zip(ranks[card.agent], ranks[other], strict=True)
            best, worst = (max(mine, theirs) for mine, theirs in pair)
            ranks[card.agent] = (best, worst)
    return tuple(replace(card, rank=ranks[card.agent]) if card.agent in ranks else card for card in cards)


def _with_unchecked(
    cells: Sequence[Cell],
    cards: Sequence[Scorecard],
    measured: Measured,
    scales: Mapping[tuple[str, str], Anchors | None],
    weights: Weights,
) -> tuple[tuple[Cell, ...], tuple[Scorecard, ...]]:
    """Both as they are shown; ranks have what is not measured in them already."""
    lacking = {cell.agent for cell in cells if cell.down or cell.up}
    found = {
        (cell.agent, cell.task): bounds_of(
            cell, measured.figures.get((cell.agent, cell.task), ()), {m: scales[cell.task, m] for m in MEASURES}
        )
        for cell in cells
        if cell.agent in lacking
    }
    own = {name: [each for (agent, _), each in found.items() if agent == name] for name in lacking}
    return (
        tuple(widen_cell(found[c.agent, c.task], weights) if c.down or c.up else c for c in cells),
        tuple(widen_card(card, own[card.agent], weights) if card.agent in lacking else card for card in cards),
    )


def _contender(card: Scorecard, tasks: tuple[float, ...], gap: float) -> Contender:
    ends, score = card.overall.interval, card.overall.score
    if ends is None or score is None:
        return Contender(estimate=None)
    estimate = Estimate(value=score, low=ends.low, high=ends.high)
    return Contender(estimate=estimate, tasks=tasks, repeats=max(card.overall.n / max(len(tasks), 1), 1.0), gap=gap)


def _failures(trials: Sequence[TrialRecord]) -> tuple[str, ...]:
    """Each failure once, with the number of trials that it hit, and whose."""
    hit: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        if trial.failure is not None:
            hit.setdefault(trial.failure.message, []).append(trial)
    return tuple(
        f"{len(failed)} trial{'s' if len(failed) > 1 else ''} not measured"
        f" ({few(dict.fromkeys(trial.agent for trial in failed))}): {message}"
        for message, failed in hit.items()
    )


def _anchor_notes(run: Run, found: Sequence[Anchors], frozen: Sequence[Anchors]) -> tuple[str, ...]:
    if not frozen:
        return ()
    kept, there = set(frozen) == set(run.anchors), {(item.task, item.measure) for item in frozen}
    origin = "as they were before agents were added" if kept else "from another run"
    own = sorted({item.task for item in found if (item.task, item.measure) not in there})
    missing = f"; {few(own)} had none there and set their own" if own else ""
    return (f"the relative scale's anchors are frozen {origin}{missing}",)
