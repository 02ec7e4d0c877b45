"""Puts the commands together, all of them or the one that is meant; each one's body imports what it needs."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from flatfield import __version__
from flatfield.faces.cli import completing
from flatfield.faces.cli.common import NamingCommand, settings
from flatfield.faces.cli.common import examples as shown
from flatfield.faces.cli.ending import BAD_INPUT

if TYPE_CHECKING:
    from collections.abc import Iterable

HELP = "The same agentic task, tools and limits for every model: which one does the work, how fast, at what cost?"
EPILOG = shown(
    "flatfield demo",
    "flatfield eval suite:desk --agents oracle,openai-chat:qwen3@http://127.0.0.1:8080/v1",
    'flatfield try "Make the failing test pass" --check "pytest -q"',
    'flatfield run "List the Python files here" --model local:smollm2-135m',
    "flatfield report --format markdown > report.md",
    "flatfield pick --min-performance A",
    after="""\b
Exit codes:
  0    completed, whatever the grades
  1    a gate failed (tasks check)
  2    bad input or not ready: nothing was spent
  3    completed, with trials not measured
  70   a bug in flatfield; FLATFIELD_DEBUG=1 shows the traceback
  130  interrupted; eval --resume goes on""",
)


class CommandPlace(NamedTuple):
    """Where a command is: the file here, what it is called in there, and what its help ends with.

    A `group` has commands of its own; a `naming` one names in its help what there is.
    """

    file: str
    function: str = "command"
    epilog: str = "EPILOG"
    group: bool = False
    naming: bool = False


def _group(file: str) -> CommandPlace:
    return CommandPlace(file, function="app", group=True)


COMMANDS = {
    "eval": CommandPlace("evaluate"),
    "plan": CommandPlace("plan"),
    "try": CommandPlace("try_"),
    "run": CommandPlace("run"),
    "vary": CommandPlace("vary"),
    "regrade": CommandPlace("regrade"),
    "report": CommandPlace("report", naming=True),
    "view": CommandPlace("view"),
    "pick": CommandPlace("pick"),
    "compare": CommandPlace("compare"),
    "runs": CommandPlace("stored", "runs", "RUNS_EPILOG"),
    "import": CommandPlace("evidence", "import_", "IMPORT_EPILOG", naming=True),
    "bundle": CommandPlace("bundle"),
    "show": CommandPlace("stored", "show", "SHOW_EPILOG"),
    "demo": CommandPlace("demo"),
    "trust": CommandPlace("trust"),
    "doctor": CommandPlace("doctor"),
    "agents": _group("agents"),
    "replay": CommandPlace("stored"),
    "speak": CommandPlace("speech"),
    "mcp": CommandPlace("mcp"),
    "init": _group("init"),
    "new": _group("new"),
    "schema": CommandPlace("new", "schema", "SCHEMA_EPILOG"),
    "tasks": _group("tasks"),
    "models": _group("models"),
    "judge": _group("judge"),
    "prices": _group("prices"),
    "evidence": _group("evidence"),
    "examples": _group("demo"),
}
"""By the name that users type, in the order of the help."""


def app_of(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The program with these commands: to put all of them together takes a tenth of a second."""
    app = typer.Typer(
        name="flatfield",
        help=HELP,
        epilog=EPILOG,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(top)
    for name in names:
        place = COMMANDS[name]
        module = importlib.import_module(f"flatfield.faces.cli.{place.file}")
        found = getattr(module, place.function)
        if place.group:
            app.add_typer(found, name=name)
        else:
            cls = NamingCommand if place.naming else None
            app.command(name, epilog=getattr(module, place.epilog), cls=cls)(found)
    return app


def _version(value: bool) -> None:
    if value:
        typer.echo(f"flatfield {__version__}")
        raise typer.Exit


def top(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The flatfield.toml to use instead of the nearest one."),
    ] = None,
    install_completion: Annotated[
        str | None,
        typer.Option(
            metavar="[SHELL]", callback=completing.install, is_eager=True, help="Let the tab key complete, and leave."
        ),
    ] = None,
    show_completion: Annotated[
        str | None,
        typer.Option(
            metavar="[SHELL]", callback=completing.show, is_eager=True, help="Print what that takes of a shell."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Remember what stands before the command; where none stands, say where the user stands, or what there is."""
    del install_completion, show_completion  # their callbacks have done it
    context.obj = replace(settings(context), config=config)
    if context.invoked_subcommand is not None:
        return
    if not sys.stdout.isatty():
        typer.echo(context.get_help())
        raise typer.Exit(BAD_INPUT)
    from flatfield.faces.cli.start import show

    show(context)
