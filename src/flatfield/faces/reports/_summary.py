"""Task × agent: one letter each for performance, speed and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._ranking import controls, ranked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Cell, RunResult

MOST_TASKS = 9
"""Tasks side by side in one table of 100 columns; more make more tables, of nearly equal widths."""


def letters(result: RunResult, *, brief: bool = False) -> Section:
    """Performance, speed, cost of each cell; controls, which are on no scale, by performance alone."""
    tasks = [task.id for task in result.run.tasks]
    cells = {(cell.task, cell.agent): cell for cell in result.grading.cells}
    size = _size(len(tasks))
    parts = [(start, tasks[start : start + size]) for start in range(0, len(tasks), size)]
    contenders = [card.agent for card in ranked(result)]
    others = [card.agent for card in controls(result)]
    text = (
        "Letters are performance, speed, cost on the relative scale; · stands for not measured. Controls:"
        " performance alone."
    )
    return Section(
        title="Results Summary" if brief else "Letters by Task",
        paragraphs=(text,),
        items=legend(result),
        tables=(
            *(_table("agent", part, contenders, cells) for part in parts if contenders),
            *(_table("control", part, others, cells) for part in parts if others),
        ),
    )


def legend(result: RunResult) -> tuple[str, ...]:
    """`T1 = task (level 2)`, in the run's order."""
    return tuple(
        f"T{number} = {task.id}" + ("" if task.level is None else f" (level {task.level})")
        for number, task in enumerate(result.run.tasks, start=1)
    )


def numbers(result: RunResult) -> dict[str, str]:
    """The short name of each task: T1, T2 and so on."""
    return {task.id: f"T{number}" for number, task in enumerate(result.run.tasks, start=1)}


def _size(tasks: int) -> int:
    tables = -(-tasks // MOST_TASKS) or 1
    return -(-tasks // tables) or 1


def _table(
    kind: str, part: tuple[int, Sequence[str]], agents: Sequence[str], cells: dict[tuple[str, str], Cell]
) -> Table:
    start, tasks = part
    columns = (kind, *(f"T{number}" for number in range(start + 1, start + 1 + len(tasks))))
    read = _three if kind == "agent" else _one
    rows = tuple((agent, *(read(cells.get((task, agent))) for task in tasks)) for agent in agents)
    return Table(columns=columns, rows=rows, names=frozenset({kind}), whole=True)


def _three(cell: Cell | None) -> str:
    if cell is None:
        return ""
    found = (cell.performance.letter, cell.speed.relative.letter, cell.cost.relative.letter)
    return " ".join(each or "·" for each in found)


def _one(cell: Cell | None) -> str:
    return "" if cell is None else cell.performance.letter or "·"
