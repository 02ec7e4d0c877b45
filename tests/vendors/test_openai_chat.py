"""The chat wire against a strict server: conversations, faults, limits; what is retried and what is recorded."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from msgspec import structs

from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.http.retrying import RetryPolicy
from flatfield.http.services import Services
from flatfield.http.transport import Transport, open_session
from flatfield.records import AgentConfig, Reply, Task, ToolResult, ToolSpec, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.openai_chat import ChatWire
from flatfield.vendors import openai_chat as openai_chat_vendor
from flatfield.vendors.base import Address, Opening, Talk
from flatfield.vendors.openai_chat.conversation import ChatMessages
from flatfield.vendors.openai_chat.reader import ChatReader
from flatfield.vendors.openai_chat.traits import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from flatfield.clock import Clock
    from flatfield.testing.clocks import FakeClock

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
)
BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)


@pytest.fixture
async def services(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Services]:
    """As everywhere in this room, but on the tests' clock."""
    async with open_session(clock) as session:
        yield Services(session=session, clock=clock, environ={}, cache=tmp_path)


def opening(base_url: str, prompt: str = "Do it.", **settings: Any) -> Opening:
    agent = AgentConfig(name="a", provider="openai-chat", model="fake-model", base_url=base_url, **settings)
    return Opening(
        agent=agent, system_prompt="Be brief.", prompt=prompt, tools=(READ,), task=Task(id="t", title="t", prompt="")
    )


def at(base_url: str) -> Endpoint:
    return Endpoint(address=Address(base_url=base_url))


def conversation(
    services: Services, server: FakeServer, clock: Clock, policy: RetryPolicy | None = None, **settings: Any
) -> Talk:
    asked = opening(server.base_url, **settings)
    return Talk(asked, Transport(services.session, clock, policy), ChatMessages(asked, at(server.base_url)))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
async def test_a_conversation_with_parallel_calls(
    services: Services, clock: Clock, stream: bool, piece_bytes: int | None
) -> None:
    calls = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
    script = [FakeReply(text="Looking…", calls=calls), FakeReply(text="Größe: 3 🙂")]
    async with FakeServer(ChatWire(), script, stream=stream, piece_bytes=piece_bytes) as server:
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
    async with FakeServer(ChatWire(), [FakeReply(text="ok")]) as server:
        await conversation(
            services,
            server,
            clock,
        ).turn((), BUDGET)
        asked = opening(server.base_url, prompt)
        chat = Talk(asked, Transport(services.session, clock), ChatMessages(asked, at(server.base_url)))
        server.requests.clear()
        await chat.turn((), BUDGET)
    assert server.requests[0]["messages"][-1] == {"role": "user", "content": prompt}


async def test_settings_reach_the_wire_and_the_record_and_no_key_does(services: Services, clock: Clock) -> None:
    provider = openai_chat_vendor.create(services)
    services.environ = {"MY_KEY": "planted-key-value"}
    async with FakeServer(ChatWire(), [FakeReply(text="ok")]) as server:
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
    assert reply.request.temperature == 0.3
    assert "planted-key-value" not in msgspec.json.encode(reply.request).decode()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_what_may_pass_is_tried_again(services: Services, clock: Clock, status: int) -> None:
    async with FakeServer(ChatWire(), [Fault(status=status, message="busy"), FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert (reply.text, reply.attempts) == ("ok", 2)
    assert reply.retry_seconds > 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 301])
async def test_what_is_final_is_not(services: Services, clock: Clock, status: int) -> None:
    async with FakeServer(ChatWire(), [Fault(status=status, message="no"), FakeReply(text="ok")]) as server:
        with pytest.raises(ProviderError) as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["cut", "garbage", "error_event"])
async def test_a_broken_stream_is_tried_again(services: Services, clock: Clock, kind: str) -> None:
    async with FakeServer(ChatWire(), [Fault(kind=kind, message="overloaded"), FakeReply(text="whole")]) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert (reply.text, reply.attempts) == ("whole", 2)


