"""`gemini`: Google's generateContent, streamed, with native or `json` tool calls; signatures go back verbatim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.post import Post
from flatfield.vendors import _json_protocol as json_protocol
from flatfield.vendors import base
from flatfield.vendors.gemini.address import endpoint_of, resource
from flatfield.vendors.gemini.models import NOT_ACCEPTED, accepts, thinking_config
from flatfield.vendors.gemini.reader import GeminiReader
from flatfield.vendors.gemini.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Transport
    from flatfield.records import AgentConfig, Reply, ToolResult, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening

_CONTEXT_WORDS = ("exceeds the maximum number of tokens", "model only supports up to", "payload size exceeds the limit")


class GeminiProvider:
    """Opens conversations with the Gemini API, or a gateway that speaks it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def check(self, agent: AgentConfig) -> None:
        """Ask the API for its models: does it answer, is the key good, is the model served?"""
        from flatfield.vendors.gemini.readiness import check_model

        await check_model(agent, endpoint_of(agent, self._services.environ), self._services)

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; nothing is sent before its first turn."""
        address = endpoint_of(opening.agent, self._services.environ)
        transport = base.transport(address.base_url, self._services)
        return GeminiConversation(opening, transport, address)

    def lane(self, agent: AgentConfig) -> Lane:
        """One lane per server."""
        return base.lane(agent, self._services.environ, TRAITS)

    def on_device(self, agent: AgentConfig) -> bool:
        """Only where the user says so: a loopback server may be a gateway to a paid API."""
        return bool(agent.on_device)

    async def close(self) -> None:
        """Nothing was started."""


class GeminiConversation:
    """One trial's contents in the API's own form, each encoded once: a turn costs what is new in it."""

    def __init__(self, opening: Opening, transport: Transport, address: base.Address) -> None:
        agent = opening.agent
        self._transport = transport
        self._url = f"{address.base_url}/{resource(agent.model)}:streamGenerateContent?alt=sse"
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **address.headers}
        self._json = agent.protocol == "json" and bool(opening.tools)
        self._caps = [cap for cap in (agent.max_output_tokens, accepts(agent.model).output_tokens) if cap is not None]
        system = opening.system_prompt
        if self._json:
            system = f"{system}\n\n{json_protocol.instructions(opening.tools)}"
        settings, left_out = _settings(opening, json_tools=self._json)
        self._head = _head(system, () if self._json else opening.tools)
        self._tail = b'],"generationConfig":' + msgspec.json.encode({**settings, "maxOutputTokens": 0})[:-2]
        self._request = _shown(opening, address.base_url, system, {**settings, **left_out})
        self._contents: list[bytes] = []
        self._append({"text": opening.prompt})
        self._last = GeminiReader()
        self._turns = 0

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self._append_results(results)
        self._turns += 1
        cap = min([budget.output_tokens, *self._caps])
        body = b"".join((self._head, b",".join(self._contents), self._tail, f"{cap}}}}}".encode()))
        post = Post(url=self._url, headers=self._headers, body=body, seconds=budget.seconds, output_tokens=cap)
        try:
            exchange = await self._transport.post(post, GeminiReader)
        except ProviderError as error:
            if error.status in {400, 413} and any(word in str(error) for word in _CONTEXT_WORDS):
                raise error.retold(str(error), ContextTooLong) from None
            raise
        reader = self._last = exchange.reader
        content = reader.content()
        if content is not None:
            self._contents.append(content)
        told = reader.told(self._turns)
        if self._json and exchange.cut is None and told.finish == "stop":
            text, calls = json_protocol.parse(told.text, self._turns)
            told = structs.replace(told, text=text, calls=calls)
        request = {**self._request, "maxOutputTokens": cap}
        if reader.model_version:
            # Google answers for retired models with their successors: a grade must not hide that.
            request["model_version"] = reader.model_version
        return base.reply(told, exchange, request)

    def _append(self, *parts: dict[str, Any]) -> None:
        self._contents.append(msgspec.json.encode({"role": "user", "parts": parts}))

    def _append_results(self, results: Sequence[ToolResult]) -> None:
        """All results of a turn in one content, in the calls' order, with the ids that the model gave."""
        if not results:
            return
        if self._json:
            self._append({"text": json_protocol.results_text(results)})
        elif self._last.mistake:
            self._append({"text": self._last.mistake})
        else:
            ids = self._last.native_ids()
            self._append(*(_answer(result, has_id=result.call_id in ids) for result in results))


def _answer(result: ToolResult, *, has_id: bool) -> dict[str, Any]:
    """A functionResponse; "output" and "error" are the keys that the API's reference names."""
    response = {"name": result.name, "response": {"output" if result.ok else "error": result.text}}
    return {"functionResponse": {"id": result.call_id, **response} if has_id else response}


def _head(system: str, tools: Sequence[Any]) -> bytes:
    """The request up to its contents: what stays the same over all turns, so that the vendor can cache it."""
    fields: dict[str, Any] = {}
    if system:
        fields["systemInstruction"] = {"parts": [{"text": system}]}
    if tools:
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


def _settings(opening: Opening, *, json_tools: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The generationConfig without the output cap, and what the agent asks for and the model does not accept."""
    agent, known = opening.agent, accepts(opening.agent.model)
    settings: dict[str, Any] = {}
    left_out: dict[str, Any] = {}
    if agent.temperature is not None:
        (settings if known.temperature else left_out)["temperature"] = (
            agent.temperature if known.temperature else NOT_ACCEPTED
        )
    if agent.reasoning_effort is not None:
        thinking = thinking_config(agent.model, agent.reasoning_effort)
        if thinking is not None:
            settings["thinkingConfig"] = thinking
        left_out["reasoning_effort"] = NOT_ACCEPTED if thinking is None else agent.reasoning_effort
    if agent.context_tokens is not None:
        left_out["context_tokens"] = NOT_ACCEPTED
    schema = json_protocol.schema(opening.tools) if json_tools else opening.response_schema
    if schema is not None and opening.tools and not json_tools and not known.schema_with_tools:
        left_out["response_schema"] = f"{NOT_ACCEPTED} beside tools"
    elif schema is not None:
        settings["responseMimeType"] = "application/json"
        settings["responseJsonSchema"] = _without_const(schema)
    return settings, left_out


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


def _shown(opening: Opening, address: str, system: str, settings: dict[str, Any]) -> dict[str, Any]:
    parameters = {name: value for name, value in settings.items() if name != "responseJsonSchema"}
    if "responseJsonSchema" in settings:
        parameters["schema_digest"] = base.digest(msgspec.json.encode(settings["responseJsonSchema"]).decode())
    sent = {"model": opening.agent.model, "stream": True, **parameters}
    return base.shown(sent, opening, api="Gemini generateContent", base_url=address, system=system)
