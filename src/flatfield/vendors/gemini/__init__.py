"""`gemini`: Google's generateContent, streamed, with native or `json` tool calls; signatures go back verbatim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.gemini.traits import TRAITS, endpoint_of

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "endpoint_of", "refused"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.gemini.conversation import provider

    return provider(services)


def refused(agent: AgentConfig) -> frozenset[str]:
    """The settings of an agent that its model does not take, by the names of its configuration's fields."""
    from flatfield.vendors.gemini.models import settings_of

    return frozenset(settings_of(agent).not_accepted)
