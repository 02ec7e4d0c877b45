"""Google's generateContent, streamed: one trial's contents as the API has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.vendors import base
from flatfield.vendors.gemini.models import accepts, settings_of
from flatfield.vendors.gemini.reader import GeminiReader
from flatfield.vendors.gemini.traits import TRAITS, catalogue, endpoint_of, resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.errors import ProviderError
    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange
    from flatfield.records import Reply, Sent, ToolResult

_CONTEXT = re.compile("exceeds the maximum number of tokens|model only supports up to|payload size exceeds the limit")


def provider(services: Services) -> base.ApiProvider:
    """Opens conversations with the Gemini API, or a gateway that speaks it."""

    async def open_talk(opening: base.Opening, address: base.Address) -> base.Conversation:
        return base.Talk(opening, base.transport_to(address.base_url, services), GeminiContents(opening, address))

    return base.ApiProvider(services, TRAITS, endpoint_of=endpoint_of, catalogue=catalogue(), open_talk=open_talk)


class GeminiContents:
    """One trial's contents in the API's own form, each encoded once; signatures go back verbatim."""

    new_reader = GeminiReader

    def __init__(self, opening: base.Opening, address: base.Address) -> None:
        agent = opening.agent
        self.url = f"{address.base_url}/{resource(agent.model)}:streamGenerateContent?alt=sse"
        self.headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **address.headers}
        self._caps = (agent.max_output_tokens, accepts(agent.model).output_tokens)
        settings, held = settings_of(agent), _held(opening)
        self._head = _head(opening)
        self._tail = (
            b'],"generationConfig":' + msgspec.json.encode({**settings.fields, **held, "maxOutputTokens": 0})[:-2]
        )
        self.sent = base.sent_by(
            opening,
            TRAITS,
            settings,
            api="Gemini generateContent",
            url=address.base_url,
            parameters=_shown(opening, held),
        )
        self._contents: list[bytes] = []
        self._last = GeminiReader()
        self.say(opening.prompt)

    def cap_tokens(self, left_tokens: int) -> int:
        """The agent's own and the model's at most."""
        return base.least_cap(left_tokens, *self._caps)

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        """All contents; only the cap is new."""
        body = b"".join((self._head, b",".join(self._contents), self._tail, b"%d}}" % cap_tokens))
        return body, structs.replace(self.sent, output_cap_tokens=cap_tokens)

    def say(self, text: str) -> None:
        """A content of the user's."""
        self._append({"text": text})

    def answer(self, results: Sequence[ToolResult]) -> None:
        """All results of a turn in one content, in the calls' order, with the ids that the model gave."""
        if self._last.mistake:
            self._append({"text": self._last.mistake})
            return
        ids = self._last.native_ids()
        self._append(*(_answer(result, has_id=result.call_id in ids) for result in results))

    def take(self, exchange: Exchange[GeminiReader], _cap_tokens: int, turn: int) -> Reply:
        """Keep the model's content, and read it."""
        reader = self._last = exchange.reader
        content = reader.content()
        if content is not None:
            self._contents.append(content)
        return reader.told(turn)

    def meant(self, error: ProviderError) -> ProviderError:
        """A conversation that is too long, or the error itself."""
        return base.too_long(error, _CONTEXT)

    def _append(self, *parts: dict[str, Any]) -> None:
        self._contents.append(msgspec.json.encode({"role": "user", "parts": parts}))


def _answer(result: ToolResult, *, has_id: bool) -> dict[str, Any]:
    """A functionResponse; "output" and "error" are the keys that the API's reference names."""
    response = {"name": result.name, "response": {"output" if result.ok else "error": result.text}}
    return {"functionResponse": {"id": result.call_id, **response} if has_id else response}


def _head(opening: base.Opening) -> bytes:
    """The request up to its contents: what stays the same over all turns, so that the vendor can cache it."""
    fields: dict[str, Any] = {}
    if system := base.told_system(opening):
        fields["systemInstruction"] = {"parts": [{"text": system}]}
    if tools := base.native_tools(opening):
        # `parameters` is an OpenAPI subset that knows no additionalProperties; this field takes JSON Schema.
        fields["tools"] = [
            {
                "functionDeclarations": [
                    {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
                    for tool in tools
                ]
            }
        ]
    return msgspec.json.encode(fields)[:-1] + (b"," if fields else b"") + b'"contents":['


def _is_beside_tools(opening: base.Opening) -> bool:
    """Whether a schema would stand beside tools, which older models refuse."""
    return bool(base.native_tools(opening)) and not accepts(opening.agent.model).schema_with_tools


def _held(opening: base.Opening) -> dict[str, Any]:
    """The fields that hold a reply to a schema, where that is possible."""
    schema = base.held_schema(opening)
    if schema is None or _is_beside_tools(opening):
        return {}
    return {"responseMimeType": "application/json", "responseJsonSchema": _without_const(schema)}


def _without_const(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The schema with `enum` for `const` of texts: `const` is not among the keywords that the API supports."""
    if isinstance(schema, list):
        return [_without_const(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("const"), str):
        rest = {name: value for name, value in schema.items() if name != "const"}
        return {**rest, "type": "string", "enum": [schema["const"]]}
    return {name: _without_const(value) for name, value in schema.items()}


def _shown(opening: base.Opening, held: dict[str, Any]) -> dict[str, Any]:
    """What else is sent, for people."""
    if held:
        schema = base.digest(msgspec.json.encode(held["responseJsonSchema"]).decode())
        return {"responseMimeType": held["responseMimeType"], "schema_digest": schema}
    if base.held_schema(opening) is not None:
        return {"response_schema": "not accepted beside tools"}
    return {}
