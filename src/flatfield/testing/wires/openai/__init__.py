"""`openai`: the Responses API as its server speaks it."""

from __future__ import annotations

from flatfield.testing.wires.openai.wire import OpenAIWire


def create() -> OpenAIWire:
    """The wire, for one server."""
    return OpenAIWire()
