"""Puts the commands together; each one's body imports what it needs when it is called."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flatfield import __version__
from flatfield.faces.cli import (
    agents,
    bundle,
    compare,
    completing,
    demo,
    doctor,
    evaluate,
    evidence,
    init,
    judge,
    mcp,
    models,
    new,
    pick,
    plan,
    prices,
    regrade,
    report,
    run,
    speech,
    stored,
    tasks,
    trust,
    try_,
    vary,
    view,
)
from flatfield.faces.cli.common import NamingCommand, settings
from flatfield.faces.cli.common import examples as shown
from flatfield.faces.cli.ending import BAD_INPUT

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

app = typer.Typer(
    name="flatfield",
    help="The same agentic task, tools and limits for every model: which one does the work, how fast, at what cost?",
    epilog=EPILOG,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"flatfield {__version__}")
        raise typer.Exit


@app.callback()
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


app.command("eval", epilog=evaluate.EPILOG)(evaluate.command)
app.command("plan", epilog=plan.EPILOG)(plan.command)
app.command("try", epilog=try_.EPILOG)(try_.command)
app.command("run", epilog=run.EPILOG)(run.command)
app.command("vary", epilog=vary.EPILOG)(vary.command)
app.command("regrade", epilog=regrade.EPILOG)(regrade.command)
app.command("report", epilog=report.EPILOG, cls=NamingCommand)(report.command)
app.command("view", epilog=view.EPILOG)(view.command)
app.command("pick", epilog=pick.EPILOG)(pick.command)
app.command("compare", epilog=compare.EPILOG)(compare.command)
app.command("runs", epilog=stored.RUNS_EPILOG)(stored.runs)
app.command("import", epilog=evidence.IMPORT_EPILOG, cls=NamingCommand)(evidence.import_)
app.command("bundle", epilog=bundle.EPILOG)(bundle.command)
app.command("show", epilog=stored.SHOW_EPILOG)(stored.show)
app.command("demo", epilog=demo.EPILOG)(demo.command)
app.command("trust", epilog=trust.EPILOG)(trust.command)
app.command("doctor", epilog=doctor.EPILOG)(doctor.command)
app.add_typer(agents.app, name="agents")
app.command("replay", epilog=stored.EPILOG)(stored.command)
app.command("speak", epilog=speech.EPILOG)(speech.command)
app.command("mcp", epilog=mcp.EPILOG)(mcp.command)
app.add_typer(init.app, name="init")
app.add_typer(new.app, name="new")
app.command("schema", epilog=new.SCHEMA_EPILOG)(new.schema)
app.add_typer(tasks.app, name="tasks")
app.add_typer(models.app, name="models")
app.add_typer(judge.app, name="judge")
app.add_typer(prices.app, name="prices")
app.add_typer(evidence.app, name="evidence")
app.add_typer(demo.app, name="examples")
