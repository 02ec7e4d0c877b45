"""Which wire of the test kit speaks the protocol of a provider."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from flatfield.errors import NotFound

if TYPE_CHECKING:
    from flatfield.testing.server import Wire

WIRES = {
    "anthropic": "flatfield.testing.anthropic_wire:AnthropicWire",
    "gemini": "flatfield.testing.gemini_wire:GeminiWire",
    "local": "flatfield.testing.chat_wire:ChatWire",
    "ollama": "flatfield.testing.ollama_wire:OllamaWire",
    "openai": "flatfield.testing.openai_wire:OpenAIWire",
    "openai-chat": "flatfield.testing.chat_wire:ChatWire",
}
CONTROLS = frozenset({"noop", "oracle"})
"""Providers that ask no server."""


def new_wire(provider: str) -> Wire:
    """A new wire, for one server.

    Raises:
        NotFound: the provider's protocol is not spoken here.
    """
    if provider not in WIRES:
        raise NotFound(
            f"no fake server speaks the protocol of provider {provider!r}: write its wire beside "
            "src/flatfield/testing/chat_wire.py and name it in src/flatfield/testing/wires.py"
        )
    module, _, name = WIRES[provider].partition(":")
    wire: Wire = getattr(importlib.import_module(module), name)()
    return wire