async def test_a_final_error_inside_the_stream_is_final(services: Services, clock: Clock) -> None:
    event = 'data: {"error": {"message": "bad request", "code": 400}}\n\n'
    fault = Fault(kind="whole", message=event, headers={"Content-Type": "text/event-stream"})
    async with FakeServer(ChatWire(), [fault]) as server:
        with pytest.raises(ProviderError, match="bad request"):
            await conversation(services, server, clock).turn((), BUDGET)


@pytest.mark.usefixtures("idle_time")
async def test_a_stalled_stream_is_tried_again(services: Services, clock: Clock) -> None:
    policy = RetryPolicy(stall_seconds=5.0)
    async with FakeServer(ChatWire(), [Fault(kind="stall"), FakeReply(text="ok")]) as server:
        reply = await conversation(services, server, clock, policy).turn((), BUDGET)
    assert reply.attempts == 2


@pytest.mark.usefixtures("idle_time")
async def test_time_over_in_mid_stream_keeps_what_came(services: Services, clock: Clock) -> None:
    async with FakeServer(ChatWire(), [Fault(kind="stall")]) as server:
        reply = await conversation(services, server, clock).turn((), TurnBudget(seconds=10.0, output_tokens=10))
    assert (reply.finish, reply.text) == ("time", "beginn")


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(services: Services, clock: FakeClock, form: str) -> None:
    header = "7" if form == "seconds" else format_datetime(clock.utc() + timedelta(seconds=7), usegmt=True)
    async with FakeServer(
        ChatWire(), [Fault(status=429, headers={"Retry-After": header}), FakeReply(text="ok")]
    ) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert clock.slept == pytest.approx([7.0], abs=0.01)
    assert reply.retry_seconds >= 6.9


async def test_waiting_is_never_counted_as_the_models_time(services: Services, clock: FakeClock) -> None:
    async with FakeServer(
        ChatWire(), [Fault(status=429, headers={"Retry-After": "50"}), FakeReply(text="ok")]
    ) as server:
        reply = await conversation(services, server, clock).turn((), BUDGET)
    assert reply.model_seconds < 1
    assert reply.retry_seconds >= 50


async def test_it_gives_up_and_says_so(services: Services, clock: FakeClock) -> None:
    async with FakeServer(ChatWire(), [Fault(status=503, message="down")] * 20) as server:
        with pytest.raises(ProviderError, match=r"503.*gave up after 1\d attempts: 180 s are waited at most") as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert 100 < sum(clock.slept) <= 180
    assert caught.value.left.retry_seconds > 0


async def test_a_server_that_is_gone(services: Services, clock: FakeClock) -> None:
    async with FakeServer(ChatWire(), []) as server:
        pass
    with pytest.raises(ProviderError, match=r"connection to .* failed"):
        await conversation(services, server, clock).turn((), BUDGET)


async def test_a_prompt_that_does_not_fit(services: Services, clock: Clock) -> None:
    fault = Fault(status=400, message="exceed_context_size_error: too long")
    async with FakeServer(ChatWire(), [fault]) as server:
        with pytest.raises(ContextTooLong):
            await conversation(services, server, clock).turn((), BUDGET)


async def test_usage_that_is_missing_is_not_zero(services: Services, clock: Clock) -> None:
    async with FakeServer(ChatWire(), [FakeReply(text="ok", usage=None)]) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).usage is None


async def test_a_refusal_and_a_cut_answer(services: Services, clock: Clock) -> None:
    script = [
        FakeReply(refusal="I cannot help."),
        FakeReply(text="half", finish="length"),
        FakeReply(finish="content_filter"),
    ]
    async with FakeServer(ChatWire(), script) as server:
        finishes = [(await conversation(services, server, clock).turn((), BUDGET)).finish for _ in script]
    assert finishes == ["refused", "length", "refused"]


