"""`anthropic`: where an agent's requests go, and whose key they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield.vendors import base
from flatfield.vendors.anthropic.models import settings_of
from flatfield.vendors.anthropic.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring; the agent's own headers win.

    Raises:
        NotReady: the key that is needed is not set.
    """
    base_url = base.base_url(agent, environ, TRAITS)
    own = {name.lower(): value for name, value in base.own_headers(agent, environ).items()}
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "anthropic-version": settings_of(agent).version,
    }
    if not own.keys() & {"authorization", "x-api-key"}:
        headers |= _credentials(agent, environ, base_url)
    return base.Address(base_url=base_url, headers=headers | own)


def _credentials(agent: AgentConfig, environ: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The header with the key. The vendor's variables are for the vendor, and for where its own variable points.

    A server that the agent names gets a key through `api_key_env` only, and needs none without it.
    """
    vendors = urlsplit(base_url).netloc == urlsplit(TRAITS.url).netloc
    if agent.api_key_env:
        return {"x-api-key": base.api_key(agent, environ, TRAITS)}
    if agent.base_url and not vendors:
        return {}
    key, token = (environ.get(variable, "").strip() for variable in TRAITS.key_variables)
    if key:
        return {"x-api-key": key}
    if token:
        return {"authorization": f"Bearer {token}"}
    if vendors:
        base.api_key(agent, environ, TRAITS)  # says which variables are missing
    return {}
