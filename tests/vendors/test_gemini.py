"""Gemini's wire against a strict server: conversations, signatures, mistakes in calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import ProviderError
from flatfield.http.transport import Transport
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.gemini import GeminiWire
from flatfield.vendors.base import Address, Opening, Talk
from flatfield.vendors.gemini import conversation as gemini

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.clock import Clock
    from flatfield.http.services import Services
    from flatfield.records import Reply

READ = ToolSpec(
    name="read_file",
    description="Read a file.",
    parameters={
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
        "additionalProperties": False,
    },
)
BUDGET = TurnBudget(seconds=30.0, output_tokens=1000)
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
TALK = [FakeReply(text="Looking…", reasoning="Hm, é🙂 …", calls=CALLS), FakeReply(text="Größe: 3 🙂")]
EVENTS = {"Content-Type": "text/event-stream"}


def opening(base_url: str) -> Opening:
    return Opening(
        agent=AgentConfig(name="a", provider="gemini", model="fake-model", base_url=base_url),
        system_prompt="Be brief.",
        prompt="Do it.",
        task=Task(id="t", title="t", prompt=""),
        tools=(READ,),
    )


def conversation(services: Services, server: FakeServer, clock: Clock) -> Talk:
    asked = opening(server.base_url)
    address = Address(base_url=f"{server.base_url}/v1beta", headers={"x-goog-api-key": "planted-key"})
    return Talk(asked, Transport(services.session, clock), gemini.GeminiContents(asked, address))


def contents(talk: Talk) -> list[bytes]:
    dialect: Any = talk._dialect
    kept: list[bytes] = dialect._contents
    return kept


def results(reply: Reply, *, ok: bool = True) -> list[ToolResult]:
    return [
        ToolResult(call_id=call.id, name=call.name, text=f"text {number}", ok=ok)
        for number, call in enumerate(reply.calls)
    ]


def validates(requests: Sequence[dict[str, Any]]) -> None:
    """Every body fits the SDK's own types: its names in camelCase, nothing that they do not know."""
    from google.genai import types

    for request in requests:
        for content in request["contents"]:
            types.Content.model_validate(content)
        types.Content.model_validate(request.get("systemInstruction", {}))
        types.GenerationConfig.model_validate(request["generationConfig"])
        for tool in request.get("tools", ()):
            types.Tool.model_validate(tool)
        config = {name: value for name, value in request.items() if name in {"systemInstruction", "tools"}}
        types.GenerateContentConfig.model_validate({**config, **request["generationConfig"]})


@pytest.mark.parametrize(
    ("stream", "piece_bytes", "compress"),
    [(True, None, False), (True, 1, False), (True, 7, False), (False, None, False), (False, None, True)],
)
async def test_a_conversation_with_parallel_calls(
    services: Services, clock: Clock, stream: bool, piece_bytes: int | None, compress: bool
) -> None:
    async with FakeServer(GeminiWire(), TALK, stream=stream, piece_bytes=piece_bytes, compress=compress) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        assert [(call.name, json.loads(call.arguments)) for call in first.calls] == [
            (name, json.loads(arguments)) for name, arguments in CALLS
        ]
        assert (first.finish, first.text, first.reasoning) == ("tool_calls", "Looking…", "Hm, é🙂 …")
        second = await chat.turn(results(first), BUDGET)
    assert server.violations == []
    assert (second.text, second.calls, second.finish) == ("Größe: 3 🙂", (), "stop")
    assert second.usage == Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10, reasoning_tokens=4)
    model, answers = server.requests[1]["contents"][1:]
    signed = ["thoughtSignature" in part for part in model["parts"] if "functionCall" in part]
    assert signed == [True, False]
    assert [part["functionResponse"]["id"] for part in answers["parts"]] == ["c0x0", "c0x1"]
    assert answers["parts"][0]["functionResponse"]["response"] == {"output": "text 0"}
    validates(server.requests)


async def test_calls_without_ids_and_failed_tools(services: Services, clock: Clock) -> None:
    async with FakeServer(GeminiWire(ids=False), TALK) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        assert [call.id for call in first.calls] == ["call_1_1", "call_1_2"]
        await chat.turn(results(first, ok=False), BUDGET)
    assert server.violations == []
    answer = server.requests[1]["contents"][-1]["parts"][1]["functionResponse"]
    assert answer == {"name": "read_file", "response": {"error": "text 1"}}


async def test_parts_go_back_verbatim_on_text_empty_and_lone_signatures(services: Services, clock: Clock) -> None:
    """Spacing, numbers and unknown fields too; only unsigned text is joined, and a lone signature gets its text."""
    call = '{"thoughtSignature":"c2ln", "functionCall": {"args": {"n": 1.0, "b" :[ ]}, "name":"read_file"}, "new": 7}'
    parts = ['{"text":"a"}', '{"text":"b"}', '{"text":"c","thoughtSignature":"eA=="}', '{"text":"d"}', call]
    last = '{"thoughtSignature":"bGFzdA=="}'
    body = "".join(
        f'data: {{"candidates":[{{"content":{{"parts":[{part}]}}{ending}}}]}}\n\n'
        for part, ending in [*((part, "") for part in parts), (last, ',"finishReason":"STOP"')]
    )
    async with FakeServer(GeminiWire(), [Fault(kind="whole", message=body, headers=EVENTS)]) as server:
        chat = conversation(services, server, clock)
        reply = await chat.turn((), BUDGET)
    assert (reply.text, reply.calls[0].arguments) == ("abcd", '{"n": 1.0, "b" :[ ]}')
    expected = ['{"text":"ab"}', parts[2], '{"text":"d"}', call, '{"thoughtSignature":"bGFzdA==","text":""}']
    assert contents(chat)[1].decode() == f'{{"role":"model","parts":[{",".join(expected)}]}}'


async def test_a_changed_signature_would_be_noticed(services: Services, clock: Clock) -> None:
    async with FakeServer(GeminiWire(), TALK) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        contents(chat)[1] = contents(chat)[1].replace(b'"thoughtSignature": "', b'"thoughtSignature": "A')
        with pytest.raises(ProviderError, match="never sent"):
            await chat.turn(results(first), BUDGET)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
@pytest.mark.parametrize("text", ["", "Let me see. "])
async def test_a_call_that_the_api_could_not_read_is_told_to_the_model(
    services: Services, clock: Clock, reason: str, text: str
) -> None:
    bad = FakeReply(text=text, calls=(("read_file", '{"file_path": '),), finish=None if "MAL" in reason else reason)
    script = [FakeReply(calls=CALLS), bad, FakeReply(text="ok")]
    async with FakeServer(GeminiWire(), script) as server:
        chat = conversation(services, server, clock)
        first = await chat.turn((), BUDGET)
        second = await chat.turn(results(first), BUDGET)
        assert (second.finish, len(second.calls), second.calls[0].name) == ("tool_calls", 1, "")
        third = await chat.turn(results(second, ok=False), BUDGET)
    assert third.text == "ok"
    assert server.violations == []
    told = server.requests[2]["contents"][-1]
    assert told["role"] == "user"
    assert reason in told["parts"][0]["text"]
    roles = [content["role"] for content in server.requests[2]["contents"]]
    assert roles == ["user", "model", "user", *(["model"] if text else []), "user"]
    validates(server.requests)
