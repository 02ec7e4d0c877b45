"""The Messages API: what goes out, what comes back unchanged, and how every reply and error is understood."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.json_text import halves_marked
from flatfield.records import AgentConfig, Reply, Task, ToolResult, ToolSpec, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, Step
from flatfield.testing.wires.anthropic import AnthropicWire
from flatfield.vendors.anthropic import create
from flatfield.vendors.anthropic.reader import MessageReader
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from flatfield.http.services import Services
    from flatfield.testing.clocks import FakeClock
    from flatfield.vendors.base import Conversation

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
)
WRITE = ToolSpec(name="write_file", description="Write.", parameters={"type": "object", "properties": {}})
BUDGET = TurnBudget(seconds=30.0, output_tokens=16_000)
CALL = (("read_file", '{"file_path": "a"}'),)


@cache
def _parameters() -> Any:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming
    from pydantic import TypeAdapter

    return TypeAdapter(MessageCreateParamsStreaming)


def read_through(value: Any) -> Any:
    """Validators of sequences are lazy: they check what is taken from them."""
    if isinstance(value, dict):
        return {name: read_through(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [read_through(item) for item in value]


@asynccontextmanager
async def fake(script: Sequence[Step], **settings: Any) -> AsyncIterator[FakeServer]:
    """A server: all that it is sent must be valid for the vendor's SDK (temperature aside, which it gave up)."""
    async with FakeServer(AnthropicWire(), script, **settings) as server:
        yield server
    for request in server.requests:
        sent = {name: value for name, value in request.items() if name != "temperature"}
        assert read_through(_parameters().validate_python(sent)) == sent
    assert server.violations == []


async def chat(services: Services, server: FakeServer, *, prompt: str = "Do it.", **settings: Any) -> Conversation:
    tools = settings.pop("tools", (READ, WRITE))
    agent = AgentConfig(
        **{"name": "a", "provider": "anthropic", "model": "fake-model", "base_url": server.base_url} | settings
    )
    task = Task(id="t", title="t", prompt="")
    opening = Opening(agent=agent, system_prompt="Be brief.", prompt=prompt, tools=tools, task=task)
    return await create(services).converse(opening)


def results(reply: Reply, text: str = "text", *, ok: bool = True) -> list[ToolResult]:
    return [ToolResult(call_id=call.id, name=call.name, text=text, ok=ok) for call in reply.calls]


def unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: unmarked(item) for name, item in value.items() if name != "cache_control"}
    return [unmarked(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "way", [{}, {"piece_bytes": 1}, {"piece_bytes": 7}, {"stream": False}, {"stream": False, "compress": True}]
)
async def test_a_conversation_with_parallel_calls_and_thinking(services: Services, way: dict[str, Any]) -> None:
    calls = (("read_file", '{"file_path": "é🙂.txt", "n": 1.0}'), ("write_file", "{}"))
    script = [
        FakeReply(text="Looking…", reasoning="Größe? 🙂", calls=calls),
        FakeReply(reasoning="Now b.", calls=CALL),
        FakeReply(text="Größe: 3 🙂"),
    ]
    async with fake(script, **way) as server:
        talk = await chat(services, server)
        first = await talk.turn((), BUDGET)
        assert [(call.name, json.loads(call.arguments)) for call in first.calls] == [
            ("read_file", {"file_path": "é🙂.txt", "n": 1.0}),
            ("write_file", {}),
        ]
        assert (first.text, first.finish, first.reasoning) == ("Looking…", "tool_calls", "Größe? 🙂")
        second = await talk.turn(results(first), BUDGET)
        third = await talk.turn(results(second, "", ok=False), BUDGET)
    assert (third.text, third.calls, third.finish) == ("Größe: 3 🙂", (), "stop")
    assert third.usage == Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10, reasoning_tokens=4)
    last = unmarked(server.requests[2]["messages"])
    assert [message["role"] for message in last] == ["user", "assistant"] * 2 + ["user"]
    assert [block["type"] for block in last[1]["content"]] == [
        *("thinking", "redacted_thinking", "text", "tool_use", "tool_use"),
    ]
    assert last[2]["content"] == [
        {"type": "tool_result", "tool_use_id": call.id, "content": "text"} for call in first.calls
    ]
    assert last[4]["content"] == [{"type": "tool_result", "tool_use_id": second.calls[0].id, "is_error": True}]


async def test_the_cache_grows_with_the_history_which_is_only_appended_to(services: Services) -> None:
    script = [*(FakeReply(calls=CALL) for _ in range(3)), FakeReply(text="done")]
    async with fake(script) as server:
        talk = await chat(services, server)
        reply = await talk.turn((), BUDGET)
        while reply.calls:
            reply = await talk.turn(results(reply), BUDGET)
    for number, request in enumerate(server.requests):
        marked = [index for index, message in enumerate(request["messages"]) if message != unmarked(message)]
        assert marked == [index for index in (2 * number - 2, 2 * number) if index >= 0]
        assert all("cache_control" in request["messages"][index]["content"][-1] for index in marked)
        assert "cache_control" in request["tools"][-1]
        assert "cache_control" not in request["tools"][0]
        assert "cache_control" in request["system"][0]
    histories = [unmarked(request["messages"]) for request in server.requests]
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(histories))


