"""Prices: what one request cost in dollars, or None when nobody knows, and why nobody does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.records import Price, Sent, Usage
from flatfield.saying import few
from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, PriceCalculation

    from flatfield.records import AgentConfig, Turn


# The data of genai-prices: the package's own, or newer that was downloaded into flatfield's cache.


PACKAGE = "genai-prices"


class Downloaded(Struct, frozen=True, kw_only=True):
    """Newer data: when it was taken from where, by which version of the package, and the providers as they came."""

    package: str
    downloaded_at: str
    source: str
    providers: msgspec.Raw


class DataFile:
    """The downloaded data of one cache folder, if there is any that counts.

    It counts for the version of the package that downloaded it: a newer package brings its own data, and may read it
    otherwise.
    """

    def __init__(self, cache: Path | None) -> None:
        self.path = cache / "prices" / f"{PACKAGE}.json" if cache is not None else None

    @cached_property
    def downloaded(self) -> Downloaded | None:
        """What was downloaded; None when there is none, when it is damaged, or when it no longer counts."""
        if self.path is None:
            return None
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=Downloaded)
        except (OSError, msgspec.MsgspecError):
            return None
        return found if found.package == version(PACKAGE) else None

    def version(self) -> str:
        """`genai-prices 0.2.3`, and the date of the data when it is newer than the package's."""
        newer = f" with data of {self.downloaded.downloaded_at[:10]}" if self.downloaded else ""
        return f"{PACKAGE} {version(PACKAGE)}{newer}"

    def save(self, data: bytes, source: str, now: datetime) -> int:
        """Keep new data, after reading it; returns how many models have a price in it.

        Raises:
            FlatfieldError: it is no such data, or it cannot be stored; what was there before stays.
        """
        if self.path is None:
            raise FlatfieldError("there is no cache folder to keep prices in; set FLATFIELD_CACHE")
        try:
            count = sum(len(provider.models) for provider in read(data).providers)
        except ValueError as error:  # pydantic's and json's errors are ValueErrors
            raise FlatfieldError(f"{source} holds no data of {PACKAGE} ({str(error).splitlines()[0]})") from None
        taken = Downloaded(
            package=version(PACKAGE),
            downloaded_at=now.isoformat(timespec="seconds"),
            source=source,
            providers=msgspec.Raw(data),
        )
        try:
            replace_whole(self.path, msgspec.json.encode(taken))
        except OSError as error:
            raise FlatfieldError(f"prices cannot be kept at {self.path}: {error.strerror}; make it writable") from None
        return count


def load(file: DataFile) -> DataSnapshot:
    """The data that is in force: the downloaded, else the package's own, also when the downloaded cannot be read."""
    from genai_prices.data_snapshot import get_snapshot

    if file.downloaded is None:
        return get_snapshot()
    try:
        return read(bytes(file.downloaded.providers))
    except ValueError:
        return get_snapshot()


def read(data: bytes) -> DataSnapshot:
    """Data as its publisher serves it: a JSON list of providers.

    Raises:
        ValueError: it is something else.
    """
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import _providers_from_raw  # the package's updater has no public door that takes data

    try:
        raw: Any = msgspec.json.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    if not isinstance(raw, list) or not raw:
        raise ValueError("it is no list of providers")
    return DataSnapshot(_providers_from_raw(raw), from_auto_update=True)


# ---------------------------------------------------------------------------- what one request cost


STANDARD = frozenset({"", "auto", "default", "standard", "on_demand", "unspecified"})
"""Service tiers that are billed at the list price, as the vendors' replies call them."""
PRICED_APART = re.compile(r"batch|fast|flex|priority|inference_geo")
"""Words of tiers that are known to cost more or less than others, so that a price of one's own is not theirs."""
REMEMBERED = 4096
"""Of so many requests it is known what genai-prices made of them."""
AS_REPORTED = "no price known: as reported by the API or scaffold itself"


