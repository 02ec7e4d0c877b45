"""Puts the commands together; each one's body imports what it needs when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flatfield import __version__
from flatfield.faces.cli import (
    agents,
    demo,
    doctor,
    evaluate,
    examples,
    models,
    pick,
    report,
    run,
    tasks,
)
from flatfield.faces.cli.common import Settings

EPILOG = """
[bold]Examples[/bold]

  flatfield eval suite:basic --agents oracle,openai-chat:qwen3@http://127.0.0.1:8080/v1
  flatfield run "List the Python files here" --model local:smollm2-135m
  flatfield report --format markdown > report.md
  flatfield pick --min-performance A

[bold]Exit codes[/bold]: 0 completed; 1 a gate failed; 2 bad input or not ready; 3 completed, with trials not measured;
130 interrupted (go on with --resume).
"""

app = typer.Typer(
    name="flatfield",
    help="The same agentic task, tools and limits for every model: which one does the work, how fast, at what cost?",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
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
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Remember what stands before the command."""
    context.obj = Settings(config=config)


app.command("eval", epilog=evaluate.EPILOG)(evaluate.command)
app.command("run", epilog=run.EPILOG)(run.command)
app.command("report", epilog=report.EPILOG)(report.report)
app.command("runs")(report.runs)
app.command("show", epilog=report.SHOW_EPILOG)(report.show)
app.command("pick", epilog=pick.EPILOG)(pick.command)
app.command("demo")(demo.command)
app.command("agents")(agents.command)
app.command("doctor")(doctor.command)
app.add_typer(tasks.app, name="tasks")
app.add_typer(models.app, name="models")
app.add_typer(examples.app, name="examples")
