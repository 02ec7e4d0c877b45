"""The least that holds a tool conversation, for each protocol: aiohttp, json and a list of messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import aiohttp

Json = dict[str, Any]
Call = tuple[str, str, Json]  # id, name, arguments
SYSTEM = "Be brief."
MODEL = "m"
CAP_TOKENS = 1000
SCHEMA: Json = {"type": "object"}


class Bare(Protocol):
    """One protocol's requests and replies."""

    def path(self, *, stream: bool) -> str:
        """Where a turn is posted."""
        ...

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """A turn's request."""
        ...

    def prompt(self, text: str) -> list[Json]:
        """The history as it begins."""
        ...

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """What a reply adds to the history, and its calls."""
        ...

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """The same of a streamed reply."""
        ...

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """What calls and their results add to the history."""
        ...


async def trial(session: aiohttp.ClientSession, url: str, bare: Bare, work: tuple[str, Path], *, stream: bool) -> int:
    """Work until there is no call any more; `work` is the prompt and the files' folder. Returns the turns."""
    prompt, folder = work
    history = bare.prompt(prompt)
    turns = 0
    while True:
        data = json.dumps(bare.body(history, stream=stream)).encode()
        async with session.post(url, data=data, headers={"Content-Type": "application/json"}) as response:
            said, calls = await bare.stream(response) if stream else bare.whole(json.loads(await response.read()))
        turns += 1
        history += said
        if not calls:
            return turns
        history += bare.results([(call, (folder / call[2]["file_path"]).read_text()) for call in calls])


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    """The JSON objects of server-sent events."""
    async for line in response.content:
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


class Chat:
    """OpenAI's Chat Completions."""

    def path(self, *, stream: bool) -> str:
        """The same for both."""
        del stream
        return "/chat/completions"

    def prompt(self, text: str) -> list[Json]:
        """System and user."""
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """Messages, with the system prompt among them."""
        tools = [{"type": "function", "function": {"name": "read_file", "parameters": SCHEMA}}]
        return {"model": MODEL, "stream": stream, "messages": history, "tools": tools, "max_tokens": CAP_TOKENS}

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """The message as it came."""
        return self._told(body["choices"][0]["message"])

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """Text and arguments come in pieces."""
        text: list[str] = []
        calls: dict[int, Json] = {}
        async for chunk in events(response):
            for choice in chunk["choices"]:
                delta = choice["delta"]
                text.append(delta.get("content") or "")
                for part in delta.get("tool_calls", ()):
                    function = {"name": "", "arguments": ""}
                    new = {"id": part.get("id"), "type": "function", "function": function}
                    call = calls.setdefault(part["index"], new)
                    call["function"]["name"] += part["function"].get("name", "")
                    call["function"]["arguments"] += part["function"].get("arguments", "")
        message: Json = {"role": "assistant", "content": "".join(text)}
        return self._told({**message, "tool_calls": list(calls.values())} if calls else message)

    def _told(self, message: Json) -> tuple[list[Json], list[Call]]:
        calls = [(call["id"], call["function"]) for call in message.get("tool_calls", ())]
        return [message], [(call_id, each["name"], json.loads(each["arguments"])) for call_id, each in calls]

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """A message each."""
        return [{"role": "tool", "tool_call_id": call[0], "content": text} for call, text in answered]


class Responses:
    """OpenAI's Responses API."""

    def path(self, *, stream: bool) -> str:
        """The same for both."""
        del stream
        return "/responses"

    def prompt(self, text: str) -> list[Json]:
        """One message."""
        return [{"role": "user", "content": text}]

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """Items; nothing is stored."""
        tools = [{"type": "function", "name": "read_file", "parameters": SCHEMA}]
        body = {"model": MODEL, "stream": stream, "store": False, "instructions": SYSTEM, "tools": tools}
        return {**body, "input": history, "max_output_tokens": CAP_TOKENS}

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """The items as they came."""
        return self._told(body["output"])

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """Each item comes whole when it is done."""
        return self._told([e["item"] async for e in events(response) if e["type"] == "response.output_item.done"])

    def _told(self, items: list[Json]) -> tuple[list[Json], list[Call]]:
        calls = [item for item in items if item["type"] == "function_call"]
        return items, [(call["call_id"], call["name"], json.loads(call["arguments"])) for call in calls]

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """An item each."""
        return [{"type": "function_call_output", "call_id": call[0], "output": text} for call, text in answered]


