"""`flatfield new`: working files to begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from flatfield.faces.cli.common import AsJson, environ_of, examples, note, print_json, settings
from flatfield.faces.cli.trust import access_of

app = typer.Typer(
    help="Write files to begin with.",
    epilog=examples("flatfield new task --from-commit HEAD"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def group() -> None:
    """Keep the kinds commands of their own."""


@app.command("task")
def task(
    context: typer.Context,
    from_commit: Annotated[str | None, typer.Option("--from-commit", metavar="SHA", help="X.")] = None,
    repo: Annotated[Path, typer.Option("--repo", metavar="DIR", help="X.")] = Path(),
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="X.")] = None,
    check: Annotated[str | None, typer.Option("--check", metavar="COMMAND", help="X.")] = None,
    env: Annotated[Path | None, typer.Option("--env", metavar="DIR", help="X.")] = None,
    force: Annotated[bool, typer.Option("--force", help="X.")] = False,
    as_json: AsJson = False,
) -> None:
    """X."""
    from flatfield.runs.commit_task import CommitOrder, make_task

    project = settings(context).project()
    access = access_of(project, environ_of(project))
    order = CommitOrder(
        repository=repo, commit=from_commit or "HEAD", out=out, check=check, packages_from=env, force=force
    )
    made = asyncio.run(make_task(order, access, say=note))
    print_json(made)
