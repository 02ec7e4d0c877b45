"""`openai-chat`: OpenAI's Chat Completions, held with the least."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.bare import CAP_TOKENS, MODEL, SCHEMA, SYSTEM, events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from bench.bare import Call, Json


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


BARE = Chat()
