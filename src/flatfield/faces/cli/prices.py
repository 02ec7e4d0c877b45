"""`flatfield prices`: what is known of a model's price, and newer data."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import AsJson, Full, examples, note, print_json, print_table, settings, write
from flatfield.faces.cli.completing import agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.scoring.prices.price_list import Listing, Rates
    from flatfield.scoring.prices.pricing import DataFile


class _Showing(TyperGroup):
    """`prices MODEL` is `prices show MODEL`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own types, or click's in older ones
        """Take what is no command for a model's name."""
        shown = args if not args or args[0] in self.commands else ["show", *args]
        return super().resolve_command(ctx, shown)


app = typer.Typer(
    cls=_Showing,
    help="What a model's tokens cost, and newer prices.",
    epilog=examples(
        "flatfield prices gpt-5-mini", "flatfield prices show gpt-5-mini --json", "flatfield prices update"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
DOWNLOAD_SECONDS = 60.0
MOST_BYTES = 64 * 1024**2


@app.command(
    "show",
    epilog=examples(
        "flatfield prices show gpt-5-mini",
        "flatfield prices show openrouter:openai/gpt-oss-120b",
        "flatfield prices show claude-opus-5 --json",
        after='Prices of your own stand in flatfield.toml: [prices."gpt-5-mini"] or [prices."openai:gpt-5-mini"].',
    ),
)
def show(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="MODEL, PROVIDER:MODEL, or the name of an agent.", autocompletion=agents),
    ],
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of a model's price, in USD per million tokens.

    Your own price comes first and is the one that counts; then what vendors ask.
    """
    from flatfield.scoring.prices.price_list import listings
    from flatfield.scoring.prices.pricing import load

    project = settings(context).project()
    agent = next((each for each in project.roster if each.name == model), None)
    name = f"{agent.provider}:{agent.model}" if agent is not None and agent.model else model
    file = _file()
    found = listings(name, project.prices, load(file), file.version(), datetime.now(UTC))
    if as_json:
        print_json({"model": model, "version": file.version(), "prices": found})
        return
    _print(found, full=full)
    note(f"USD per million tokens; {file.version()}")


@app.command("update", epilog=examples("flatfield prices update", "flatfield prices update --from data.json"))
def update(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL|FILE", help="Where to take it from, instead of its publisher."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the newest data of genai-prices and keep it in flatfield's cache.

    It is used from then on, until the package itself is upgraded; runs say its date.
    """
    from genai_prices.update_prices import DEFAULT_UPDATE_URL

    place = source or DEFAULT_UPDATE_URL
    data = asyncio.run(_download(place)) if place.startswith(("http://", "https://")) else _read(Path(place))
    file = _file()
    count = file.save(data, place, datetime.now(UTC))
    version = _file().version()
    if as_json:
        print_json({"version": version, "models": count, "path": str(file.path)})
    else:
        write(f"prices of {count:,} models are in use: {version}\n")


def _file() -> DataFile:
    from flatfield.machine.models import cache_folder
    from flatfield.scoring.prices.pricing import DataFile

    return DataFile(cache_folder(os.environ))


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise FlatfieldError(f"{path} cannot be read: {error.strerror}; the prices stay as they are") from None


async def _download(url: str) -> bytes:
    import aiohttp

    from flatfield.http.connecting import proxy_for
    from flatfield.http.secrecy import shown_url
    from flatfield.runs.world import Outside, open_world

    stays = "the prices stay as they are"
    limit = aiohttp.ClientTimeout(total=DOWNLOAD_SECONDS)
    try:
        async with (
            open_world(Outside()) as world,
            world.services.session.get(url, timeout=limit, proxy=proxy_for(url, os.environ)) as response,
        ):
            if response.status != 200:
                raise FlatfieldError(f"{shown_url(url)} answers {response.status}; {stays}")
            data = bytearray()
            while chunk := await response.content.readany():
                data += chunk
                if len(data) > MOST_BYTES:
                    raise FlatfieldError(f"{shown_url(url)} sends more than {MOST_BYTES:,} bytes; {stays}")
            return bytes(data)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = type(error).__name__
        raise FlatfieldError(f"no prices could be fetched from {shown_url(url)} ({reason}); {stays}") from None


def _print(found: tuple[Listing, ...], *, full: bool) -> None:
    from flatfield.faces.blocks import Table

    columns = ("provider", "model", "when", "input", "cached", "cache write", "kept 1 h", "output")
    rows = tuple(row for listing in found for row in _rows(listing))
    right = frozenset({"input", "cached", "cache write", "kept 1 h", "output"})
    names, fold = frozenset({"provider", "model"}), frozenset({"when"})
    drop = ("kept 1 h", "cache write", "cached", "when")
    table = Table(columns=columns, rows=rows, right=right, names=names, fold=fold, drop=drop)
    print_table(table, full=full)


def _rows(listing: Listing) -> Iterator[tuple[str, ...]]:
    own = "" if listing.is_listed else listing.source
    yield (listing.provider, listing.model, own, *_cells(listing.rates))
    for when, rates in listing.exceptions.items():
        yield ("", "", when, *_cells(rates))


def _cells(rates: Rates) -> tuple[str, ...]:
    from flatfield.faces.wording import rate
    from flatfield.scoring.prices.price_list import KEYS

    return tuple(rate(getattr(rates, key)) for key in KEYS)