class Messages:
    """Anthropic's Messages API."""

    def path(self, *, stream: bool) -> str:
        """The same for both."""
        del stream
        return "/v1/messages"

    def prompt(self, text: str) -> list[Json]:
        """One message."""
        return [{"role": "user", "content": text}]

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """Messages, the system prompt beside them."""
        tools = [{"name": "read_file", "input_schema": SCHEMA}]
        body = {"model": MODEL, "stream": stream, "system": SYSTEM, "tools": tools, "max_tokens": CAP_TOKENS}
        return {**body, "messages": history}

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """The blocks as they came."""
        return self._told(body["content"])

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """Blocks begin empty and come in pieces."""
        blocks: list[Json] = []
        pieces: list[list[str]] = []
        async for event in events(response):
            if event["type"] == "content_block_start":
                blocks.append(event["content_block"])
                pieces.append([])
            elif event["type"] == "content_block_delta":
                delta = event["delta"]
                pieces[event["index"]].append(delta.get("text") or delta.get("partial_json") or "")
        for block, parts in zip(blocks, pieces, strict=True):
            text = "".join(parts)
            block.update({"text": text} if block["type"] == "text" else {"input": json.loads(text)})
        return self._told(blocks)

    def _told(self, blocks: list[Json]) -> tuple[list[Json], list[Call]]:
        calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        return [{"role": "assistant", "content": blocks}], calls

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """All in one message."""
        blocks = [{"type": "tool_result", "tool_use_id": call[0], "content": text} for call, text in answered]
        return [{"role": "user", "content": blocks}]


class Contents:
    """Gemini's generateContent."""

    def path(self, *, stream: bool) -> str:
        """The method says whether it streams."""
        return f"/v1beta/models/{MODEL}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")

    def prompt(self, text: str) -> list[Json]:
        """One content."""
        return [{"role": "user", "parts": [{"text": text}]}]

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """Contents, the system prompt beside them."""
        del stream
        tools = [{"functionDeclarations": [{"name": "read_file", "parametersJsonSchema": SCHEMA}]}]
        body: Json = {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "tools": tools, "contents": history}
        return {**body, "generationConfig": {"maxOutputTokens": CAP_TOKENS}}

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """The parts as they came."""
        return self._told(body["candidates"][0]["content"]["parts"])

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """Text comes in pieces, which are joined."""
        text: list[str] = []
        parts: list[Json] = []
        async for chunk in events(response):
            for part in chunk["candidates"][0].get("content", {}).get("parts", ()):
                if part.keys() == {"text"}:
                    text.append(part["text"])
                else:
                    parts.append(part)
        return self._told([{"text": "".join(text)}, *parts])

    def _told(self, parts: list[Json]) -> tuple[list[Json], list[Call]]:
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        return [{"role": "model", "parts": parts}], [(call["id"], call["name"], call["args"]) for call in calls]

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """All in one content."""
        answers = [{"id": call[0], "name": call[1], "response": {"output": text}} for call, text in answered]
        return [{"role": "user", "parts": [{"functionResponse": answer} for answer in answers]}]


class Ollama:
    """Ollama's chat API."""

    def path(self, *, stream: bool) -> str:
        """The same for both."""
        del stream
        return "/api/chat"

    def prompt(self, text: str) -> list[Json]:
        """System and user."""
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """Messages, with the system prompt among them."""
        tools = [{"type": "function", "function": {"name": "read_file", "parameters": SCHEMA}}]
        body = {"model": MODEL, "stream": stream, "messages": history, "tools": tools}
        return {**body, "options": {"num_predict": CAP_TOKENS}}

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """The message as it came."""
        return self._told(body["message"])

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """A line each for pieces of text, and for calls."""
        text: list[str] = []
        calls: list[Json] = []
        async for line in response.content:
            message = json.loads(line)["message"]
            text.append(message["content"])
            calls += message.get("tool_calls", ())
        message = {"role": "assistant", "content": "".join(text)}
        return self._told({**message, "tool_calls": calls} if calls else message)

    def _told(self, message: Json) -> tuple[list[Json], list[Call]]:
        calls = [(call["id"], call["function"]) for call in message.get("tool_calls", ())]
        return [message], [(call_id, each["name"], each["arguments"]) for call_id, each in calls]

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """A message each."""
        return [
            {"role": "tool", "tool_name": call[1], "tool_call_id": call[0], "content": text} for call, text in answered
        ]


BARE: dict[str, Bare] = {
    "anthropic": Messages(),
    "gemini": Contents(),
    "local": Chat(),
    "ollama": Ollama(),
    "openai": Responses(),
    "openai-chat": Chat(),
}
