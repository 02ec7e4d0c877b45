"""`gemini`: Gemini's generateContent, held with the least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.bare import CAP_TOKENS, MODEL, SCHEMA, SYSTEM, events

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from bench.bare import Call, Json


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


BARE = Contents()
