"""The service tier that an API says it served a reply at: read from each vendor's wire, and kept with the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock

import msgspec
import pytest

from flatfield.records import AgentConfig, Sent, TurnBudget, Usage
from flatfield.scoring.prices.pricing import Prices
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


@pytest.mark.parametrize(
    ("fields", "tier"),
    [
        ({"inference_geo": "us"}, "inference_geo us"),
        ({"inference_geo": "global", "speed": "standard"}, "standard"),
        ({"inference_geo": "not_available"}, "standard"),
        ({"speed": "fast"}, "fast"),
        ({"speed": "fast", "inference_geo": "us"}, "fast, inference_geo us"),
    ],
)
def test_what_makes_a_reply_dearer_is_a_tier_of_its_own(fields: dict[str, str], tier: str) -> None:
    reader = MessageReader()
    usage = {"input_tokens": 1, "service_tier": "standard", **fields}
    reader.event(msgspec.json.encode({"type": "message_start", "message": {"usage": usage}}))
    assert reader.service_tier == tier
    assert Prices().usd(OPUS, Usage(input_tokens=10), on_device=False, sent=Sent(service_tier=tier)) == (
        None if fields.get("speed") == "fast" or fields["inference_geo"] == "us" else pytest.approx(5e-5)
    )


OPUS = AgentConfig(name="a", provider="anthropic", model="claude-opus-4-6")


class Tiered:
    """A dialect whose reply says at which tier it was served, and by which model."""

    url, new_reader = "http://h", Mock
    headers: dict[str, str] = {}  # noqa: RUF012 - a dialect's own

    def __init__(self, tier: str, model: str) -> None:
        self.sent = Sent(model="m")
        self._told = base.Told(text="x", calls=(), finish="stop", usage=None, service_tier=tier, answered_by=model)

    def cap_tokens(self, left_tokens: int) -> int:
        return left_tokens

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        return b"{}", msgspec.structs.replace(self.sent, output_cap_tokens=cap_tokens)

    def take(self, *_: Any) -> base.Told:
        return self._told


async def test_it_is_kept_with_the_request() -> None:
    exchange: Any = Mock(
        cut=None,
        first_token_seconds=None,
        model_seconds=1.0,
        retry_seconds=0.0,
        queue_seconds=0.0,
        attempts=1,
        abandoned=(),
        wire=(),
    )
    transport: Any = Mock(post=AsyncMock(return_value=exchange))
    for tier, model in (("flex", ""), ("", ""), ("", "m-2")):
        dialect: Any = Tiered(tier, model)
        opening: Any = Mock(tools=())
        reply = await base.Talk(opening, transport, dialect).turn((), TurnBudget(seconds=1, output_tokens=7))
        assert reply.request == Sent(model="m", output_cap_tokens=7, service_tier=tier, answered_by=model)
        assert dialect.sent == Sent(model="m")
