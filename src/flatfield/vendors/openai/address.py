"""`openai`: where an agent's requests go, and whose key they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield.vendors import base
from flatfield.vendors.openai.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig

_HOST = "api.openai.com"


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring.

    Raises:
        NotReady: the key that is needed is not set.
    """
    base_url = base.base_url(agent, environ, TRAITS)
    headers = base.own_headers(agent, environ)
    if base.brings(headers, "authorization", "api-key"):
        return base.Address(base_url=base_url, headers=headers)
    if key := _key(agent, base_url, environ):
        headers["Authorization"] = f"Bearer {key}"
    return base.Address(base_url=base_url, headers=headers)


def _key(agent: AgentConfig, base_url: str, environ: Mapping[str, str]) -> str:
    """The vendor's key goes to the vendor and to `OPENAI_BASE_URL`; an address of the agent's names its own."""
    if agent.api_key_env or is_vendors(base_url):
        return base.api_key(agent, environ, TRAITS)
    return "" if agent.base_url else environ.get("OPENAI_API_KEY", "").strip()


def is_vendors(base_url: str) -> bool:
    """Whether an address is OpenAI's own; it has one for each region too."""
    host = urlsplit(base_url).hostname or ""
    return host == _HOST or host.endswith(f".{_HOST}")
