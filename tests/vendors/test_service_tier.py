"""The service tier that an API says it served a reply at: read from each vendor's wire, and kept with the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import msgspec
import pytest

from flatfield.vendors import base
from flatfield.vendors.anthropic.reader import MessageReader
from flatfield.vendors.gemini.reader import GeminiReader
from flatfield.vendors.openai.reader import ResponsesReader

if TYPE_CHECKING:
    from collections.abc import Callable


def openai(tier: Any) -> str:
    reader = ResponsesReader()
    done = {"type": "response.completed", "response": {"status": "completed", "service_tier": tier}}
    reader.event(msgspec.json.encode(done))
    return reader.service_tier


def anthropic(tier: Any) -> str:
    reader = MessageReader()
    started = {"type": "message_start", "message": {"usage": {"input_tokens": 1, "service_tier": tier}}}
    reader.event(msgspec.json.encode(started))
    reader.event(b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}')
    return reader.service_tier


def gemini(tier: Any) -> str:
    reader = GeminiReader()
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 2, "serviceTier": tier}
    candidate = {"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}
    reader.event(msgspec.json.encode({"candidates": [candidate], "usageMetadata": usage}))
    return reader.told(1).service_tier


@pytest.mark.parametrize("read", [openai, anthropic, gemini])
def test_each_wire(read: Callable[[Any], str]) -> None:
    assert read("priority") == "priority"
    assert read(None) == ""


def test_it_is_kept_with_the_request() -> None:
    exchange: Any = Mock(
        cut=None, first_token_seconds=None, model_seconds=1.0, retry_seconds=0.0, attempts=1, abandoned=(), wire=()
    )
    told = base.Told(text="x", calls=(), finish="stop", usage=None, service_tier="flex")
    request = {"model": "m"}
    assert base.reply(told, exchange, request).request == {"model": "m", "service_tier": "flex"}
    assert request == {"model": "m"}
    silent = msgspec.structs.replace(told, service_tier="")
    assert base.reply(silent, exchange, request).request == {"model": "m"}