class Prices:
    """Prices from genai-prices, loaded when first asked, and a user's `own`, which win; else what a vendor states.

    `own` are keyed by "PROVIDER:MODEL" or by model; `at` is the time of the requests (None: now), for prices that
    changed; `cache` is flatfield's cache folder, where newer data may lie (None: the package's own is used).
    """

    def __init__(
        self, own: Mapping[str, Price] | None = None, *, at: datetime | None = None, cache: Path | None = None
    ) -> None:
        self._own = dict(own or {})
        self._at = at
        self._file = DataFile(cache)
        self._snapshot: DataSnapshot | None = None
        # genai-prices takes 100 µs for a request, on the event loop that times the trials; each is asked for when its
        # turn ends and again, as text, when its trial's record is made.
        self._found = lru_cache(maxsize=REMEMBERED)(self._looked_up)

    def prepare(self, agents: Iterable[AgentConfig]) -> None:
        """Load the data now if any of them may need it: it takes some tenths of a second, and no turn should wait."""
        if self._snapshot is None and any(map(_may_be_listed, agents)):
            self._snapshot = load(self._file)

    def usd(
        self,
        agent: AgentConfig,
        usage: Usage | None,
        on_device: bool,  # noqa: FBT001 - the door's
        *,
        sent: Sent | None = None,
    ) -> float | None:
        """Dollars that `usage` cost; None when no price, or no usage, is known.

        `usage` is that of one request: some prices have tiers by the size of a request, so the sum of a trial's tokens
        can cost something else than the sum of its turns. `on_device`: the provider says that the model runs on the
        user's own device, $0 at the API. Nothing else is ever free: a listed price of 0 is no price known. `sent` is
        the reply's `request`: where it really went, and at which service tier it was served.
        """
        own = self.own(agent, sent)
        if own is None and on_device:
            return 0.0
        if usage is None or usage.cache_read_tokens + usage.cache_write_tokens > usage.input_tokens:
            return None
        if usage.cache_write_1h_tokens > usage.cache_write_tokens:
            return None
        if own is not None:
            return None if sent and PRICED_APART.search(sent.service_tier) else own_usd(own, usage)
        listed = self._listed(agent, usage, sent or Sent())
        stated = stated_price(agent, sent or Sent()) if listed is None else None
        return listed if stated is None else own_usd(stated, usage)

    def own(self, agent: AgentConfig, sent: Sent | None = None) -> Price | None:
        """The user's own price of an agent's model; of a scaffold's, else of the model that it says it asked."""
        named = [f"{agent.provider}:{agent.model}", agent.model]
        if plugins.traits_or_usual(agent.provider).is_scaffold:
            named.append(sent.model if sent else "")
        return next((self._own[name] for name in named if name in self._own), None)

    def version(self) -> str:
        """Which prices these are, for the manifest."""
        listed = self._file.version()
        return f"{listed}; user price file: {', '.join(sorted(self._own))}" if self._own else listed

    def described(self, agent: AgentConfig, sent: Sent, usage: Usage | None = None) -> str:
        """How a request is priced, in words; "" when no price is known. `sent` and `usage` as for `usd`."""
        usage = usage or Usage()
        own = self.own(agent, sent)
        if own is not None:
            known = own_usd(own, usage) is not None and not PRICED_APART.search(sent.service_tier)
            return "" if not known else f"{_rates_of(own)}: user price file ({own.source})"
        found = self._calculated(agent, usage, sent)
        if found is None:
            stated = stated_price(agent, sent)
            known = stated is not None and own_usd(stated, usage) is not None
            return (
                ""
                if stated is None or not known
                else f"{_rates_of(stated)}: {agent.provider}'s own list ({stated.source})"
            )
        price = found.model_price
        tier = sent.service_tier
        at = f" at the service tier {tier}" if tier_context(tier) else ""
        rates = rates_text(price.input_mtok, price.cache_read_mtok, price.output_mtok)
        return f"{rates}{at}: {self._file.version()}"

    def described_turns(self, agent: AgentConfig, turns: Sequence[Turn]) -> str:
        """How those turns that cost something were priced, each way once; "" when none did."""
        said = (text for turn in turns if turn.cost_usd for text in self._described_turn(agent, turn))
        return " | ".join(dict.fromkeys(text for text in said if text))

    def _described_turn(self, agent: AgentConfig, turn: Turn) -> tuple[str, ...]:
        """How a turn was priced: each model that it used at its price, by name if there are several, or as reported."""
        parts = turn.reply.by_model
        texts = [self.described(agent, each.request, each.usage or Usage()) for each in parts]
        is_known = all(texts) and not (turn.reply.scaffold and any(each.usage is None for each in parts))
        if not is_known and turn.reply.reported_cost_usd is not None:
            return (AS_REPORTED,)
        return tuple(
            f"{each.request.model}: {text}" if len(parts) > 1 else text for each, text in zip(parts, texts, strict=True)
        )

    def _listed(self, agent: AgentConfig, usage: Usage, sent: Sent) -> float | None:
        found = self._calculated(agent, usage, sent)
        if found is None:
            return None
        if plugins.traits_or_usual(agent.provider).is_scaffold:
            return _small_requests_usd(found, usage)
        return float(found.total_price)

    def _calculated(self, agent: AgentConfig, usage: Usage, sent: Sent) -> PriceCalculation | None:
        """What genai-prices makes of one request: for the model that answered, where that has a price.

        None when no price is known.
        """
        asked = plugins.traits_or_usual(agent.provider)
        address = sent.base_url or agent.base_url
        vendor = None if address else asked.price_name or None
        models = [name.removeprefix(asked.model_prefix) for name in (sent.answered_by, agent.model) if name]
        if asked.is_scaffold:  # it says itself what it asked
            vendor, models = None if address else sent.price_vendor or None, [sent.model]
        if not (vendor or (address and not _is_here(address))):
            return None
        models += [name.rpartition("/")[2] for name in models]  # `google/gemini-…`, as some doors call them
        at = self._at or datetime.now(UTC).replace(second=0, microsecond=0)  # some prices go by the time of day
        found = (self._found(model, vendor, address, usage, sent.service_tier, at) for model in models if model)
        return next((price for price in found if price is not None), None)

    def _looked_up(
        self, model: str, vendor: str | None, address: str | None, usage: Usage, service_tier: str, at: datetime
    ) -> PriceCalculation | None:
        from genai_prices import Usage as Tokens

        if self._snapshot is None:
            self._snapshot = load(self._file)
        context = tier_context(service_tier)
        try:
            _, listed = self._snapshot.find_provider_model(model, None, vendor, address)
            if context and not _has_tier(listed, context, at):
                return None
            tokens = Tokens(
                input_tokens=usage.input_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                cache_write_1h_tokens=usage.cache_write_1h_tokens,
                output_tokens=usage.output_tokens,
            )
            found = self._snapshot.calc(tokens, model, vendor, address, at, context)
        except LookupError:
            return None
        price = found.model_price
        if usage.cache_write_1h_tokens and not price.cache_write_1h_mtok:
            return None
        return found if price.input_mtok and price.output_mtok else None


