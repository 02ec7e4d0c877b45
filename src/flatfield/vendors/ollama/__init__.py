"""`ollama`: Ollama's own chat API, on this device, on another, or at Ollama's service; streamed line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.http.secrecy import shown_url
from flatfield.vendors.base import UsualServer
from flatfield.vendors.ollama.traits import TRAITS, endpoint_of, ollama_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "endpoint_of", "identity_of", "usual_servers"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.ollama.conversation import OllamaProvider

    return OllamaProvider(services)


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """What the agent's model and its server are, as far as the server says it; "" where it does not."""
    from flatfield.vendors.ollama.models import identity_of as identity

    return await identity(agent, services)


def usual_servers(environ: Mapping[str, str]) -> tuple[UsualServer, ...]:
    """The one where OLLAMA_HOST says, else where it listens unless it is told otherwise."""
    url = ollama_url(environ)
    address = "" if shown_url(url) == TRAITS.url else url
    return (UsualServer(name="Ollama", base_url=f"{url}/v1", provider=TRAITS.name, address=address),)
