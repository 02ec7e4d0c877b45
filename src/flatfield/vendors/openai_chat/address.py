"""`openai-chat`: where an agent's requests go, and whose key they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from flatfield.vendors import base
from flatfield.vendors.openai_chat.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where and how one agent's requests go.

    `base_url` ends in /v1; `extra_body` is merged into each request; `extra_request` is recorded for the manifest;
    `load_seconds` (a local model's loading) is reported with the first turn.
    """

    base_url: str
    headers: dict[str, str] = field(default_factory=dict)
    extra_body: dict[str, Any] = field(default_factory=dict)
    extra_request: dict[str, Any] = field(default_factory=dict)
    load_seconds: float = 0.0


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> Endpoint:
    """Where the agent's requests go, with the headers that all of them bring.

    Raises:
        NotReady: the key that is needed is not set.
    """
    headers = base.own_headers(agent, environ)
    named = agent.api_key_env is not None
    if named or not (agent.base_url or base.brings(headers, "authorization", "api-key")):
        headers["Authorization"] = f"Bearer {base.api_key(agent, environ, TRAITS)}"
    return Endpoint(base_url=base.base_url(agent, environ, TRAITS), headers=headers)