def _may_be_listed(agent: AgentConfig) -> bool:
    """Whether genai-prices may have a price for an agent, as far as it is known before its first reply."""
    traits = plugins.traits_or_usual(agent.provider)
    if agent.base_url:
        return not _is_here(agent.base_url)
    return traits.is_scaffold or bool(traits.price_name)


@lru_cache(maxsize=REMEMBERED)
def _is_here(address: str) -> bool:
    """Whether a server is on this machine: no list has a price for it."""
    from flatfield.http.connecting import leads_here

    return leads_here(address)


def stated_price(agent: AgentConfig, sent: Sent) -> Price | None:
    """What the vendor's package states of a price that no list has, in its `PRICES` by model.

    It holds for requests to the vendor's own host alone, and for the service tiers that are billed at the list price.
    """
    stated = getattr(plugins.vendor_if_there(agent.provider), "PRICES", None) or {}
    price: Price | None = stated.get(agent.model)
    if price is None or tier_context(sent.service_tier):
        return None
    from flatfield.vendors.base import is_own

    address = sent.base_url or agent.base_url
    return price if not address or is_own(address, plugins.traits_or_usual(agent.provider)) else None


def _rates_of(price: Price) -> str:
    return rates_text(price.input_mtok, price.cache_read_mtok, price.output_mtok)


def rates_text(input_mtok: Any, cache_read_mtok: Any, output_mtok: Any) -> str:  # noqa: ANN401 - a number, or tiers
    """`$1.25 in, $0.125 cached, $10 out per million tokens`; a price with tiers is that of its smallest requests."""
    cached = "" if cache_read_mtok is None else f", {_rate(cache_read_mtok)} cached"
    return f"{_rate(input_mtok)} in{cached}, {_rate(output_mtok)} out per million tokens"