async def test_bad_arguments_do_not_break_the_conversation(services: Services, clock: Clock) -> None:
    async with FakeServer(
        ChatWire(), [FakeReply(calls=(("read_file", '{"file_path": '),)), FakeReply(text="ok")]
    ) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        assert first.calls[0].arguments == '{"file_path": '
        await chat.turn([ToolResult(call_id=first.calls[0].id, name="read_file", text="no JSON", ok=False)], BUDGET)
    assert server.violations == []
    replayed = server.requests[1]["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(replayed) == {"invalid_arguments": '{"file_path": '}


async def test_ten_megabytes_of_text_end_as_a_cut_reply(services: Services, clock: Clock) -> None:
    event = json.dumps({"choices": [{"delta": {"content": "x" * 1_000_000}}]})
    flood = Fault(kind="whole", message=f"data: {event}\n\n" * 10, headers={"Content-Type": "text/event-stream"})
    async with FakeServer(ChatWire(), [flood]) as server:
        reply = await conversation(services, server, clock).turn((), TurnBudget(seconds=30.0, output_tokens=230_000))
    assert reply.finish == "length"
    assert 7_000_000 <= len(reply.text) <= 8_400_000


def test_llama_cpps_timings_count_a_reply_that_is_cut() -> None:
    timings = {"cache_n": 40, "prompt_n": 8, "prompt_ms": 80.0, "predicted_n": 3, "predicted_ms": 300.0}
    event = {"choices": [{"delta": {"content": "one two three"}}], "timings": timings}
    reader = ChatReader()
    reader.event(json.dumps(event).encode())
    assert reader.counted == (Usage(input_tokens=48, cache_read_tokens=40, output_tokens=3), len("one two three"))
    assert reader.device is not None
    assert (reader.device.read_tokens, reader.device.written_seconds) == (8, 0.3)
    usage = {"prompt_tokens": 50, "completion_tokens": 4, "total_tokens": 54}
    reader.event(json.dumps({"choices": [], "usage": usage}).encode())
    reader.event(json.dumps({"choices": [{"delta": {}}], "timings": timings}).encode())
    assert reader.usage == Usage(input_tokens=50, output_tokens=4)  # what the server says of itself stands


async def test_json_protocol_calls_answers_and_nonsense(services: Services, clock: Clock) -> None:
    script = [
        FakeReply(text='{"tool": "read_file", "arguments": {"file_path": "a"}}'),
        FakeReply(text="I would read the file"),
        FakeReply(text=' {"answer": "42"}\n'),
    ]
    async with FakeServer(ChatWire(), script) as server:
        chat = conversation(services, server, clock, protocol="json")
        first = await chat.turn((), BUDGET)
        assert (first.calls[0].name, json.loads(first.calls[0].arguments)) == ("read_file", {"file_path": "a"})
        second = await chat.turn([ToolResult(call_id=first.calls[0].id, name="read_file", text="content")], BUDGET)
        assert second.calls[0].name == ""
        third = await chat.turn([ToolResult(call_id=second.calls[0].id, name="", text="?", ok=False)], BUDGET)
    assert (third.text, third.calls) == ("42", ())
    assert "tools" not in server.requests[0]
    assert server.requests[0]["response_format"]["type"] == "json_schema"
    assert server.requests[1]["messages"][-1]["role"] == "user"
    assert server.requests[1]["messages"][-1]["content"].startswith("read_file returned:\ncontent\n")


async def test_two_calls_under_one_id_are_answered_separately(services: Services, clock: Clock) -> None:
    functions = [{"name": "read_file", "arguments": json.dumps({"file_path": name})} for name in "ab"]
    calls_sent = [{"index": 0, "id": "same", "function": function} for function in functions]
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"tool_calls": [each]}}]} for each in calls_sent]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    first_reply = Fault(kind="whole", message=stream, headers={"Content-Type": "text/event-stream"})
    async with FakeServer(ChatWire(), [first_reply, FakeReply(text="ok")]) as server:
        chat = conversation(services, server, clock)
        calls = (await chat.turn((), BUDGET)).calls
        await chat.turn([ToolResult(call_id=c.id, name=c.name, text=c.arguments) for c in calls], BUDGET)
    assert server.violations == []
    _, _, assistant, *answers = server.requests[1]["messages"]
    assert [call["id"] for call in assistant["tool_calls"]] == [answer["tool_call_id"] for answer in answers]
    assert len({answer["tool_call_id"] for answer in answers}) == 2
    assert [json.loads(answer["content"])["file_path"] for answer in answers] == ["a", "b"]


