"""The report for a terminal: the answer first, as wide as the terminal is, plain when piped; --full has all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.faces.advice import counted
from flatfield.faces.blocks import Section
from flatfield.faces.drawing import WIDTH, draw, plain_console, wrapped
from flatfield.faces.reports._content import First, Shown, cut, first, remarks, rest
from flatfield.faces.reports._judging import judging
from flatfield.faces.scatter_text import show_scatter
from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from rich.console import Console

    from flatfield.records import RunResult

ROOM = Shown(agents=12, letters=12, failed=4, tasks=9, notes=3)
TRAITS = ReportTraits(on_terminal=True)


def render(result: RunResult) -> str:
    """The report as plain text."""
    console = plain_console(WIDTH)
    with console.capture() as capture:
        show(result, console)
    return capture.get()


def show(result: RunResult, console: Console, *, full: bool = False) -> None:
    """Print the report: which agent to use, the ranking, the letters, what failed; `full` prints all there is."""
    show_end(result, console, full=full)
    show_scatter(result, console)
    if full:
        for section in rest(result):
            draw(section, console, full=True)
    else:
        _show_more(result, console)


def show_end(result: RunResult, console: Console, *, full: bool = False) -> None:
    """Print what is to be seen of a run when it ends: the same without the picture, and without where more is."""
    kind = f"; imported from {result.run.origin}" if result.run.imported else ""
    wrapped(result.run.evaluation.title, console, style="bold")
    wrapped(f"run {result.run.id}: {counted(result)}{kind}", console, style="dim")
    room = Shown() if full else ROOM
    for section in _headed(cut(first(result, room), room)).sections:
        draw(section, console, full=full)
    for section in () if full else (*judging(result), *remarks(result, room.notes)):
        draw(section, console)


def show_answer(result: RunResult, console: Console) -> None:
    """Print what somebody wants to know who asked for one thing: which agent, how they rank, what failed and why."""
    found = _headed(cut(first(result, ROOM), ROOM))
    for section in (found.answer, found.ranking, found.failures):
        draw(section, console)


def show_ranking(result: RunResult, console: Console) -> None:
    """Print which agent to use, the ranking and the letters."""
    for section in _headed(cut(first(result, ROOM), ROOM)).sections[:-1]:
        draw(section, console)


def _headed(found: First) -> First:
    """The same, whose answer is its own heading."""
    return replace(found, answer=replace(found.answer, title=found.answer.paragraphs[0], paragraphs=()))


def _show_more(result: RunResult, console: Console) -> None:
    report = f"flatfield report {result.run.id}"
    points = (f"{report} --full: each task and trial, and how grades come about", f"{report} --format html: a page")
    draw(Section(title="Everything Else", points=points), console)
