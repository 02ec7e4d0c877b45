"""`gemini`: generateContent as its server speaks it."""

from __future__ import annotations

from flatfield.testing.wires.gemini.wire import GeminiWire


def create() -> GeminiWire:
    """The wire, for one server."""
    return GeminiWire()
