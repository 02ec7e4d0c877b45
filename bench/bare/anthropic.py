"""`anthropic`: Anthropic's Messages API, held with the least."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.bare import CAP_TOKENS, MODEL, SCHEMA, SYSTEM, events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from bench.bare import Call, Json


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


BARE = Messages()
