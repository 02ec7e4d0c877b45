"""`openai`: OpenAI's Responses API, streamed, and servers that speak it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.openai.traits import TRAITS, endpoint_of

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "endpoint_of", "refused"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.openai.conversation import provider

    return provider(services)


def refused(agent: AgentConfig) -> frozenset[str]:
    """The settings of an agent that its model does not take, by the names of its configuration's fields."""
    from flatfield.vendors.openai.models import settings_of

    return frozenset(settings_of(agent).not_accepted)
