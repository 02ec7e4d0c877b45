"""`ollama`: Ollama's own chat API, on this device, on another, or at Ollama's service; streamed line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors.ollama.host import endpoint_of
from flatfield.vendors.ollama.traits import TRAITS

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.vendors.base import Provider

__all__ = ["TRAITS", "create", "endpoint_of"]


def create(services: Services) -> Provider:
    """The provider, for one run."""
    from flatfield.vendors.ollama.conversation import OllamaProvider

    return OllamaProvider(services)
