"""`openai-chat`: any server that speaks OpenAI's Chat Completions, streamed, with native or `json` tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.base import UsualServer
from flatfield.vendors.openai_chat.traits import TRAITS, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "endpoint_of", "identity_of", "usual_servers"]

_USUAL_PORTS = (("llama.cpp", 8080), ("LM Studio", 1234), ("vLLM", 8000))


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.openai_chat.conversation import provider

    return provider(services)


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """What the agent's model and its server are, as far as the server says it; "" where it does not."""
    from flatfield.vendors.openai_chat.traits import identity_of as identity

    return await identity(agent, services)


def usual_servers(_environ: Mapping[str, str]) -> tuple[UsualServer, ...]:
    """Servers that speak this API, where they listen unless they are told otherwise."""
    places = ((name, f"http://127.0.0.1:{port}/v1") for name, port in _USUAL_PORTS)
    return tuple(UsualServer(name=name, base_url=url, provider=TRAITS.name, address=url) for name, url in places)
