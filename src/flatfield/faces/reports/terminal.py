"""The report for a terminal: at most 100 columns, plain when piped; details are in the Markdown report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._content import content, ranking, summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from flatfield.faces.reports._blocks import Section, Table
    from flatfield.records import RunResult

WIDTH = 100
STYLES = {"S": "bold green", "A": "green", "B": "cyan", "C": "yellow", "D": "magenta", "F": "red"}


def render(result: RunResult) -> str:
    """The report as plain text."""
    from rich.console import Console

    console = Console(width=WIDTH, force_terminal=False, color_system=None, highlight=False, record=False)
    with console.capture() as capture:
        show(result, console)
    return capture.get()


def show(result: RunResult, console: Console) -> None:
    """Print the report."""
    for section in content(result):
        if not section.detail:
            _print(section, console)


def show_ranking(result: RunResult, console: Console) -> None:
    """Print the letters and the final ranking only."""
    for section in (summary(result), ranking(result)):
        _print(section, console)


def _print(section: Section, console: Console) -> None:
    console.print()
    console.print(section.title, style="bold")
    for paragraph in section.paragraphs:
        console.print(paragraph, style="dim", markup=False)
    for table in section.tables:
        if table.rows:
            console.print(_table(table))


def _table(table: Table) -> RichTable:
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in table.columns:
        drawn.add_column(column, justify="right" if column in table.right else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    return drawn


def _style(cell: str) -> str:
    """A cell that is or begins with a letter has the letter's colour."""
    return STYLES.get(cell.split(" ", maxsplit=1)[0], "") if cell else ""
