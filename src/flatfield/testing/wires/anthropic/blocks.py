"""The content blocks of the Messages API that tell a `FakeReply`, sealed so that a changed one is known."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatfield.testing.server import FakeReply


def blocks(reply: FakeReply, number: int) -> list[dict[str, Any]]:
    """The content blocks that tell a reply, in the order of the API: thinking, text, calls.

    Arguments that are no JSON object have `input` None: the API never sends any, other servers do.
    """
    told: list[dict[str, Any]] = []
    if reply.reasoning:
        told.append({"type": "thinking", "thinking": reply.reasoning, "signature": seal(reply.reasoning)})
        told.append({"type": "redacted_thinking", "data": seal(f"redacted {reply.reasoning}")})
    if reply.text:
        told.append({"type": "text", "text": reply.text})
    for index, (name, arguments) in enumerate(reply.calls):
        call = {"type": "tool_use", "id": call_id(number, index), "name": name, "input": _object(arguments)}
        told.append(call)
    return told


def call_id(number: int, index: int) -> str:
    """An id that tells whether it came back as it was sent: it carries its own seal."""
    return f"toolu_{number}_{index}_{seal(f'{number} {index}')[:8]}"


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def seal(text: str) -> str:
    """What stands for a signature, and for encrypted content."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
