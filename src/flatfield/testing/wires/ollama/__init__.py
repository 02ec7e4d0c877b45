"""`ollama`: Ollama's chat API as its server speaks it."""

from __future__ import annotations

from flatfield.testing.wires.ollama.wire import OllamaWire


def create() -> OllamaWire:
    """The wire, for one server."""
    return OllamaWire()