async def test_reasoning_goes_back_with_its_calls_as_it_came(services: Services, clock: Clock) -> None:
    call = ("read_file", '{"file_path": "a"}')
    async with FakeServer(
        ChatWire(), [FakeReply(reasoning="First I look.", calls=(call,)), FakeReply(text="ok")]
    ) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        await chat.turn([ToolResult(call_id=first.calls[0].id, name="read_file", text="x")], BUDGET)
    assert first.reasoning == "First I look."
    assert server.requests[1]["messages"][2]["reasoning_content"] == "First I look."


async def test_a_name_that_no_function_can_have_is_not_sent_back(services: Services, clock: Clock) -> None:
    async with FakeServer(ChatWire(), [FakeReply(calls=(("read a file!" * 9, "{}"),)), FakeReply(text="ok")]) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        await chat.turn([ToolResult(call_id=first.calls[0].id, name="x", text="no such tool", ok=False)], BUDGET)
    assert first.calls[0].name == "read a file!" * 9
    name = server.requests[1]["messages"][2]["tool_calls"][0]["function"]["name"]
    assert name.startswith("read_a_file_read")
    assert len(name) == 64


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. Please reduce the length of the messages.",
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 9000 tokens > 8000",
        "Trying to keep the first 5000 tokens when context the overflows; the model is loaded with context length 4096",
        "context_length_exceeded",
    ],
)
@pytest.mark.parametrize("status", [400, 413])
async def test_what_does_not_fit_is_told_in_many_words(
    services: Services, clock: Clock, message: str, status: int
) -> None:
    async with FakeServer(ChatWire(), [Fault(status=status, message=message)]) as server:
        with pytest.raises(ContextTooLong):
            await conversation(services, server, clock).turn((), BUDGET)


async def test_an_output_cap_above_the_context_is_the_configurations_fault(services: Services, clock: Clock) -> None:
    text = (
        "This model's maximum context length is 4096 tokens. However, you requested 16030 tokens "
        "(30 in the messages, 16000 in the completion). Please reduce the length of the messages or completion."
    )
    fault = Fault(status=400, message=text)
    script: list[FakeReply | Fault] = [fault, FakeReply(calls=(("read_file", "{}"),)), fault]
    async with FakeServer(ChatWire(), script) as server:
        with pytest.raises(ProviderError, match="set the agent's max_output_tokens") as caught:
            await conversation(services, server, clock).turn((), BUDGET)
        assert not isinstance(caught.value, ContextTooLong)
        chat = conversation(services, server, clock)
        call = (await chat.turn((), BUDGET)).calls[0]
        with pytest.raises(ContextTooLong):
            await chat.turn([ToolResult(call_id=call.id, name="read_file", text="x")], BUDGET)


@pytest.mark.parametrize(
    ("refused", "hint"),
    [
        ("Unknown parameter: 'stream_options'", "use a newer version"),
        ("Unsupported value: response_format", "json protocol"),
        ("'temperature' does not support 0.3 with this model", "leave it out"),
        ("model does not support tools", 'protocol = "json"'),
        ("bad luck", "bad luck"),
    ],
)
async def test_a_refused_parameter_is_named_and_never_left_out_silently(
    services: Services, clock: Clock, refused: str, hint: str
) -> None:
    async with FakeServer(ChatWire(), [Fault(status=400, message=refused), FakeReply(text="ok")]) as server:
        with pytest.raises(ProviderError) as caught:
            await conversation(services, server, clock).turn((), BUDGET)
    assert refused in str(caught.value)
    assert hint in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://me.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://openrouter.ai/api/v1?for=api.openai.com", "max_tokens"),
        ("http://127.0.0.1:8080/v1", "max_tokens"),
    ],
)
async def test_the_output_cap_is_called_as_the_host_wants_it(services: Services, base_url: str, field: str) -> None:
    assert ChatMessages(opening(base_url), at(base_url))._cap_field == field.encode()


