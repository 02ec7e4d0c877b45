"""Prices: what one request cost in dollars, or None when nobody knows."""

from __future__ import annotations

from importlib.metadata import version
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from flatfield.records import AgentConfig, Usage

VENDORS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
"""Providers that speak one vendor's own API, and what genai-prices calls that vendor."""


class Price(Struct, frozen=True, kw_only=True):
    """A user's own price, in USD per million tokens; a cache price left out is the input price."""

    input_mtok: float
    output_mtok: float
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None

    def usd(self, usage: Usage) -> float:
        """Dollars for one request."""
        read, write = usage.cache_read_tokens, usage.cache_write_tokens
        read_mtok = self.input_mtok if self.cache_read_mtok is None else self.cache_read_mtok
        write_mtok = self.input_mtok if self.cache_write_mtok is None else self.cache_write_mtok
        fresh = usage.input_tokens - read - write
        inward = fresh * self.input_mtok + read * read_mtok + write * write_mtok
        return (inward + usage.output_tokens * self.output_mtok) / 1e6


class Prices:
    """Prices from genai-prices, loaded when first asked, and from a user's `overrides`, which win.

    `overrides` are keyed by "PROVIDER:MODEL" or by model; `at` is the time of the requests (None: now), for prices
    that changed.
    """

    def __init__(self, overrides: Mapping[str, Price] | None = None, *, at: datetime | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._at = at

    def usd(self, agent: AgentConfig, usage: Usage | None, on_device: bool) -> float | None:  # noqa: FBT001 - the door's
        """Dollars that `usage` cost; None when no price, or no usage, is known.

        `usage` is that of one request: some prices have tiers by the size of a request, so the sum of a trial's tokens
        can cost something else than the sum of its turns. `on_device`: the model runs on the user's own device, $0 at
        the API. Nothing else is ever free: a listed price of 0 is no price known.
        """
        own = self._overrides.get(f"{agent.provider}:{agent.model}") or self._overrides.get(agent.model)
        if own is None and (on_device or runs_on_device(agent)):
            return 0.0
        if usage is None or usage.cache_read_tokens + usage.cache_write_tokens > usage.input_tokens:
            return None
        return own.usd(usage) if own else self._listed(agent, usage)

    def version(self) -> str:
        """Which prices these are, for the manifest."""
        listed = f"genai-prices {version('genai-prices')}"
        return f"{listed}; own prices: {', '.join(sorted(self._overrides))}" if self._overrides else listed

    def _listed(self, agent: AgentConfig, usage: Usage) -> float | None:
        from genai_prices import Usage as Tokens
        from genai_prices import calc_price

        tokens = Tokens(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
        )
        vendor = VENDORS.get(agent.provider)
        if not agent.model or (agent.base_url is None and vendor is None):
            return None
        try:
            if agent.base_url is not None:
                found = calc_price(
                    tokens, agent.model, provider_api_url=agent.base_url, genai_request_timestamp=self._at
                )
            else:
                found = calc_price(tokens, agent.model, provider_id=vendor, genai_request_timestamp=self._at)
        except LookupError:
            return None
        if not found.model_price.input_mtok or not found.model_price.output_mtok:
            return None
        return float(found.total_price)


def runs_on_device(agent: AgentConfig) -> bool:
    """Whether an agent's model runs on the user's own device: as configured, else `local` and Ollama on loopback."""
    if agent.on_device is not None:
        return agent.on_device
    return agent.provider == "local" or (agent.provider == "ollama" and is_loopback(agent.base_url))


def is_loopback(base_url: str | None) -> bool:
    """Whether a URL leads to this machine; None is Ollama's default address, which does."""
    if base_url is None:
        return True
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
