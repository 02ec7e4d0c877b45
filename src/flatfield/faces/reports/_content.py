"""What every report says, as sections of text and tables; the formats differ only in how they draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._blocks import Section, Table
from flatfield.faces.reports._criteria import criteria
from flatfield.faces.reports._evidence import manifest_section, published_section, responses
from flatfield.faces.wording import UNKNOWN, count, dollars, letter, rank, scaled, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Cell, RunResult, Scorecard

TASKS_PER_TABLE = 8


def content(result: RunResult) -> tuple[Section, ...]:
    """The whole report, in the order that it is read."""
    return (
        responses(result),
        summary(result),
        _metrics(result),
        *_cells(result),
        *published_section(result),
        criteria(result),
        manifest_section(result),
        _notes(result),
        ranking(result),
    )


def ranking(result: RunResult) -> Section:
    """Ranked agents first, in their order; the controls in a table of their own."""
    ranked = sorted(
        (card for card in result.grading.scorecards if not card.control),
        key=lambda card: (card.rank or (len(result.run.agents) + 1,) * 2, -(card.overall.score or 0.0), card.agent),
    )
    controls = [card for card in result.grading.scorecards if card.control]
    columns = ("rank", "agent", "overall", "performance", "speed", "cost")
    tables = [Table(columns=columns, rows=tuple(_ranking_row(card) for card in ranked), right=frozenset({"rank"}))]
    paragraphs = []
    if controls:
        rows = tuple((card.agent, letter(card.performance)) for card in controls)
        tables.append(Table(columns=("control (never ranked)", "performance"), rows=rows))
    weights = result.grading.weights
    paragraphs.append(
        f"Overall = {weights.performance:g} performance + {weights.speed:g} speed + {weights.cost:g} cost (normalised),"
        " and never above performance where that is D or F. (n=5, ≥ C) gives the trials that a letter stands on and the"
        " worst letter inside its 95% interval."
    )
    return Section(title="Final Ranking", paragraphs=tuple(paragraphs), tables=tuple(tables))


def _ranking_row(card: Scorecard) -> tuple[str, ...]:
    return (
        rank(card.rank),
        card.agent,
        letter(card.overall),
        letter(card.performance),
        letter(card.speed, certain=False),
        letter(card.cost, certain=False),
    )


def summary(result: RunResult) -> Section:
    """Task × agent letters: performance, speed, cost."""
    tasks = list(dict.fromkeys(cell.task for cell in result.grading.cells))
    cells = {(cell.task, cell.agent): cell for cell in result.grading.cells}
    agents = [card.agent for card in result.grading.scorecards]
    tables = tuple(
        _letters(tasks[start : start + TASKS_PER_TABLE], start, agents, cells)
        for start in range(0, len(tasks), TASKS_PER_TABLE)
    )
    levels = {task.id: task.level for task in result.run.tasks}
    legend = "; ".join(
        f"T{number} = {task}" + ("" if levels.get(task) is None else f" (level {levels[task]})")
        for number, task in enumerate(tasks, start=1)
    )
    text = "Letters are performance, speed, cost (relative scale); · stands for not measured."
    return Section(title="Results Summary", paragraphs=(text, legend), tables=tables)


def _letters(tasks: Sequence[str], start: int, agents: Sequence[str], cells: dict[tuple[str, str], Cell]) -> Table:
    columns = ("agent", *(f"T{number}" for number in range(start + 1, start + 1 + len(tasks))))
    rows = tuple((agent, *(_three(cells.get((task, agent))) for task in tasks)) for agent in agents)
    return Table(columns=columns, rows=rows)


def _three(cell: Cell | None) -> str:
    if cell is None:
        return ""
    found = (cell.performance.letter, cell.speed.relative.letter, cell.cost.relative.letter)
    return " ".join(each or "·" for each in found)


def _metrics(result: RunResult) -> Section:
    """Per agent, the raw figures: what stands behind the letters."""
    levels = any(task.level is not None for task in result.run.tasks)
    device = any(card.device_cost_usd is not None for card in result.grading.scorecards)
    columns: tuple[str, ...] = ("agent", "measured", "active", "wall", "retries", "tokens in", "out", "cost")
    columns += ("device",) if device else ()
    columns += ("level held",) if levels else ()
    rows = []
    for card in result.grading.scorecards:
        row: tuple[str, ...] = (
            card.agent,
            f"{card.measured}/{card.trials}",
            seconds(card.active_seconds),
            seconds(card.wall_seconds),
            seconds(card.retry_seconds),
            count(card.input_tokens),
            count(card.output_tokens),
            dollars(card.cost_usd),
        )
        row += (dollars(card.device_cost_usd),) if device else ()
        row += (UNKNOWN if card.highest_level is None else str(card.highest_level),) if levels else ()
        rows.append(row)
    right = frozenset(columns) - {"agent"}
    text = "Totals over all measured trials. Active = model + tools; waiting and retries are beside it, not in it."
    return Section(
        title="Performance Metrics", paragraphs=(text,), tables=(Table(columns=columns, rows=tuple(rows), right=right),)
    )


def _cells(result: RunResult) -> Iterator[Section]:
    """Every cell taken apart: per task, each agent's trials, seconds and dollars per work done, and their letters."""
    columns = ("task", "agent", "n", "performance", "speed", "target", "cost", "target $", "per trial", "$ per trial")
    rows = tuple(
        (
            cell.task,
            cell.agent,
            f"{cell.n}/{cell.planned}",
            letter(cell.performance),
            scaled(cell.speed),
            cell.speed.absolute.letter or UNKNOWN,
            scaled(cell.cost),
            cell.cost.absolute.letter or UNKNOWN,
            seconds(cell.active_seconds),
            dollars(cell.cost_usd),
        )
        for cell in result.grading.cells
    )
    text = (
        'Speed and cost per work done, on the relative scale ("B · 2.3×" is 2.3 times the best) and against the task\'s'
        " own targets, where it states them."
    )
    yield Section(title="Task by Task", paragraphs=(text,), tables=(Table(columns=columns, rows=rows),), detail=True)


def _notes(result: RunResult) -> Section:
    run = result.run
    failed = [trial for trial in result.trials if trial.failure is not None]
    reasons: dict[str, int] = {}
    for trial in failed:
        if trial.failure is not None:
            text = f"{trial.agent}: {trial.failure.message}"
            reasons[text] = reasons.get(text, 0) + 1
    notes = [*run.notes, *result.grading.notes]
    notes += [f"not measured ({number} trials): {text}" for text, number in reasons.items()]
    judge_usd = [verdict.cost_usd for verdict in result.verdicts]
    if judge_usd:
        known = [usd for usd in judge_usd if usd is not None]
        notes.append(f"the judge's own cost, which is the evaluation's: {dollars(sum(known) if known else None)}")
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    return Section(
        title="Notes",
        paragraphs=(
            *(f"- {note}" for note in notes),
            f"Run {run.id} of {run.created_at}, seed {run.evaluation.seed}" + (f"; {versions}" if versions else ""),
            f"Reproduce: {run.command}" if run.command else "Imported figures: there is nothing to run again.",
        ),
    )
