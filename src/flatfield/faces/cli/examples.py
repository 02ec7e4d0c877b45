"""`flatfield examples`: published figures as runs, to report on and to pick from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.faces.cli.common import AsJson, console, print_json, settings

if TYPE_CHECKING:
    from flatfield.records import Run
    from flatfield.runs.store import Store

app = typer.Typer(help="Load published figures as runs.", no_args_is_help=True, rich_markup_mode="rich")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List what can be loaded."""
    from flatfield import plugins

    names = plugins.names("importer")
    if as_json:
        print_json(names)
    else:
        console().print("\n".join(names), markup=False)


@app.command("load")
def load(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="e.g. nano-agent-2025-08")],
    as_json: AsJson = False,
) -> None:
    """Make a run of published figures: marked imported, not measured here."""
    run = load_into(settings(context).store(settings(context).project()), name)
    if as_json:
        print_json({"run": run.id, "title": run.evaluation.title})
    else:
        console().print(
            f"loaded as run {run.id}; see: flatfield report {run.id}, flatfield pick {run.id}", markup=False
        )


def load_into(store: Store, name: str) -> Run:
    """Store the example's run, unless it is there already."""
    from flatfield import plugins

    imported = plugins.load("importer", name).load()

    async def save() -> None:
        async with store:
            if imported.run.id not in {summary.id for summary in store.runs()}:
                await store.save_run(imported.run)
            for record in imported.trials:
                await store.save_trial(record)

    asyncio.run(save())
    run: Run = imported.run
    return run