async def test_openais_own_variable_names_the_server(services: Services) -> None:
    async with FakeServer(ChatWire(), [FakeReply(text="ok")]) as server:
        services.environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k-123456"}
        provider = openai_chat_vendor.create(services)
        agent = AgentConfig(name="a", provider="openai-chat", model="fake-model")
        await provider.check(agent)
        asked = structs.replace(opening(""), agent=agent)
        assert (await (await provider.converse(asked)).turn((), BUDGET)).text == "ok"
        assert provider.lane(agent).name == f"openai-chat:{server.base_url.split('/')[2]} fake-model"
        assert not provider.on_device(agent)


async def test_lanes_keep_a_device_for_one_trial(services: Services) -> None:
    provider = openai_chat_vendor.create(services)
    desk = opening("http://127.0.0.1:1/v1", on_device=True).agent
    assert (provider.lane(desk).name, provider.lane(desk).width) == ("device:local", 1)
    assert provider.on_device(desk)
    assert provider.lane(opening("http://127.0.0.1:1/v1").agent).width > 1


# ---------------------------------------------------------------------------- readiness


async def test_check_names_what_is_missing(services: Services) -> None:
    provider = openai_chat_vendor.create(services)
    async with FakeServer(ChatWire(), [], models=["other"]) as server:
        with pytest.raises(NotReady, match=r"does not serve 'fake-model' .*; it serves: other"):
            await provider.check(opening(server.base_url).agent)
    with pytest.raises(NotReady, match="no server answers at"):
        await provider.check(opening(server.base_url).agent)
    with pytest.raises(NotReady, match="set the environment variable NO_SUCH_KEY"):
        await provider.check(opening(server.base_url, api_key_env="NO_SUCH_KEY").agent)
    with pytest.raises(NotReady, match="OPENAI_API_KEY"):
        await provider.check(AgentConfig(name="a", provider="openai-chat", model="m"))


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (401, "no", r"refuses the request \(401\); check the key in MY_KEY"),
        (503, "loading", r"is not ready \(503\)"),
        (302, "", r"redirects \(302\)"),
        (200, "<html>", "no OpenAI-compatible server"),
        (200, "\ufeff\x00", "no OpenAI-compatible server"),
        (404, "", None),
        (405, "", None),
        (200, "[]", None),
        (200, '{"data": null}', None),
        (200, '{"data": [{"id": "fake-model:latest"}]}', None),
        (200, '{"data": [{"id": "models/fake-model"}, {"name": "x"}, 7]}', None),
    ],
)
async def test_check_understands_what_servers_say(
    services: Services, status: int, body: str, problem: str | None
) -> None:
    services.environ = {"MY_KEY": "planted-key-value"}

    async def models(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async with served(models) as url:
        agent = opening(f"{url}/v1", api_key_env="MY_KEY").agent
        if problem is None:
            await openai_chat_vendor.create(services).check(agent)
            return
        with pytest.raises(NotReady, match=problem) as caught:
            await openai_chat_vendor.create(services).check(agent)
    assert "planted" not in str(caught.value)


async def test_check_knows_that_an_address_without_a_path_lacks_it(services: Services) -> None:
    async def models(_: web.Request) -> web.Response:
        return web.Response(status=404)

    async with served(models) as url:
        with pytest.raises(NotReady, match="base_url ends in /v1"):
            await openai_chat_vendor.create(services).check(opening(url).agent)


async def test_check_says_when_no_request_can_be_made(services: Services) -> None:
    services.environ = {"MY_KEY": "planted\nkey"}
    async with FakeServer(ChatWire(), []) as server:
        with pytest.raises(NotReady, match="no request can be made") as caught:
            await openai_chat_vendor.create(services).check(opening(server.base_url, api_key_env="MY_KEY").agent)
    assert "planted" not in str(caught.value)


async def test_check_blames_the_proxy_where_there_is_one(services: Services) -> None:
    services.environ = {"ALL_PROXY": "http://me:planted@127.0.0.1:1"}
    with pytest.raises(NotReady, match="check the proxy") as caught:
        await openai_chat_vendor.create(services).check(opening("http://example.invalid/v1").agent)
    assert "planted" not in str(caught.value)


async def refused(_: web.Request) -> web.Response:
    return web.Response(status=400)


@asynccontextmanager
async def served(models: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", refused)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_cancelling_closes_the_stream(services: Services, clock: Clock) -> None:
    async with FakeServer(ChatWire(), [Fault(kind="stall")]) as server:
        turn = asyncio.create_task(conversation(services, server, clock).turn((), BUDGET))
        while not server.requests:  # noqa: ASYNC110 - the request must be under way
            await asyncio.sleep(0)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn


# ---------------------------------------------------------------------------- whose slip it was


def refusing(error: dict[str, Any]) -> ProviderError:
    return ProviderError(f"http://h/v1/chat/completions answered 400: {json.dumps({'error': error})}", status=400)


def test_a_call_that_the_server_could_not_read_is_told_to_the_model() -> None:
    messages = ChatMessages(opening("http://h/v1"), at("http://h/v1"))
    generated = '<function=read_file{"file_path": "a"}</function>'
    slip = messages.meant(refusing({"code": "tool_use_failed", "failed_generation": generated}))
    assert isinstance(slip, Reply)
    assert (slip.finish, [call.name for call in slip.calls], slip.usage) == ("tool_calls", [""], None)
    messages.answer([ToolResult(call_id=call.id, name=call.name, text="no tool", ok=False) for call in slip.calls])
    last = json.loads(messages.body(7)[0])["messages"][-1]
    assert last["role"] == "user"
    assert "<function=read_file" in last["content"]
    assert "nothing was run" in last["content"]
    messages.answer([ToolResult(call_id="c", name="read_file", text="content")])
    assert json.loads(messages.body(7)[0])["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "c",
        "content": "content",
    }


@pytest.mark.parametrize("code", ["content_filter", "ResponsibleAIPolicyViolation"])
def test_a_prompt_that_a_filter_stops_is_refused(code: str) -> None:
    messages = ChatMessages(opening("http://h/v1"), at("http://h/v1"))
    told = messages.meant(refusing({"message": "The response was filtered", "code": code}))
    assert isinstance(told, Reply)
    assert (told.finish, told.calls) == ("refused", ())


async def test_the_output_cap_is_called_as_the_server_says(services: Services, clock: Clock) -> None:
    said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."

    def play(request: dict[str, Any], _number: int) -> FakeReply | Fault:
        return Fault(status=400, message=said) if "max_tokens" in request else FakeReply(text="ok")

    async with FakeServer(ChatWire(), play) as server:
        talk = conversation(services, server, clock)
        first, second = await talk.turn((), BUDGET), await talk.turn((), BUDGET)
    assert (first.text, first.attempts, len(first.wire), first.request.output_cap_tokens) == ("ok", 2, 2, 1000)
    assert (second.text, second.attempts) == ("ok", 1)
    assert ["max_completion_tokens" in request for request in server.requests] == [False, True, True]


@pytest.mark.parametrize(
    ("status", "message", "fix"),
    [
        (404, "No endpoints found that support tool use.", 'protocol = "json"'),
        (400, "System role not supported", "system_prompt"),
    ],
)
async def test_what_a_server_cannot_do_is_said_with_a_way_out(
    services: Services, clock: Clock, status: int, message: str, fix: str
) -> None:
    async with FakeServer(ChatWire(), [Fault(status=status, message=message)]) as server:
        with pytest.raises(ProviderError, match=fix):
            await conversation(services, server, clock).turn((), BUDGET)


async def test_zeros_are_no_count(services: Services, clock: Clock) -> None:
    async with FakeServer(ChatWire(), [FakeReply(text="ok", usage=Usage())]) as server:
        assert (await conversation(services, server, clock).turn((), BUDGET)).usage is None
