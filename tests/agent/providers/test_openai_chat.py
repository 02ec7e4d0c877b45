"""The chat wire against a strict server: conversations, faults, limits; what is retried and what is recorded."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.protocols import Opening
from flatfield.agent.providers import openai_chat
from flatfield.agent.providers.openai_chat import ChatConversation, Endpoint
from flatfield.agent.transport import RetryPolicy, Transport
from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, TurnBudget
from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

if TYPE_CHECKING:
    from flatfield.agent.clock import Clock
    from flatfield.agent.protocols import Services
    from flatfield.testing.clock import FakeClock

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
)
BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)


def opening(base_url: str, prompt: str = "Do it.", **settings: Any) -> Opening:
    agent = AgentConfig(name="a", provider="openai-chat", model="fake-model", base_url=base_url, **settings)
    return Opening(
        agent=agent, system_prompt="Be brief.", prompt=prompt, tools=(READ,), task=Task(id="t", title="t", prompt="")
    )


def conversation(
    services: Services, server: FakeChat, clock: Clock, policy: RetryPolicy | None = None, **settings: Any
) -> ChatConversation:
    transport = Transport(services.session, clock, policy)
    return ChatConversation(opening(server.base_url, **settings), transport, Endpoint(base_url=server.base_url))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
async def test_a_conversation_with_parallel_calls(
    services: Services, clock: Clock, stream: bool, piece_bytes: int | None
) -> None:
    calls = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
    script = [FakeReply(text="Looking…", calls=calls), FakeReply(text="Größe: 3 🙂")]
    async with FakeChat(script, stream=stream, piece_bytes=piece_bytes) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        assert [(call.name, call.arguments) for call in first.calls] == list(calls)
        assert first.finish == "tool_calls"
        results = [ToolResult(call_id=call.id, name=call.name, text=f"text {i}") for i, call in enumerate(first.calls)]
        second = await chat.turn(results, BUDGET)
    assert (second.text, second.calls, second.finish) == ("Größe: 3 🙂", (), "stop")
    assert second.usage is not None
    assert (second.usage.input_tokens, second.usage.cache_read_tokens) == (100, 40)
    assert (second.usage.output_tokens, second.usage.reasoning_tokens) == (10, 4)
    assert server.violations == []
    roles = [message["role"] for message in server.requests[1]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool"]
    assert server.requests[1]["messages"][2]["content"] == "Looking…"
    assert (second.first_token_seconds is not None) == stream


@pytest.mark.parametrize(
    "prompt", ["a\r\nb\tc", "\"quotes\" 'and' `ticks`", "$HOME {x} {{y}} %s \\n", "🙂é\u2028\x7f", " lead/trail \n"]
)
async def test_the_prompt_arrives_byte_for_byte(services: Services, clock: Clock, prompt: str) -> None:
    async with FakeChat([FakeReply(text="ok")]) as server:
        await conversation(
            services,
            server,
            clock,
        ).turn((), BUDGET)
        chat = ChatConversation(
            opening(server.base_url, prompt), Transport(services.session, clock), Endpoint(base_url=server.base_url)
        )
        server.requests.clear()
        await chat.turn((), BUDGET)
    assert server.requests[0]["messages"][-1] == {"role": "user", "content": prompt}


async def test_settings_reach_the_wire_and_the_record_and_no_key_does(services: Services, clock: Clock) -> None:
    provider = openai_chat.OpenAIChatProvider(services)
    services.environ = {"MY_KEY": "planted-key-value"}
    async with FakeChat([FakeReply(text="ok")]) as server:
        asked = opening(
            server.base_url,
            temperature=0.3,
            max_output_tokens=77,
            reasoning_effort="low",
            api_key_env="MY_KEY",
            headers={"X-Team": "t"},
        )
        reply = await (await provider.converse(asked)).turn((), BUDGET)
    sent = server.requests[0]
    assert (sent["temperature"], sent["max_tokens"], sent["reasoning_effort"]) == (0.3, 77, "low")
    assert server.headers[0]["Authorization"] == "Bearer planted-key-value"
    assert server.headers[0]["X-Team"] == "t"
    assert reply.request["temperature"] == 0.3
    assert "planted-key-value" not in json.dumps(reply.request)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_what_may_pass_is_tried_again(services: Services, clock: Clock, status: int) -> None:
    async with FakeChat([Fault(status=status, body="busy"), FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert (reply.text, reply.attempts) == ("ok", 2)
    assert reply.retry_seconds > 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 301])
async def test_what_is_final_is_not(services: Services, clock: Clock, status: int) -> None:
    async with FakeChat([Fault(status=status, body="no"), FakeReply(text="ok")]) as server:
        with pytest.raises(ProviderError) as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["cut", "garbage", "error_event"])
async def test_a_broken_stream_is_tried_again(services: Services, clock: Clock, kind: str) -> None:
    body = '{"error": {"message": "overloaded", "type": "server_error"}}'
    async with FakeChat([Fault(kind=kind, body=body), FakeReply(text="whole")]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert (reply.text, reply.attempts) == ("whole", 2)


async def test_a_final_error_inside_the_stream_is_final(services: Services, clock: Clock) -> None:
    body = '{"error": {"message": "bad request", "code": 400}}'
    async with FakeChat([Fault(kind="error_event", body=body)]) as server:
        with pytest.raises(ProviderError, match="bad request"):
            await conversation(services, server, clock).turn((), BUDGET)


async def test_a_stalled_stream_is_tried_again(services: Services, clock: Clock) -> None:
    policy = RetryPolicy(stall_seconds=0.05)
    async with FakeChat([Fault(kind="stall"), FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock, policy).turn((), BUDGET)
    assert reply.attempts == 2


async def test_time_over_in_mid_stream_keeps_what_came(services: Services, clock: Clock) -> None:
    async with FakeChat([Fault(kind="stall")]) as server:
        reply = await conversation(services, server, clock).turn((), TurnBudget(seconds=0.1, output_tokens=10))
    assert (reply.finish, reply.text) == ("time", "beginn")


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(services: Services, clock: FakeClock, form: str) -> None:
    header = "7" if form == "seconds" else format_datetime(clock.utc() + timedelta(seconds=7), usegmt=True)
    async with FakeChat([Fault(status=429, headers={"Retry-After": header}), FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert clock.slept == pytest.approx([7.0], abs=0.01)
    assert reply.retry_seconds >= 6.9


async def test_waiting_is_never_counted_as_the_models_time(services: Services, clock: FakeClock) -> None:
    async with FakeChat([Fault(status=429, headers={"Retry-After": "50"}), FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert reply.model_seconds < 1
    assert reply.retry_seconds >= 50


async def test_it_gives_up_and_says_so(services: Services, clock: FakeClock) -> None:
    async with FakeChat([Fault(status=503, body="down")] * 6) as server:
        with pytest.raises(ProviderError, match=r"503.*gave up after 6 attempts") as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert len(clock.slept) == 5
    assert caught.value.retry_seconds > 0


async def test_a_server_that_is_gone(services: Services, clock: FakeClock) -> None:
    async with FakeChat([]) as server:
        pass
    with pytest.raises(ProviderError, match=r"connection to .* failed"):
        await conversation(services, server, clock).turn((), BUDGET)


async def test_a_prompt_that_does_not_fit(services: Services, clock: Clock) -> None:
    body = json.dumps({"error": {"code": 400, "type": "exceed_context_size_error", "message": "too long"}})
    async with FakeChat([Fault(status=400, body=body)]) as server:
        with pytest.raises(ContextTooLong):
            await conversation(services, server, clock).turn((), BUDGET)


async def test_usage_that_is_missing_is_not_zero(services: Services, clock: Clock) -> None:
    async with FakeChat([FakeReply(text="ok", usage=None)]) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).usage is None


async def test_a_refusal_and_a_cut_answer(services: Services, clock: Clock) -> None:
    script = [
        FakeReply(refusal="I cannot help."),
        FakeReply(text="half", finish="length"),
        FakeReply(finish="content_filter"),
    ]
    async with FakeChat(script) as server:
        finishes = [(await conversation(services, server, clock).turn((), BUDGET)).finish for _ in script]
    assert finishes == ["refused", "length", "refused"]


async def test_bad_arguments_do_not_break_the_conversation(services: Services, clock: Clock) -> None:
    async with FakeChat([FakeReply(calls=(("read_file", '{"file_path": '),)), FakeReply(text="ok")]) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        assert first.calls[0].arguments == '{"file_path": '
        await chat.turn([ToolResult(call_id=first.calls[0].id, name="read_file", text="no JSON", ok=False)], BUDGET)
    assert server.violations == []
    replayed = server.requests[1]["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(replayed) == {"invalid_arguments": '{"file_path": '}


async def test_ten_megabytes_of_text_end_as_a_cut_reply(services: Services, clock: Clock) -> None:
    event = json.dumps({"choices": [{"delta": {"content": "x" * 1_000_000}}]})
    flood = Fault(kind="whole", body=f"data: {event}\n\n" * 10, headers={"Content-Type": "text/event-stream"})
    async with FakeChat([flood]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert reply.finish == "length"
    assert 7_000_000 <= len(reply.text) <= 8_400_000


async def test_json_protocol_calls_answers_and_nonsense(services: Services, clock: Clock) -> None:
    script = [
        FakeReply(text='{"tool": "read_file", "arguments": {"file_path": "a"}}'),
        FakeReply(text="I would read the file"),
        FakeReply(text=' {"answer": "42"}\n'),
    ]
    async with FakeChat(script) as server:
        chat = conversation(services, server, clock, protocol="json")
        first = await chat.turn((), BUDGET)
        assert (first.calls[0].name, json.loads(first.calls[0].arguments)) == ("read_file", {"file_path": "a"})
        second = await chat.turn([ToolResult(call_id=first.calls[0].id, name="read_file", text="content")], BUDGET)
        assert second.calls[0].name == ""
        third = await chat.turn([ToolResult(call_id=second.calls[0].id, name="", text="?", ok=False)], BUDGET)
    assert (third.text, third.calls) == ("42", ())
    assert "tools" not in server.requests[0]
    assert server.requests[0]["response_format"]["type"] == "json_schema"
    assert server.requests[1]["messages"][-1] == {"role": "user", "content": "read_file returned:\ncontent"}


async def test_check_names_what_is_missing(services: Services) -> None:
    provider = openai_chat.create(services)
    async with FakeChat([], models=["other"]) as server:
        with pytest.raises(NotReady, match="does not serve 'fake-model'; it serves: other"):
            await provider.check(opening(server.base_url).agent)
    with pytest.raises(NotReady, match="no server answers at"):
        await provider.check(opening(server.base_url).agent)
    with pytest.raises(NotReady, match="set the environment variable NO_SUCH_KEY"):
        await provider.check(opening(server.base_url, api_key_env="NO_SUCH_KEY").agent)
    with pytest.raises(NotReady, match="OPENAI_API_KEY"):
        await provider.check(AgentConfig(name="a", provider="openai-chat", model="m"))


async def test_cancelling_closes_the_stream(services: Services, clock: Clock) -> None:
    async with FakeChat([Fault(kind="stall")]) as server:
        turn = asyncio.create_task(conversation(services, server, clock).turn((), BUDGET))
        while not server.requests:  # noqa: ASYNC110 - the request must be under way
            await asyncio.sleep(0)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
