"""How replies of Gemini's wire end, what they used, and what goes wrong in its own ways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.transport import Transport
from flatfield.records import AgentConfig, Task, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.gemini import GeminiWire
from flatfield.vendors.base import Address, Opening, Talk
from flatfield.vendors.gemini import conversation as gemini

if TYPE_CHECKING:
    from flatfield.clock import Clock
    from flatfield.http.services import Services
    from flatfield.testing.clocks import FakeClock

BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
EVENTS = {"Content-Type": "text/event-stream"}


def conversation(services: Services, server: FakeServer, clock: Clock) -> Talk:
    agent = AgentConfig(name="a", provider="gemini", model="fake-model", base_url=server.base_url)
    asked = Opening(agent=agent, system_prompt="", prompt="Do it.", task=Task(id="t", title="t", prompt=""), tools=())
    address = Address(base_url=f"{server.base_url}/v1beta", headers={"x-goog-api-key": "planted-key"})
    return Talk(asked, Transport(services.session, clock), gemini.GeminiContents(asked, address))


def event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\r\n\r\n"


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "refused"),
        ("RECITATION", "refused"),
        ("PROHIBITED_CONTENT", "refused"),
        ("BLOCKLIST", "refused"),
        ("SPII", "refused"),
        ("OTHER", "stop"),
    ],
)
async def test_how_a_reply_ended(services: Services, clock: Clock, finish: str, expected: str) -> None:
    async with FakeServer(GeminiWire(), [FakeReply(text="half", finish=finish)]) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).finish == expected


async def test_a_cut_call_is_not_one_to_execute(services: Services, clock: Clock) -> None:
    async with FakeServer(GeminiWire(), [FakeReply(calls=CALLS, finish="MAX_TOKENS")]) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).finish == "length"


async def test_refusals_say_why(services: Services, clock: Clock) -> None:
    blocked = event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7}})
    script: list[FakeReply | Fault] = [
        FakeReply(refusal="not that"),
        Fault(kind="whole", message=blocked, headers=EVENTS),
    ]
    async with FakeServer(GeminiWire(), script) as server:
        replies = [await conversation(services, server, clock).turn((), BUDGET) for _ in script]
    assert [(reply.finish, reply.text) for reply in replies] == [
        ("refused", "not that"),
        ("refused", "the prompt was blocked: PROHIBITED_CONTENT"),
    ]
    assert replies[1].usage == Usage(input_tokens=7)


async def test_an_empty_reply_for_no_reason_is_tried_again_and_our_faults_are_final(
    services: Services, clock: FakeClock
) -> None:
    script = [FakeReply(finish="OTHER"), FakeReply(text="ok"), FakeReply(finish="MISSING_THOUGHT_SIGNATURE")]
    async with FakeServer(GeminiWire(), script) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).attempts == 2
        with pytest.raises(ProviderError, match="MISSING_THOUGHT_SIGNATURE"):
            await conversation(services, server, clock).turn((), BUDGET)


async def test_a_stream_without_a_finish_reason_was_cut(services: Services, clock: FakeClock) -> None:
    half = event({"candidates": [{"content": {"parts": [{"text": "half"}]}}]})
    async with FakeServer(
        GeminiWire(), [Fault(kind="whole", message=half, headers=EVENTS), FakeReply(text="ok")]
    ) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).attempts == 2


async def test_usage_the_last_one_counts_and_none_is_none(services: Services, clock: Clock) -> None:
    last = {"promptTokenCount": 9, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "toolUsePromptTokenCount": 4}
    body = event({"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1}}) + event(
        {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}], "usageMetadata": last}
    )
    script: list[FakeReply | Fault] = [
        Fault(kind="whole", message=body, headers=EVENTS),
        FakeReply(text="ok", usage=None),
    ]
    async with FakeServer(GeminiWire(), script) as server:
        usages = [(await conversation(services, server, clock).turn((), BUDGET)).usage for _ in script]
    assert usages == [Usage(input_tokens=13, output_tokens=7, reasoning_tokens=2), None]


async def test_the_array_that_comes_without_alt_sse_is_understood(services: Services, clock: Clock) -> None:
    body = json.dumps(
        [{"candidates": [{"content": {"parts": [{"text": word}]}}]} for word in ("a", "b")]
        + [{"candidates": [{"finishReason": "STOP"}]}]
    )
    array = Fault(kind="whole", message=body, headers={"Content-Type": "application/json"})
    async with FakeServer(GeminiWire(), [array]) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).text == "ab"


@pytest.mark.parametrize("framed", [False, True])
async def test_errors_inside_the_stream(services: Services, clock: FakeClock, framed: bool) -> None:
    """Plain JSON over several lines, as the API breaks off, or framed; what it asks to wait is waited."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13s"}]
    begun = event({"candidates": [{"content": {"parts": [{"text": "beg"}]}}]})

    def broken(code: int) -> Fault:
        error = {"error": {"code": code, "message": "such is life", "details": details}}
        message = begun + (event(error) if framed else json.dumps(error, indent=2))
        return Fault(kind="whole", message=message, headers=EVENTS)

    async with FakeServer(GeminiWire(), [broken(503), FakeReply(text="ok"), broken(403)]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
        assert (reply.text, reply.attempts, clock.slept) == ("ok", 2, [13.0])
        with pytest.raises(ProviderError, match="such is life") as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert caught.value.status == 403


async def test_the_wait_that_retry_info_asks_for(services: Services, clock: FakeClock) -> None:
    script: list[FakeReply | Fault] = [
        Fault(status=429),
        Fault(status=429, headers={"Retry-After": "7"}),
        FakeReply(text="ok"),
    ]
    async with FakeServer(GeminiWire(retry_delay="13.5s"), script) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert clock.slept == [13.5, 7.0]
    assert reply.retry_seconds >= 20.5


async def test_a_prompt_that_does_not_fit(services: Services, clock: Clock) -> None:
    words = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
    async with FakeServer(GeminiWire(), [Fault(status=400, message=words), Fault(status=400)]) as server:
        with pytest.raises(ContextTooLong, match="1048576"):
            await conversation(services, server, clock).turn((), BUDGET)
        with pytest.raises(ProviderError, match="went wrong") as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert not isinstance(caught.value, ContextTooLong)


async def test_a_reply_of_nothing_is_asked_for_again(services: Services, clock: FakeClock) -> None:
    empty = event({"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}]})
    done = (
        event({"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}) + "data: [DONE]\n\n"
    )
    script: list[FakeReply | Fault] = [Fault(kind="whole", message=each, headers=EVENTS) for each in (empty, done)]
    async with FakeServer(GeminiWire(), script) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert (reply.text, reply.attempts) == ("ok", 2)
