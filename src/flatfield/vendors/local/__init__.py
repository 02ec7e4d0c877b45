"""`local`: a GGUF model on this device, served by llama.cpp in a child process, on the `openai-chat` wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS
from flatfield.records import Traits

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Provider

TRAITS = Traits(
    name="local",
    asks_server=False,
    is_word=True,
    device="always",
    sizes_context=True,
    loaded_context_tokens=DEFAULT_CONTEXT_TOKENS,
    finds_protocol="always",
    recalls=True,
    color="cyan",
)


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """The model's file, which holds its chat template, and the version of llama.cpp that serves it."""
    from flatfield.vendors.local.conversation import identity_of as identity

    return await identity(agent, services)


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.local.conversation import LocalProvider

    return LocalProvider(services)
