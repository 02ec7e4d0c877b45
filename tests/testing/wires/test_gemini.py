"""The fake of Gemini's API is one that the vendor's SDK talks to, and is strict."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.records import ToolSpec
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.gemini import GeminiWire

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
CALLS = (("read_file", '{"file_path": "é🙂.txt"}'), ("read_file", '{"file_path": "b"}'))
TALK = [FakeReply(text="Looking…", reasoning="Hm, é🙂 …", calls=CALLS), FakeReply(text="Größe: 3 🙂")]


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.parametrize("mode", ["stream", "chat", "whole"])
@pytest.mark.whole
@pytest.mark.some(1)
async def test_the_vendors_sdk_talks_to_the_fake(mode: str) -> None:
    """Its streamed tool conversation, thoughts and signatures included; in `chat` it keeps the history by itself."""
    from google import genai
    from google.genai import types

    function = {"name": READ.name, "description": READ.description, "parametersJsonSchema": READ.parameters}
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration.model_validate(function)])],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
        max_output_tokens=99,
    )
    async with FakeServer(GeminiWire(), TALK, piece_bytes=5) as server:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=server.base_url))
        chat = client.aio.chats.create(model="fake-model", config=config)
        contents: list[Any] = [types.Content(role="user", parts=[types.Part(text="Do it.")])]

        async def say(parts: list[types.Part]) -> list[types.Part]:
            if mode == "chat":
                chunks = [chunk async for chunk in await chat.send_message_stream(parts)]
            elif mode == "stream":
                stream = client.aio.models.generate_content_stream(model="fake-model", contents=contents, config=config)
                chunks = [chunk async for chunk in await stream]
            else:
                chunks = [
                    await client.aio.models.generate_content(model="fake-model", contents=contents, config=config)
                ]
            usage = chunks[-1].usage_metadata
            assert usage is not None
            assert (usage.prompt_token_count, usage.thoughts_token_count) == (100, 4)
            return [part for chunk in chunks for part in (chunk.parts or [])]

        parts = await say([types.Part(text="Do it.")])
        assert "".join(part.text or "" for part in parts if part.thought) == "Hm, é🙂 …"
        calls = [part.function_call for part in parts if part.function_call]
        assert [call.args for call in calls] == [{"file_path": "é🙂.txt"}, {"file_path": "b"}]
        answers = [
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "x"}))
            for call in calls
        ]
        contents += [types.Content(role="model", parts=parts), types.Content(role="user", parts=answers)]
        said = await say(answers)
        await client.aio.aclose()
    assert "".join(part.text or "" for part in said) == "Größe: 3 🙂"
    assert server.violations == []


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_the_vendors_sdk_understands_the_fakes_errors() -> None:
    from google import genai
    from google.genai import errors, types

    script = [Fault(status=404, message="no such model"), Fault(kind="error_event", message="overloaded")]
    async with FakeServer(GeminiWire(), script) as server:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=server.base_url))
        for words, code in (("no such model", 404), ("overloaded", 503)):
            with pytest.raises(errors.APIError, match=words) as caught:
                async for _ in await client.aio.models.generate_content_stream(model="m", contents="x"):
                    pass
            assert caught.value.code == code
        await client.aio.aclose()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"contents": []}, "not specified"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": [{"thoughtSignature": "eA=="}]}]}, "oneof"),
        ({"messages": []}, "Unknown name"),
        ({"generationConfig": {"maxTokens": 1}}, "Unknown name"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}}, "only one"),
        ({"generationConfig": {"responseJsonSchema": {}}}, "response_mime_type"),
        ({"tools": [{"functionDeclarations": [{"name": "f", "parameters": READ.parameters}]}]}, "additionalProperties"),
        (
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "x"}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
                ]
            },
            "number of function response parts",
        ),
    ],
)
def test_the_fake_is_strict(change: dict[str, Any], words: str) -> None:
    request: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "x"}]}], **change}
    problem = GeminiWire().violation(request, {"x-goog-api-key": "k"}, [])
    assert problem is not None
    assert words in problem