async def test_what_the_cache_read_and_wrote_is_part_of_the_input(services: Services) -> None:
    usage = Usage(
        input_tokens=2000, cache_read_tokens=1200, cache_write_tokens=700, cache_write_1h_tokens=300, output_tokens=9
    )
    async with fake([FakeReply(text="ok", usage=usage), FakeReply(text="ok", usage=None)]) as server:
        assert (await (await chat(services, server)).turn((), BUDGET)).usage == usage
        assert (await (await chat(services, server)).turn((), BUDGET)).usage is None


@pytest.mark.parametrize(
    "prompt",
    ["a\r\nb\tc", "\"quotes\" 'and' `ticks`", "$HOME {x} {{y}} %s \\n", "🙂é\u2028\x7f", " lead/trail \n", "}]}"],
)
async def test_the_prompt_arrives_byte_for_byte(services: Services, prompt: str) -> None:
    async with fake([FakeReply(text="ok")]) as server:
        await (await chat(services, server, prompt=prompt)).turn((), BUDGET)
    assert server.requests[0]["messages"][0]["content"][0]["text"] == prompt


@pytest.mark.parametrize(
    ("reply", "finish", "text"),
    [
        (FakeReply(text="half", finish="max_tokens"), "length", "half"),
        (FakeReply(calls=(("read_file", '{"file_p'),), finish="max_tokens"), "length", ""),
        (FakeReply(text="half", finish="model_context_window_exceeded"), "context", "half"),
        (FakeReply(refusal="This could enable harm."), "refused", "This could enable harm."),
        (FakeReply(text="Well,", refusal="No."), "refused", "Well,"),
        (FakeReply(text="done", finish="stop_sequence"), "stop", "done"),
        (FakeReply(), "stop", ""),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_why_a_reply_ended(services: Services, reply: FakeReply, finish: str, text: str, stream: bool) -> None:
    async with fake([reply], stream=stream) as server:
        told = await (await chat(services, server)).turn((), BUDGET)
    assert (told.finish, told.text) == (finish, text)


async def test_a_paused_turn_is_continued_as_one(services: Services) -> None:
    script = [
        FakeReply(text="Searching… ", reasoning="Hm.", finish="pause_turn"),
        FakeReply(text="found. ", finish="pause_turn"),
        FakeReply(text="Reading.", calls=CALL),
        FakeReply(text="ok"),
    ]
    async with fake(script) as server:
        talk = await chat(services, server)
        reply = await talk.turn((), BUDGET)
        await talk.turn(results(reply), BUDGET)
    assert (reply.text, reply.reasoning, reply.finish) == ("Searching… found. Reading.", "Hm.", "tool_calls")
    assert (reply.attempts, len(reply.calls)) == (3, 1)
    assert reply.usage == Usage(input_tokens=300, cache_read_tokens=120, output_tokens=30, reasoning_tokens=12)
    assert [request["max_tokens"] for request in server.requests] == [16_000, 15_990, 15_980, 16_000]
    assert [len(request["messages"]) for request in server.requests] == [1, 2, 2, 3]


async def test_a_turn_that_is_paused_for_ever_ends(services: Services) -> None:
    async with fake([FakeReply(text="…", finish="pause_turn", usage=None)] * 20) as server:
        with pytest.raises(ProviderError, match="paused one turn more than 10 times"):
            await (await chat(services, server)).turn((), BUDGET)


@pytest.mark.parametrize("stream", [True, False])
async def test_bad_arguments_do_not_break_the_conversation(services: Services, stream: bool) -> None:
    bad = (("read_file", '{"file_path": '), ("read_file", "[1]"), ("read_file", ""))
    async with fake([FakeReply(calls=bad), FakeReply(text="ok")], stream=stream) as server:
        talk = await chat(services, server)
        first = await talk.turn((), BUDGET)
        await talk.turn(results(first, "no JSON", ok=False), BUDGET)
    inputs = [block["input"] for block in server.requests[1]["messages"][1]["content"]]
    if stream:
        assert [call.arguments for call in first.calls] == ['{"file_path": ', "[1]", "{}"]
        assert inputs == [{"invalid_arguments": '{"file_path": '}, {"invalid_arguments": "[1]"}, {}]
    else:
        assert inputs == [{}, {}, {}]


async def test_empty_text_is_not_returned_and_the_rest_is_verbatim(services: Services) -> None:
    body = {
        "type": "message",
        "content": [
            {"type": "text", "text": ""},
            {
                "type": "tool_use",
                "id": "toolu_x",
                "name": "read_file",
                "input": {"b": 1e2, "a": 12345678901234567890123},
            },
        ],
        "stop_reason": "tool_use",
    }
    body["content"][1] |= {"caller": {"type": "direct"}}  # type: ignore[index, operator]
    raw = json.dumps(body).replace("100.0", "1e2")
    bodies: list[bytes] = []
    async with fake([Fault(kind="whole", message=raw), Fault(status=400)]) as server:
        talk = await chat(services, server)
        first = await talk.turn((), BUDGET)
        bodies.append(talk._talk._dialect._messages[1])  # type: ignore[attr-defined]
    assert first.calls[0].arguments == '{"b": 1e2, "a": 12345678901234567890123}'
    content = raw[raw.index('{"type": "tool_use"') : raw.index('], "stop')]
    assert bodies[0].replace(b" ", b"") == b'{"role":"assistant","content":[%s]}' % content.replace(" ", "").encode()


@pytest.mark.parametrize(
    ("kind", "again"),
    [("overloaded_error", True), ("api_error", True), ("rate_limit_error", True), ("invalid_request_error", False)],
)
async def test_errors_in_mid_stream(services: Services, clock: FakeClock, kind: str, again: bool) -> None:
    event = json.dumps({"type": "error", "error": {"type": kind, "message": "so it is"}})
    headers = {"Content-Type": "text/event-stream"}
    fault = Fault(kind="whole", message=f"event: error\ndata: {event}\n\n", headers=headers)
    services.clock = clock
    async with fake([fault, FakeReply(text="ok")]) as server:
        talk = await chat(services, server)
        if again:
            assert (await talk.turn((), BUDGET)).attempts == 2
        else:
            with pytest.raises(ProviderError, match="invalid_request_error: so it is"):
                await talk.turn((), BUDGET)


async def test_the_vendors_error_event_is_tried_again(services: Services, clock: FakeClock) -> None:
    services.clock = clock
    async with fake([Fault(kind="error_event"), Fault(status=529), FakeReply(text="ok")]) as server:
        reply = await (await chat(services, server)).turn((), BUDGET)
    assert (reply.text, reply.attempts, len(clock.slept)) == ("ok", 3, 2)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("prompt is too long: 208310 tokens > 200000 maximum", ContextTooLong),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", ContextTooLong),
        ("messages.1: roles must alternate", ProviderError),
    ],
)
async def test_a_prompt_that_does_not_fit(services: Services, message: str, kind: type[ProviderError]) -> None:
    async with fake([Fault(status=400, message=message)]) as server:
        with pytest.raises(ProviderError) as caught:
            await (await chat(services, server)).turn((), BUDGET)
    assert type(caught.value) is kind


