"""`flatfield runs` and `flatfield show`: what is stored, as people or programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.faces.cli.common import AsJson, Full, examples, print_json, print_table, settings, write
from flatfield.faces.cli.completing import trials

if TYPE_CHECKING:
    from flatfield.records import RunSummary

RUNS_EPILOG = examples("flatfield runs", "flatfield runs --json")
SHOW_EPILOG = examples(
    "flatfield show 20260102-101500-ab12/oracle/level-0-fact/1",
    "flatfield show 20260102/oracle/level-0-fact/1 --json     the beginning of the run's id is enough",
    "flatfield show 20260102/oracle/level-0-fact/1 --wire     what went to the API and came back",
)
TITLE_WIDTH = 80


def runs(context: typer.Context, full: Full = False, as_json: AsJson = False) -> None:
    """List the stored runs, newest first."""
    from flatfield.faces.blocks import Table

    store = settings(context).store()
    found = store.runs()
    if as_json:
        print_json(found)
    elif not found:
        write(f"No runs are stored in {store.path.parent} yet: start one with `flatfield eval`.\n")
    else:
        columns = ("run", "what", "agents", "tasks", "measured", "spent")
        rows = tuple(map(_row, found))
        names, cut, right = frozenset({"run"}), frozenset({"what"}), frozenset(columns[2:])
        table = Table(columns=columns, rows=rows, right=right, names=names, cut=cut, drop=("tasks", "agents"))
        print_table(table, full=full)


def _row(summary: RunSummary) -> tuple[str, ...]:
    from flatfield.faces.wording import UNKNOWN, dollars, one_line

    is_unknown = summary.cost_usd is None or not (summary.stored or summary.cost_usd)
    return (
        summary.id,
        one_line(summary.title, TITLE_WIDTH),
        str(len(summary.agents)),
        str(len(summary.tasks)),
        f"{summary.measured}/{summary.planned}",
        "imported" if summary.imported else UNKNOWN if is_unknown else dollars(summary.cost_usd),
    )


def show(
    context: typer.Context,
    trial: Annotated[
        str,
        typer.Argument(
            metavar="TRIAL", help="RUN/agent/task/repeat, as reports show it, or last.", autocompletion=trials
        ),
    ],
    wire: Annotated[
        bool, typer.Option("--wire", help="Print the exact bodies that were sent and received, keys removed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print one trial: every message, tool call, timing and token."""
    from flatfield.faces.transcript import exchanges, rebuilt_of, transcript, without_exchanges

    store = settings(context).store()
    record = store.trial(trial)
    if wire and as_json:
        print_json(tuple(rebuilt_of(record)))
    elif wire:
        write(exchanges(record) + "\n")
    elif as_json:
        print_json(without_exchanges(record))
    else:
        write(transcript(record, store.verdicts(record.run)) + "\n")
