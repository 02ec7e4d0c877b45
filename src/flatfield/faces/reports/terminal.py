"""The report for a terminal: as wide as it is, plain when piped, what matters last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.advice import counted, in_short
from flatfield.faces.drawing import WIDTH, draw, plain_console, wrapped
from flatfield.faces.reports._content import compact
from flatfield.faces.reports._ranking import full_ranking, letters
from flatfield.faces.scatter_text import show_scatter
from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from rich.console import Console

    from flatfield.records import RunResult

MORE = "flatfield report --full"
TRAITS = ReportTraits(on_terminal=True)


def render(result: RunResult) -> str:
    """The report as plain text."""
    console = plain_console(WIDTH)
    with console.capture() as capture:
        show(result, console)
    return capture.get()


def show(result: RunResult, console: Console, *, full: bool = False) -> None:
    """Print the report: details, then the ranking, then which agent to use; `full` leaves out no column."""
    kind = f"; imported from {result.run.origin}" if result.run.imported else ""
    wrapped(result.run.evaluation.title, console, style="bold")
    wrapped(f"run {result.run.id}: {counted(result)}{kind}", console)
    for section in compact(result):
        draw(section, console, full=full, more=MORE)
    show_scatter(result, console)
    _conclude(result, console)


def show_ranking(result: RunResult, console: Console) -> None:
    """Print the letters, the final ranking, and which agent to use."""
    draw(letters(result, brief=True), console, more=MORE)
    draw(full_ranking(result), console, more=MORE)
    _conclude(result, console)


def _conclude(result: RunResult, console: Console) -> None:
    draw(in_short(result), console)
