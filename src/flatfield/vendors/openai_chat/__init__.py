"""`openai-chat`: any server that speaks OpenAI's Chat Completions, streamed, with native or `json` tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.openai_chat.address import endpoint_of
from flatfield.vendors.openai_chat.traits import TRAITS

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "endpoint_of"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.openai_chat.conversation import provider

    return provider(services)