def _rate(price: Any) -> str:  # noqa: ANN401 - a number, or genai-prices' tiers
    base = getattr(price, "base", None)
    return f"${float(price):.10g}" if base is None else f"${float(base):.10g} and more"


def _small_requests_usd(found: PriceCalculation, usage: Usage) -> float | None:
    """A run of many requests whose sizes nobody tells: at the rates of small ones, where rates go by size."""
    price = found.model_price
    inward, outward, read, write, hour = (
        None if rate is None else float(rate.base if hasattr(rate, "base") else rate)
        for rate in (
            price.input_mtok,
            price.output_mtok,
            price.cache_read_mtok,
            price.cache_write_mtok,
            price.cache_write_1h_mtok,
        )
    )
    rates = Price(
        input_mtok=inward or 0.0,
        output_mtok=outward or 0.0,
        cache_read_mtok=read,
        cache_write_mtok=write,
        cache_write_1h_mtok=hour,
    )
    return own_usd(rates, usage)


def tier_context(service_tier: str) -> dict[str, str] | None:
    """What genai-prices calls a service tier; None for one that is billed at the list price."""
    tier = service_tier.lower()
    if tier in STANDARD:
        return None
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _has_tier(model: ModelInfo, context: dict[str, str], at: datetime) -> bool:
    """Whether rates of their own are known for a service tier at that time."""
    return any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def own_usd(price: Price, usage: Usage) -> float | None:
    """Dollars for one request at a user's own price: a cache price that is left out is the input price.

    None where something is kept for an hour, at no price that is known.
    """
    read, write, hour = usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
    if hour and price.cache_write_1h_mtok is None:
        return None
    read_mtok = price.input_mtok if price.cache_read_mtok is None else price.cache_read_mtok
    write_mtok = price.input_mtok if price.cache_write_mtok is None else price.cache_write_mtok
    fresh = usage.input_tokens - read - write
    inward = fresh * price.input_mtok + read * read_mtok + (write - hour) * write_mtok
    inward += hour * (price.cache_write_1h_mtok or 0.0)
    return (inward + usage.output_tokens * price.output_mtok) / 1e6


# Says why nobody knows what agents cost, and what changes it: a price, or an agent that tells its tokens.


SHOWN = 2
"""So many tables are shown where there are more to write."""

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import AgentConfig, TrialRecord


def unknown_costs(
    agents: Sequence[AgentConfig], trials: Sequence[TrialRecord], *, budgeted: bool = False
) -> Iterator[str]:
    """Why it is not known what these agents' trials cost, with the mend; one text for each of the reasons there are.

    `budgeted`: it is a budget that has to know it, in a run that goes on with the prices of now and its own agents.
    """
    silent = [agent for agent in agents if _tells_no_tokens(agent.name, trials)]
    unpriced = [agent for agent in agents if agent not in silent]
    if unpriced:
        models = dict.fromkeys(f"{one.provider}:{one.model}" for agent in unpriced for one in agent.members)
        tables = few((f'[prices."{model}"]' for model in models), SHOWN)
        place = "table" if len(models) == 1 else "tables"
        when = "" if budgeted else "before the next run, "
        device = "" if budgeted else ", or on_device = true for a model on your own device"
        yield (
            f"no price is known for {_names(unpriced)}; {when}set input_mtok and output_mtok in the {place} {tables} in"
            f" flatfield.toml{device}"
        )
    if silent:
        prints = any(plugins.traits_or_usual(agent.provider).is_scaffold for agent in silent)
        told = "an output that reports them" if prints else "a server that reports them"
        hour = "" if budgeted else ", or usd_per_hour"
        yield (
            f"no tokens are reported by {_names(silent)}, so that a price changes nothing; before the next run, take"
            f" {told}, or, for a model on your own device, on_device = true without a price{hour}"
        )


def _tells_no_tokens(agent: str, trials: Sequence[TrialRecord]) -> bool:
    """Whether none of its turns of unknown cost has a count of tokens that a price could be put on."""
    turns = [turn for trial in trials if trial.agent == agent for turn in trial.turns if turn.cost_usd is None]
    return bool(turns) and all(turn.reply.usage is None for turn in turns)


def _names(agents: Sequence[AgentConfig]) -> str:
    return few(agent.name for agent in agents)
