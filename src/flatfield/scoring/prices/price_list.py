"""All that is known of a model's price: the user's own, and each vendor's, with tiers and changes to come."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from flatfield import plugins
from flatfield.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

    from flatfield.records import Price


KEYS = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok")


class Rates(Struct, frozen=True, kw_only=True):
    """USD per million tokens; None: no price known."""

    input_mtok: float | None = None
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None
    cache_write_1h_mtok: float | None = None
    output_mtok: float | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """One price of one model.

    `exceptions` holds other rates by when they count ("above 200,000 input tokens", "service tier flex", "batch", "from
    2027-01-01"). `source` says where the price is from; `is_listed`: from the price list, not from a user or a vendor.
    """

    provider: str
    model: str
    rates: Rates
    exceptions: dict[str, Rates] = field(default_factory=dict)
    context_tokens: int | None = None
    source: str
    is_listed: bool = True


def listings(
    name: str, own: Mapping[str, Price], data: DataSnapshot, version: str, now: datetime
) -> tuple[Listing, ...]:
    """What is known of `MODEL` or `PROVIDER:MODEL`: the user's own price, then those of vendors, then of others.

    Where no list has one: what a vendor's package states of it.

    Raises:
        NotFound: nothing is; the message lists names that come close.
    """
    provider, colon, model = name.partition(":")
    known = {each.id for each in data.providers}
    asked = plugins.traits_or_usual(provider).price_name or provider if colon else ""
    if colon and "@http" in model:
        model, _, address = model.rpartition("@http")
        asked = next((each.id for each in data.providers if re.match(each.api_pattern, f"http{address}")), "")
        known.add("")
    wanted = model if asked in known else name
    found = [
        _own(key, price, f"user price file ({price.source})")
        for key, price in own.items()
        if key in {name, wanted} or key.partition(":")[2] == name
    ]
    bare, ours = _without_prefix(wanted), _price_names()
    for vendor in sorted(data.providers, key=lambda each: each.id not in ours):
        if asked not in known or vendor.id == asked:
            info = vendor.find_model(bare)
            found += [_listing(vendor, info, version, now)] if info is not None else []
    if not any(each.is_listed for each in found):
        found += _stated(name)
    if not found:
        free = "; on your own device it costs $0 at the API" if colon and _is_free(provider) else ""
        raise NotFound(f"no price is known for {name!r}{free or _close(wanted, own, data)}")
    return tuple(found)


def vendor_rates(provider: str, model: str, data: DataSnapshot, now: datetime) -> Rates | None:
    """What a provider's own vendor asks for a model; None when no price is known, or none is asked."""
    asked = plugins.traits_or_usual(provider).price_name
    vendor = next((each for each in data.providers if each.id == asked), None)
    info = vendor.find_model(model) if vendor is not None else None
    if info is not None:
        return _rates(info.get_prices(now))
    return next((each.rates for each in _stated(f"{provider}:{model}")), None)


def _stated(name: str) -> tuple[Listing, ...]:
    """What the packages of vendors state of the price of `MODEL` or `PROVIDER:MODEL`."""
    found: list[Listing] = []
    for provider in plugins.names("provider"):
        stated: Mapping[str, Price] = getattr(plugins.vendor_if_there(provider), "PRICES", None) or {}
        for model, price in stated.items():
            if name in {model, f"{provider}:{model}"}:
                found.append(_own(f"{provider}:{model}", price, f"{provider}'s own list ({price.source})"))
    return tuple(found)


def _price_names() -> frozenset[str]:
    """What the price list calls the vendors that agents can ask."""
    return frozenset(vendor.price_name for vendor in plugins.all_traits() if vendor.price_name)


def _without_prefix(model: str) -> str:
    """A model's name as price lists write it: without what a vendor of it puts before."""
    prefixes = (vendor.model_prefix for vendor in plugins.all_traits() if vendor.model_prefix)
    return model.removeprefix(next(filter(model.startswith, prefixes), ""))


def _is_free(provider: str) -> bool:
    return plugins.traits_or_usual(provider).is_usually_on_device


def _own(key: str, price: Price, source: str) -> Listing:
    provider, colon, model = key.partition(":")
    read = price.input_mtok if price.cache_read_mtok is None else price.cache_read_mtok
    write = price.input_mtok if price.cache_write_mtok is None else price.cache_write_mtok
    rates = Rates(
        input_mtok=price.input_mtok,
        cache_read_mtok=read,
        cache_write_mtok=write,
        cache_write_1h_mtok=price.cache_write_1h_mtok,
        output_mtok=price.output_mtok,
    )
    return Listing(
        provider=provider if colon else "any",
        model=model if colon else key,
        rates=rates,
        source=source,
        is_listed=False,
    )


def _listing(vendor: Provider, info: ModelInfo, version: str, now: datetime) -> Listing:
    rates = _rates(info.get_prices(now))
    return Listing(
        provider=vendor.id,
        model=info.id,
        rates=rates,
        exceptions={when: other for when, other in _exceptions(info, now) if other != rates},
        context_tokens=info.context_window,
        source=version,
    )


def _exceptions(info: ModelInfo, now: datetime) -> Iterator[tuple[str, Rates]]:
    from genai_prices.types import StartDateConstraint, TieredPrices

    current = info.get_prices(now)
    tiered = [price for key in KEYS if isinstance(price := getattr(current, key), TieredPrices)]
    for start in sorted({tier.start for price in tiered for tier in price.tiers}):
        yield f"above {start:,} input tokens", _rates(current, start)
    for variant in info.price_variants or ():
        if variant.constraint is not None and not variant.constraint.active(now):
            continue
        yield (
            " and ".join(_condition(key, value) for key, value in variant.when.items()),
            _rates(info.get_prices(now, variant.when)),
        )
    for later in info.prices if isinstance(info.prices, list) else ():
        rule = later.constraint
        if isinstance(rule, StartDateConstraint) and not rule.active(now):
            yield f"from {rule.start_date.isoformat()}", _rates(later.prices)
        elif rule is not None and not isinstance(rule, StartDateConstraint):
            yield f"from {rule.start_time:%H:%M} to {rule.end_time:%H:%M} UTC", _rates(later.prices)


def _condition(key: str, value: str) -> str:
    return value if key == "processing" else f"{key.replace('_', ' ')} {value}"


def _rates(price: ModelPrice, above: int | None = None) -> Rates:
    """The rates for requests of more than `above` input tokens; a listed price of 0 is no price known."""
    from genai_prices.types import TieredPrices

    rates: dict[str, float | None] = {}
    for key in KEYS:
        value = getattr(price, key)
        if isinstance(value, TieredPrices):
            reached = [tier.price for tier in value.tiers if above is not None and tier.start <= above]
            value = reached[-1] if reached else value.base
        rates[key] = float(value) if value else None
    return Rates(**rates)


def _close(name: str, own: Mapping[str, Price], data: DataSnapshot) -> str:
    ours = _price_names()
    names = [*own, *(model.id for vendor in data.providers if vendor.id in ours for model in vendor.models)]
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    hint = f"; names that come close: {', '.join(dict.fromkeys(close))}" if close else ""
    return f'{hint}; set one of your own with [prices."{name}"] in flatfield.toml'
