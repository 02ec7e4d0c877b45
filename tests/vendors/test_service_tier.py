"""The service tier that an API says it served a reply at: read from each vendor's wire, and kept with the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock

import msgspec
import pytest

from flatfield.records import AgentConfig, Price, Reply, Sent, TurnBudget, Usage
from flatfield.scoring.prices.pricing import Prices
from flatfield.vendors import base
from flatfield.vendors.anthropic.reader import MessageReader
from flatfield.vendors.gemini.reader import GeminiReader
from flatfield.vendors.openai.reader import ResponsesReader
from flatfield.vendors.openai_chat.reader import ChatReader

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
    return reader.told(1).request.service_tier


def chat(tier: Any) -> str:
    reader = ChatReader()
    choice = {"delta": {"content": "x"}, "finish_reason": "stop"}
    reader.event(msgspec.json.encode({"choices": [choice], "service_tier": tier}))
    return reader.service_tier


@pytest.mark.parametrize("read", [openai, anthropic, gemini, chat])
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


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"service_tier": "priority"}, "priority"),
        ({"inference_geo": "us", "service_tier": "standard"}, "inference_geo us"),
        ({"speed": "fast"}, "fast"),
        ({"inference_geo": "not_available"}, "flex"),
    ],
)
def test_doors_tell_it_in_their_usage(usage: dict[str, str], tier: str) -> None:
    reader = ChatReader()
    choice = {"delta": {"content": "x"}, "finish_reason": "stop"}
    reader.event(msgspec.json.encode({"choices": [choice], "service_tier": "flex"}))
    told = {"prompt_tokens": 1, "completion_tokens": 1, **usage}
    reader.event(msgspec.json.encode({"choices": [], "usage": told}))
    assert reader.service_tier == tier


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"trafficType": "ON_DEMAND"}, "on_demand"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}, "unspecified"),
        ({"serviceTier": "SERVICE_TIER_STANDARD"}, "standard"),
    ],
)
def test_googles_types_of_traffic_are_tiers(usage: dict[str, str], tier: str) -> None:
    reader = GeminiReader()
    candidate = {"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}
    counted = {"promptTokenCount": 1, "candidatesTokenCount": 2, **usage}
    reader.event(msgspec.json.encode({"candidates": [candidate], "usageMetadata": counted}))
    assert reader.told(1).request.service_tier == tier


@pytest.mark.parametrize("tier", ["priority", "flex", "fast", "inference_geo us"])
def test_a_price_of_ones_own_is_that_of_no_dearer_tier(tier: str) -> None:
    own = Prices({"claude-opus-4-6": Price(input_mtok=1.0, output_mtok=1.0, source="f.toml:1")})
    usage = Usage(input_tokens=1000)
    assert own.usd(OPUS, usage, on_device=False, sent=Sent(service_tier=tier)) is None
    assert own.described(OPUS, Sent(service_tier=tier)) == ""
    assert own.usd(OPUS, usage, on_device=False, sent=Sent(service_tier="some name")) == pytest.approx(0.001)


OPUS = AgentConfig(name="a", provider="anthropic", model="claude-opus-4-6")


class Tiered:
    """A dialect whose reply says at which tier it was served, and by which model."""

    url, new_reader = "http://h", Mock
    headers: dict[str, str] = {}  # noqa: RUF012 - a dialect's own

    def __init__(self, tier: str, model: str) -> None:
        self.sent = Sent(model="m")
        self._told = Reply(text="x", request=Sent(service_tier=tier, answered_by=model))

    def cap_tokens(self, left_tokens: int) -> int:
        return left_tokens

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        return b"{}", msgspec.structs.replace(self.sent, output_cap_tokens=cap_tokens)

    def take(self, *_: Any) -> Reply:
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
        opening: Any = Mock(tools=(), earlier=(), later=())
        reply = await base.Talk(opening, transport, dialect).turn((), TurnBudget(seconds=1, output_tokens=7))
        assert reply.request == Sent(model="m", output_cap_tokens=7, service_tier=tier, answered_by=model)
        assert dialect.sent == Sent(model="m")
