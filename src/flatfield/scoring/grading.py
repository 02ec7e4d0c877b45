"""Grades of a run, computed from its records: a cell per task and agent, a scorecard per agent, ranks as ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Anchors, Grading, Weights
from flatfield.saying import few
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.fairness.conditions import conditions
from flatfield.scoring.fairness.received import oddities, others
from flatfield.scoring.measures.performance import measure
from flatfield.scoring.measures.scales import HOLDS, mean
from flatfield.scoring.measures.work import MEASURES, per_work, relative_score, scales_of
from flatfield.scoring.ranges import range_cards, range_cells, rank_ranges
from flatfield.scoring.scorecards import Setting, Sheet, build_cell, build_scorecard
from flatfield.scoring.standing import above_of, best_first, bounds_of, known, widen_card, widen_cell
from flatfield.tasks.agents import control_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flatfield.records import Cell, Run, Scorecard, TrialRecord, Verdict
    from flatfield.scoring.certainty.study import Study
    from flatfield.scoring.measures.performance import Figures, Measured
    from flatfield.scoring.standing import KnownPart


class GradingTerms(Struct, frozen=True, kw_only=True):
    """By what a run is graded.

    `weights`: instead of the evaluation's; a weight of 0 means that the figure is not needed. `anchors`: frozen
    anchors, of another run or of this one before agents were added (`run.anchors`), by task and measure; tasks without
    one get their own. `among`: only these are ranked, and only they may take cost out of the overall (None: all but the
    controls). All are graded, and scales without frozen anchors are made of all.
    """

    weights: Weights | None = None
    anchors: tuple[Anchors, ...] = ()
    among: frozenset[str] | None = None


def grade(
    run: Run,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    *,
    weights: Weights | None = None,
    anchors: Sequence[Anchors] = (),
    among: Collection[str] | None = None,
) -> Grading:
    """All grades of a run (`grade_drawn`), with the posterior of its records."""
    terms = GradingTerms(weights=weights, anchors=tuple(anchors), among=None if among is None else frozenset(among))
    return grade_drawn(run, trials, verdicts, terms, study_trials(run, trials, verdicts, anchors))


def grade_drawn(
    run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict], terms: GradingTerms, study: Study | None
) -> Grading:
    """All grades of a run; nothing but its records goes in, so regrading is free.

    Args:
        run: its tasks, agents and evaluation (`judge_weight`, `weights`).
        trials: those that the harness failed, or that nothing measured, are left out of every average.
        verdicts: the judges' letters; several judges of one trial are averaged.
        terms: weights, frozen scales, and who is compared.
        study: the posterior of the same records; None where none of them is measured.

    Where the cost of an agent that does the job cannot be graded, because no price is known or nobody else costs
    anything, cost is left out of all overalls, unless nothing else has a weight.
    """
    asked, anchors = terms.weights or run.evaluation.weights, terms.anchors
    controls = control_names(run)
    ranked = [agent.name for agent in run.agents if agent.name not in controls]
    chosen = [name for name in ranked if terms.among is None or name in terms.among]
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
    found = tuple(item for item in scales.values() if item is not None)
    cards = tuple(build_scorecard(sheet, used) for sheet in _sheets(run, ran, cells))
    state = known(chosen, cells)
    left_out = gaps if used.cost == 0.0 < asked.cost else {}
    if study is not None:
        cells, cards = range_cells(cells, study, used), range_cards(cards, study, used)
        cards = _ranked(cards, study, used, state)
    cells, cards = _with_unchecked(cells, cards, measured, scales, used)
    return Grading(
        run=run.id,
        weights=used,
        asked=asked,
        cells=cells,
        scorecards=cards,
        anchors=found,
        notes=_notes(run, trials, measured, found, anchors),
        order=best_first(cards, state),
        unpriced=tuple(agent for agent, lacks in left_out.items() if lacks == "price"),
        without_scale=tuple(agent for agent, lacks in left_out.items() if lacks == "scale"),
    )


def _notes(
    run: Run, trials: Sequence[TrialRecord], measured: Measured, found: Sequence[Anchors], frozen: Sequence[Anchors]
) -> tuple[str, ...]:
    return (
        *measured.notes,
        *_failures(trials),
        *conditions(trials),
        *others(trials),
        *oddities(trials),
        *_anchor_notes(run, found, frozen),
    )


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


def without_cost(weights: Weights, gaps: Collection[str]) -> Weights:
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
        anchors: dict[str, Anchors | None] = {m: scales[task.id, m] for m in MEASURES}
        for agent in run.agents:
            if taking_part is not None and agent.name not in taking_part:
                continue
            key = (agent.name, task.id)
            setting = Setting(
                task=task,
                anchors=anchors,
                weights=weights,
                planned=run.repeats.get(task.id, 1) + run.added_to(task.id, agent.name),
                ranked=agent.name not in controls,
            )
            figures, judged = measured.figures.get(key, ()), measured.judged.get(key, ())
            cells.append(build_cell(agent.name, setting, figures, judged, ran.get(key, [])))
    return tuple(cells)


def _sheets(run: Run, ran: Mapping[tuple[str, str], list[TrialRecord]], cells: Sequence[Cell]) -> list[Sheet]:
    controls = control_names(run)
    own: dict[str, list[Cell]] = {}
    for cell in cells:
        own.setdefault(cell.agent, []).append(cell)
    sheets = []
    for agent in run.agents:
        sheet = Sheet(
            agent=agent,
            control=agent.name in controls,
            cells=tuple(own.get(agent.name, ())),
            trials=tuple(trial for task in run.tasks for trial in ran.get((agent.name, task.id), [])),
            levels={task.id: task.level for task in run.tasks},
        )
        sheets.append(sheet)
    return sheets


def _ranked(
    cards: Sequence[Scorecard], study: Study, weights: Weights, state: Mapping[str, KnownPart]
) -> tuple[Scorecard, ...]:
    """Rank ranges of all that have an overall: each holds its own place, and none reaches above who stands above."""
    field = [card for card in cards if card.agent in state and card.overall.score is not None]
    places = {agent: place for place, agent in enumerate(best_first(cards, state), start=1)}
    ranks = rank_ranges(field, study, weights, {agent: part.gap for agent, part in state.items()})
    for card in sorted(field, key=lambda each: places[each.agent]):
        best, worst = ranks[card.agent]
        best, worst = min(best, places[card.agent]), max(worst, places[card.agent])
        for other in above_of(card, field, state):
            best, worst = max(best, ranks[other][0]), max(worst, ranks[other][1])
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
