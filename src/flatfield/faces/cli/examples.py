"""`flatfield examples`: figures of others, and a run of another machine, as runs to report on and to pick from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli.common import AsJson, NamingCommand, print_json, settings, write
from flatfield.faces.cli.common import examples as shown

if TYPE_CHECKING:
    from flatfield.records import Run
    from flatfield.runs.store.store import Store

app = typer.Typer(
    help="Load runs to look at: published figures, and small models on a laptop.",
    epilog=shown("flatfield examples load desk-2026-11", "flatfield report 20261130"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", epilog=shown("flatfield examples list", "flatfield examples list --json"))
def list_(as_json: AsJson = False) -> None:
    """List what can be loaded."""
    from flatfield import plugins

    names = plugins.names("importer")
    if as_json:
        print_json(names)
    else:
        write("".join(f"{name}\n" for name in names))


@app.command(
    "load",
    epilog=shown("flatfield examples load nano-agent-2025-08", "flatfield pick 20250815"),
    cls=NamingCommand,
)
def load(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="{importer names}")],
    as_json: AsJson = False,
) -> None:
    """Make a run of an example, to report on and to pick from. It is marked imported: not measured here."""
    run = load_into(settings(context).store(), name)
    if as_json:
        print_json({"run": run.id, "title": run.evaluation.title})
    else:
        title = run.evaluation.title
        write(f"{title} is run {run.id}; see:\n  flatfield report {run.id}\n  flatfield pick {run.id}\n")


def load_into(store: Store, name: str) -> Run:
    """Store the example's run, unless it is there already.

    Raises:
        NotFound: there is no such example.
    """
    from flatfield import plugins

    known = plugins.names("importer")
    if name not in known:
        raise NotFound(f"there is no example {name!r}; there are: {', '.join(known)}")
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
