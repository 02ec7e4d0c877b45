"""`openai`: OpenAI's Responses API, held with the least."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.bare import CAP_TOKENS, MODEL, SCHEMA, SYSTEM, events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from bench.bare import Call, Json


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


BARE = Responses()
