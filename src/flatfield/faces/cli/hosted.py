"""The known models with their prices and dates, for `flatfield models list`."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.faces.blocks import Table
    from flatfield.tasks.project import Project


ON_DEVICE = "on device"


class Hosted(Struct, frozen=True, kw_only=True):
    """A known model; None: not known. Prices are in USD per million tokens."""

    name: str
    provider: str
    model: str
    context_tokens: int | None
    input_mtok: float | None
    output_mtok: float | None
    released: date | None
    retires: date | None
    retired: bool


def hosted_models(project: Project) -> tuple[Hosted, ...]:
    """All known models, at the project's own prices or at their vendors'."""
    from flatfield.faces.cli.common import prices_of
    from flatfield.machine.models import cache_folder
    from flatfield.scoring.prices.price_list import vendor_rates
    from flatfield.scoring.prices.pricing import DataFile, load
    from flatfield.tasks.roster import as_agent, known_models

    now = datetime.now(UTC)
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
            )
        )
    return tuple(found)


def table(models: Sequence[Hosted]) -> Table:
    """One row a model."""
    from flatfield.faces.blocks import Table

    columns = ("name", "provider", "context", "in/out $/M", "released", "retires")
    right = frozenset({"context", "in/out $/M"})
    return Table(
        columns=columns,
        rows=tuple(map(_row, models)),
        right=right,
        names=frozenset({"name"}),
        drop=("released", "provider"),
    )


def _row(model: Hosted) -> tuple[str, ...]:
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
    )


def _short(tokens: int) -> str:
    """`131k`, `1.05M`."""
    return f"{tokens / 1_000_000:.3g}M" if tokens >= 1_000_000 else f"{tokens / 1000:.3g}k"
