"""The fake Ollama: the vendor's own SDK talks with it, and it refuses what Ollama refuses."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.testing.fake_server import FakeReply, FakeServer, Fault, Step
from flatfield.testing.wires.ollama import OllamaModel, OllamaWire

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read.",
        "parameters": {"type": "object", "properties": {"file_path": {"type": "string"}}},
    },
}
THOUGHTFUL = FakeReply(
    text="Looking…", reasoning="Größe? 🙂", calls=(("read_file", '{"file_path": "é🙂"}'), ("read_file", "{}"))
)


@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
@pytest.mark.whole
@pytest.mark.some(1)
async def test_the_vendors_sdk_holds_a_streamed_tool_conversation(piece_bytes: int | None) -> None:
    from ollama import AsyncClient, Message

    messages: list[Any] = [{"role": "user", "content": "Do it."}]
    script = [THOUGHTFUL, FakeReply(text="Größe: 3 🙂")]
    async with (
        FakeServer(OllamaWire(), script, piece_bytes=piece_bytes) as server,
        AsyncClient(host=server.base_url) as client,
    ):
        for _ in range(2):
            message, last = Message(role="assistant", content="", thinking="", tool_calls=[]), None
            async for part in await client.chat(
                "fake-model", messages, tools=[TOOL], stream=True, think=True, options={"num_ctx": 2048}
            ):
                message.content = (message.content or "") + (part.message.content or "")
                message.thinking = (message.thinking or "") + (part.message.thinking or "")
                message.tool_calls = [*(message.tool_calls or ()), *(part.message.tool_calls or ())]
                last = part
            messages.append(message)
            messages += [
                {"role": "tool", "tool_name": call.function.name, "content": "text"}
                for call in message.tool_calls or ()
            ]
    assert server.violations == []
    assert (messages[1].content, messages[1].thinking) == ("Looking…", "Größe? 🙂")
    assert [call.function.arguments for call in messages[1].tool_calls] == [{"file_path": "é🙂"}, {}]
    assert messages[-1].content == "Größe: 3 🙂"
    assert last is not None
    assert (last.done_reason, last.prompt_eval_count, last.eval_count) == ("stop", 100, 10)


async def test_the_vendors_sdk_understands_whole_replies_models_and_errors() -> None:
    from ollama import AsyncClient, ResponseError

    asked: Any = {"model": "fake-model", "messages": [{"role": "user", "content": "x"}]}
    script: list[Step] = [
        FakeReply(text="whole", reasoning="hm"),
        Fault(status=500, message="broken"),
        Fault(kind="error_event"),
    ]
    model = OllamaModel(context_tokens=4096, parameters="num_ctx 2048")
    async with FakeServer(OllamaWire(model), script) as server, AsyncClient(host=server.base_url) as client:
        listed = await client.list()
        shown = await client.show("fake-model")
        loaded = await client.generate("fake-model")
        with pytest.raises(ResponseError, match="'other' not found"):
            await client.show("other")
        whole = await client.chat(**asked)
        with pytest.raises(ResponseError, match="broken"):
            await client.chat(**asked)
        with pytest.raises(ResponseError, match="it went wrong"):
            async for _ in await client.chat(**asked, stream=True):
                pass
    assert [item.model for item in listed.models] == ["fake-model:latest"]
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.modelinfo == {"general.architecture": "fake", "fake.context_length": 4096}
    assert loaded.done_reason == "load"
    assert (whole.message.content, whole.message.thinking) == ("whole", "hm")


SAID = {"role": "assistant", "content": "a", "thinking": "t"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}, "index": 0}}]}
ASKED = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"model": ""}, "model is required"),
        ({"max_tokens": 5}, "there is no 'max_tokens'"),
        ({"options": {"max_tokens": 5}}, "options: there is no 'max_tokens'"),
        ({"options": {"num_ctx": "8k"}}, "num_ctx must be of type int"),
        ({"options": {"num_ctx": True}}, "num_ctx must be of type int"),
        ({"format": "yaml"}, "invalid format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "must be an object's schema"),
        ({"messages": []}, "messages is empty"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "none of Ollama's"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "content must be a string"),
        ({"messages": [ASKED, {**SAID, "thinking": "other"}]}, "not what this server sent"),
        ({"messages": [ASKED, {"role": "assistant", "content": "b"}]}, "not what this server sent"),
        ({"messages": [ASKED, CALLED, ASKED]}, "1 tool calls have no result"),
        ({"messages": [ASKED, CALLED]}, "1 tool calls have no result"),
        ({"messages": [ASKED, {"role": "tool", "tool_name": "f", "content": ""}]}, "answers no tool call"),
        ({"messages": [ASKED, CALLED, {"role": "tool", "tool_name": "g", "content": ""}]}, "must be of 'f'"),
        (
            {"messages": [ASKED, CALLED, {"role": "tool", "tool_name": "f", "tool_call_id": "1", "content": ""}]},
            "not that of its call",
        ),
        (
            {"messages": [ASKED, {**CALLED, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
            "must be an object",
        ),
    ],
)
def test_what_ollama_would_refuse_is_refused(change: dict[str, Any], rule: str) -> None:
    wire = OllamaWire(ids=False)
    wire.whole(FakeReply(text="a", reasoning="t"), 0)
    wire.whole(FakeReply(calls=(("f", "{}"),)), 1)
    good = {"model": "m", "messages": [ASKED, SAID, ASKED, CALLED, {"role": "tool", "tool_name": "f", "content": ""}]}
    assert wire.violation(good, {}, ()) is None
    assert rule in str(wire.violation({**good, **change}, {}, ()))
