"""`ollama`: Ollama's chat API, held with the least."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.bare import CAP_TOKENS, MODEL, SCHEMA, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from bench.bare import Call, Json


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


BARE = Ollama()
