"""`openai-chat`: Chat Completions as its server speaks it."""

from __future__ import annotations

from flatfield.testing.wires.openai_chat.wire import ChatWire


def create() -> ChatWire:
    """The wire, for one server."""
    return ChatWire()