async def test_the_json_protocol_where_the_model_can_be_held_to_it(services: Services) -> None:
    script = [
        FakeReply(text='{"tool": "read_file", "arguments": {"file_path": "a"}}'),
        FakeReply(text="I would read the file"),
        FakeReply(),
        FakeReply(text=' {"answer": "42"}\n'),
    ]
    async with fake(script) as server:
        talk = await chat(services, server, protocol="json", model="claude-opus-5-5")
        replies = [await talk.turn((), BUDGET)]
        for _ in script[1:]:
            replies.append(await talk.turn(results(replies[-1]), BUDGET))
    assert [[call.name for call in reply.calls] for reply in replies] == [["read_file"], [""], [""], []]
    assert replies[-1].text == "42"
    assert (replies[0].request.protocol, replies[0].request.parameters["response_schema"]) == ("json", "json_schema")
    assert all("tools" not in request for request in server.requests)
    assert server.requests[0]["output_config"]["format"]["type"] == "json_schema"
    assert "read_file(file_path: string)" in server.requests[0]["system"][0]["text"]
    # The empty reply cannot be sent back: what we say after it belongs to what we said before.
    assert [len(request["messages"]) for request in server.requests] == [1, 3, 5, 5]


def test_a_name_that_the_api_would_refuse_goes_back_mended() -> None:
    reader = MessageReader()
    block = {"type": "tool_use", "id": "toolu_1", "name": "functions.read file!", "input": {}}
    reader.event(json.dumps({"type": "content_block_start", "index": 0, "content_block": block}).encode())
    assert [call.name for call in reader.calls()] == ["functions.read file!"], "which is what the model is told of"
    assert reader.content()[0]["name"] == "functions_read_file_"


def test_calls_under_one_id_are_told_apart_and_halves_of_a_character_become_one() -> None:
    reader = MessageReader()
    for index in (0, 1):
        block = {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {}}
        reader.event(json.dumps({"type": "content_block_start", "index": index, "content_block": block}).encode())
    ids = [call.id for call in reader.calls()]
    assert ids[0] == "toolu_1"
    assert len(set(ids)) == 2
    assert [block["id"] for block in reader.content()] == ids
    told = MessageReader()
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    told.event(json.dumps(start).encode())
    for half in (rb"a \ud83d", rb"\ude42 b \udc00"):
        data = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}' % half
        told.event(halves_marked(data))
    assert told.text == "a 🙂 b \ufffd"
    assert told.content()[0]["text"] == "a 🙂 b \ufffd"
