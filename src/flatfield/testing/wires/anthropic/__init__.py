"""`anthropic`: the Messages API as its server speaks it."""

from __future__ import annotations

from flatfield.testing.wires.anthropic.wire import AnthropicWire


def create() -> AnthropicWire:
    """The wire, for one server."""
    return AnthropicWire()
