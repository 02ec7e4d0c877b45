"""The fake chat server: OpenAI's own SDK talks with it, what we send it is the SDK's too, and it is strict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.clock import SystemClock
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, TurnBudget
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, Step
from flatfield.testing.wires.openai_chat import ChatWire
from flatfield.vendors import openai_chat
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from pathlib import Path

TOOL: dict[str, Any] = {
    "name": "read_file",
    "description": "Read a file.",
    "parameters": {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
}
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path":"b"}'))
TALK = [FakeReply(text="Looking…", reasoning="Größe? 🙂", calls=CALLS), FakeReply(text="Größe: 3 🙂")]
HEADERS = {"Content-Type": "application/json"}


@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
@pytest.mark.whole
@pytest.mark.some(1)
async def test_the_vendors_sdk_holds_a_streamed_tool_conversation(piece_bytes: int | None) -> None:
    from openai import AsyncOpenAI

    history: list[Any] = [{"role": "user", "content": "Do it."}]
    async with (
        FakeServer(ChatWire(), TALK, piece_bytes=piece_bytes) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        for _ in TALK:
            async with client.chat.completions.stream(
                model="fake-model",
                messages=history,
                tools=[{"type": "function", "function": TOOL}],
                stream_options={"include_usage": True},
            ) as stream:
                completion = await stream.get_final_completion()
            message = completion.choices[0].message
            calls = message.tool_calls or []
            sent = [
                {"id": call.id, "type": "function", "function": call.function.model_dump(include={"name", "arguments"})}
                for call in calls
            ]
            history.append({"role": "assistant", "content": message.content, **({"tool_calls": sent} if sent else {})})
            history += [{"role": "tool", "tool_call_id": call.id, "content": "text"} for call in calls]
        listed = [model.id async for model in client.models.list()]
    assert server.violations == []
    assert [call["function"]["arguments"] for call in history[1]["tool_calls"]] == [text for _, text in CALLS]
    assert (history[1]["content"], history[-1]["content"]) == ("Looking…", "Größe: 3 🙂")
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert (completion.usage.prompt_tokens, completion.usage.prompt_tokens_details.cached_tokens) == (100, 40)
    assert listed == ["fake-model"]


async def test_the_vendors_sdk_understands_whole_replies_and_errors() -> None:
    from openai import APIError, AsyncOpenAI, BadRequestError, RateLimitError

    asked: Any = {"model": "fake-model", "messages": [{"role": "user", "content": "x"}]}
    script: list[Step] = [
        TALK[0],
        FakeReply(refusal="I cannot."),
        Fault(status=429),
        Fault(kind="error_event", message="broken"),
    ]
    async with (
        FakeServer(ChatWire(), script) as server,
        AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        whole = await client.chat.completions.create(**asked)
        refused = await client.chat.completions.create(**asked)
        with pytest.raises(RateLimitError, match="it went wrong"):
            await client.chat.completions.create(**asked)
        with pytest.raises(APIError, match="broken"):
            async for _ in await client.chat.completions.create(**asked, stream=True):
                pass
        with pytest.raises(BadRequestError, match="Unknown parameter: 'max_token'"):
            await client.chat.completions.create(**asked, extra_body={"max_token": 5})
    assert whole.choices[0].finish_reason == "tool_calls"
    assert refused.choices[0].message.refusal == "I cannot."


def read_through(value: Any) -> Any:
    """Validators of sequences are lazy: they check what is taken from them."""
    if isinstance(value, dict):
        return {name: read_through(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [read_through(item) for item in value]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.3, "max_output_tokens": 77, "reasoning_effort": "low"},
        {"protocol": "json"},
        {"response_schema": {"type": "object", "properties": {}}},
    ],
    ids=str,
)
async def test_every_request_of_ours_is_one_that_the_sdk_would_send(tmp_path: Path, settings: dict[str, Any]) -> None:
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
    from pydantic import TypeAdapter

    schema = settings.pop("response_schema", None)
    script = TALK if "protocol" not in settings else [FakeReply(text='{"answer": "x"}')]
    clock = SystemClock()
    async with open_session(clock) as session, FakeServer(ChatWire(), script) as server:
        agent = AgentConfig(name="a", provider="openai-chat", model="m", base_url=server.base_url, **settings)
        task = Task(id="t", title="t", prompt="")
        opening = Opening(
            agent=agent,
            system_prompt="Be brief.",
            prompt="Do it.",
            tools=(ToolSpec(**TOOL),),
            task=task,
            response_schema=schema,
        )
        provider = openai_chat.create(Services(session=session, clock=clock, environ={}, cache=tmp_path))
        chat, results = await provider.converse(opening), list[ToolResult]()
        for _ in script:
            reply = await chat.turn(results, TurnBudget(seconds=30, output_tokens=100))
            results = [ToolResult(call_id=call.id, name=call.name, text="text") for call in reply.calls]
    assert server.violations == []
    adapter = TypeAdapter(CompletionCreateParamsStreaming)
    for request in server.requests:
        # The vendor knows no `reasoning_content`; the servers that send it want it back.
        for message in request["messages"]:
            message.pop("reasoning_content", None)
        assert read_through(adapter.validate_python(request)) == request  # validation drops what it does not know
    assert len(server.requests) == len(script)


ASKED = {"role": "user", "content": "x"}
SAID = {"role": "assistant", "content": "a"}
CALL = {"id": "call_1_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "reasoning_content": "t", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1_0", "content": ""}


def given() -> ChatWire:
    """A server that has said "a", and called a function, and once with a name and arguments that nobody accepts."""
    wire = ChatWire()
    wire.whole(FakeReply(text="a"), 0)
    wire.whole(FakeReply(reasoning="t", calls=(("f", "{}"),)), 1)
    wire.whole(FakeReply(calls=(("no name", "{"),)), 2)
    return wire


MENDED = {"id": "call_2_0", "type": "function", "function": {"name": "no_name", "arguments": '{"x": "{"}'}}


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED, SAID, ASKED, CALLED, RESULT],
        [{"role": "system", "content": "s"}, ASKED, {**CALLED, "content": ""}, RESULT],
        [ASKED, {**SAID, "content": None, "tool_calls": [MENDED]}, {**RESULT, "tool_call_id": "call_2_0"}],
    ],
)
def test_what_the_server_would_take_is_taken(messages: list[dict[str, Any]]) -> None:
    assert given().violation({"model": "m", "messages": messages}, HEADERS, ()) is None


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"model": ""}, "model"),
        ({"max_output_tokens": 5}, "Unknown parameter"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "at the same time"),
        ({"temperature": 3}, "temperature"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "json_schema"),
        ({"tools": []}, "too short - 'tools'"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "1 to 64 letters"),
        ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {}}}]}, "schema of an object"),
        ({"messages": []}, "'messages'"),
        ({"messages": [{"role": "model", "content": "x"}]}, "unknown role"),
        ({"messages": [{**ASKED, "tool_call_id": "x"}]}, "there is no 'tool_call_id'"),
        ({"messages": [{"role": "user", "content": None}]}, "needs content"),
        ({"messages": [ASKED, {**SAID, "tool_calls": []}]}, "'tool_calls'"),
        ({"messages": [ASKED, CALLED]}, "without an answer"),
        ({"messages": [ASKED, CALLED, ASKED]}, "without an answer"),
        ({"messages": [ASKED, CALLED, RESULT, RESULT]}, "must answer a tool call"),
        ({"messages": [ASKED, {**SAID, "content": "b"}]}, "never sent"),
        ({"messages": [ASKED, {**CALLED, "reasoning_content": "u"}, RESULT]}, "never sent"),
        (
            {
                "messages": [
                    ASKED,
                    {**CALLED, "tool_calls": [{**CALL, "id": "other"}]},
                    {**RESULT, "tool_call_id": "other"},
                ]
            },
            "never sent",
        ),
        (
            {
                "messages": [
                    ASKED,
                    {**CALLED, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{ }"}}]},
                    RESULT,
                ]
            },
            "never sent",
        ),
        (
            {"messages": [ASKED, {**CALLED, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "["}}]}]},
            "no JSON",
        ),
    ],
)
def test_what_the_server_would_refuse_is_refused(change: dict[str, Any], rule: str) -> None:
    assert rule in str(given().violation({"model": "m", "messages": [ASKED], **change}, HEADERS, ()))


def test_a_body_must_say_that_it_is_json() -> None:
    assert "Content-Type" in str(given().violation({"model": "m", "messages": [ASKED]}, {}, ()))
