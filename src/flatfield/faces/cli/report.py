"""`flatfield report`, `runs` and `show`: what is stored, as people or programs read it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import AsJson, console, parse_weights, print_json, settings

EPILOG = """
[bold]Examples[/bold]

  flatfield report                                  the newest run
  flatfield report --format markdown > report.md
  flatfield report 20260102 --weights performance=1
  flatfield report --anchors 20251231-120000-ab12   on the scales of another run
"""
SHOW_EPILOG = """
[bold]Examples[/bold]

  flatfield show 20260102-101500-ab12/oracle/level-0-fact/1
  flatfield show 20260102-101500-ab12/oracle/level-0-fact/1 --json
"""


def report(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning.")] = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="terminal, markdown, json, csv, …")
    ] = "terminal",
    weights: Annotated[
        str | None, typer.Option(metavar="performance=…,speed=…,cost=…", help="For the overall.")
    ] = None,
    anchors: Annotated[str | None, typer.Option(metavar="RUN", help="Grade on that run's scales.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a run's report; grades are computed anew from its records."""
    from flatfield import plugins
    from flatfield.runs.results import load_result

    name = "json" if as_json else format_
    renderer = plugins.load("report", name)
    store = settings(context).store(settings(context).project())
    result = load_result(store, run, weights=parse_weights(weights), anchors_of=anchors)
    if name == "terminal":
        renderer.show(result, console())
        return
    text: str = renderer.render(result)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise FlatfieldError(f"the report cannot be written: {error.strerror}") from None


def runs(context: typer.Context, as_json: AsJson = False) -> None:
    """List the stored runs, newest first."""
    from rich.table import Table

    from flatfield.faces.wording import dollars

    store = settings(context).store(settings(context).project())
    found = store.runs()
    if as_json:
        print_json(found)
        return
    if not found:
        console().print(
            f"No runs are stored in {store.path.parent} yet: start one with `flatfield eval`.", markup=False
        )
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "what", "agents", "tasks"):
        table.add_column(name, overflow="fold" if name == "run" else "ellipsis")
    table.add_column("measured", justify="right")
    table.add_column("spent", justify="right")
    for summary in found:
        table.add_row(
            summary.id,
            summary.title + (" (imported)" if summary.imported else ""),
            str(len(summary.agents)),
            str(len(summary.tasks)),
            f"{summary.measured}/{summary.planned}",
            dollars(summary.cost_usd),
        )
    console().print(table)


def show(
    context: typer.Context,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="RUN/agent/task/repeat.")],
    as_json: AsJson = False,
) -> None:
    """Print one trial: every message, tool call, timing and token."""
    store = settings(context).store(settings(context).project())
    record = store.trial(trial)
    if as_json:
        print_json(record)
        return
    from flatfield.faces.transcript import transcript

    console().print(transcript(record, store.verdicts(record.run)), markup=False)
