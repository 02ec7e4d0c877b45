"""`openai`: OpenAI's Responses API, streamed, and servers that speak it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.post import Post
from flatfield.records import Reply
from flatfield.vendors import _json_protocol as json_protocol
from flatfield.vendors import base
from flatfield.vendors.openai import models, schema
from flatfield.vendors.openai.address import endpoint_of, is_vendors
from flatfield.vendors.openai.errors import is_context_error, is_policy_error
from flatfield.vendors.openai.reader import ResponsesReader
from flatfield.vendors.openai.readiness import check_model, is_llama_server
from flatfield.vendors.openai.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange, Transport
    from flatfield.records import AgentConfig, ToolCall, ToolResult, ToolSpec, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening


class OpenAIProvider:
    """Opens conversations with OpenAI's models, at its own address or behind a gateway, and with llama.cpp."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._llama_servers: dict[str, bool] = {}

    async def check(self, agent: AgentConfig) -> None:
        """Ask the server for its models: is it there, is the key good, is the model served?"""
        await check_model(agent, endpoint_of(agent, self._services.environ), self._services)

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; no model is asked before its first turn."""
        services, address = self._services, endpoint_of(opening.agent, self._services.environ)
        extra: dict[str, Any] = {}
        if (schema := _schema(opening)) is not None and await self._is_llama_server(address):
            extra["json_schema"] = schema
        transport = base.transport(address.base_url, services)
        return ResponsesConversation(opening, transport, address, extra)

    def lane(self, agent: AgentConfig) -> Lane:
        """One lane per server; on the user's own device one trial at a time."""
        return base.lane(agent, self._services.environ, TRAITS)

    def on_device(self, agent: AgentConfig) -> bool:
        """Only where the user says so: a loopback server may be a gateway to a paid API."""
        return bool(agent.on_device)

    async def close(self) -> None:
        """Nothing was started."""

    async def _is_llama_server(self, address: base.Address) -> bool:
        base_url = address.base_url
        if base_url not in self._llama_servers:
            asked = not is_vendors(base_url) and await is_llama_server(address, self._services)
            self._llama_servers[base_url] = asked
        return self._llama_servers[base_url]


class ResponsesConversation:
    """One trial's items in the API's own form, each encoded once and the model's kept as the bytes that it sent.

    Nothing is stored at the vendor: each request carries all items, reasoning with its encrypted content. The system
    prompt goes as `instructions`: the API gives it the role that the model knows (system or developer), first in its
    context, on every turn the same. `extra` is sent with each request.
    """

    def __init__(self, opening: Opening, transport: Transport, address: base.Address, extra: dict[str, Any]) -> None:
        agent = opening.agent
        self._transport = transport
        self._json = _is_json(opening)
        self._cap = agent.max_output_tokens
        self._url = f"{address.base_url}/responses"
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **address.headers}
        system = opening.system_prompt
        if self._json:
            system = f"{system}\n\n{json_protocol.instructions(opening.tools)}"
        parameters = {"model": agent.model, "stream": True, "store": False}
        sent, refused = models.settings(agent)
        parameters |= sent
        fixed = {**parameters, **_texts(opening, system), **extra}
        self._head = msgspec.json.encode(fixed)[:-1] + b',"input":['
        self._items = [msgspec.json.encode({"role": "user", "content": opening.prompt})]
        self._request = _shown(parameters, refused, opening, system, address)
        self._turns = 0

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self._append_results(results)
        self._turns += 1
        cap = budget.output_tokens if self._cap is None else min(self._cap, budget.output_tokens)
        cap = max(cap, models.SMALLEST_CAP_TOKENS)
        body = b"".join((self._head, b",".join(self._items), f'],"max_output_tokens":{cap}}}'.encode()))
        post = Post(url=self._url, headers=self._headers, body=body, seconds=budget.seconds, output_tokens=cap)
        request = {**self._request, "max_output_tokens": cap}
        try:
            exchange = await self._transport.post(post, ResponsesReader)
        except ProviderError as error:
            if is_policy_error(error):
                return _refused(error, request)
            if is_context_error(error):
                raise error.retold(str(error), ContextTooLong) from None
            raise
        return self._reply(exchange, request, cap)

    def _reply(self, exchange: Exchange[ResponsesReader], request: dict[str, Any], cap_tokens: int) -> Reply:
        reader = exchange.reader
        self._items += [_replayed(raw, call) for raw, call in reader.items]
        text, calls, finish = reader.text, reader.calls, reader.finish
        used = reader.usage.output_tokens if reader.usage else 0
        # llama.cpp calls a reply "completed" that its output cap cut, in the middle of a call's arguments too.
        if finish == "stop" and used >= cap_tokens and not (calls and all(_is_whole(call) for call in calls)):
            finish = "length"
        if self._json and exchange.cut is None and finish == "stop":
            text, calls = json_protocol.parse(schema.step_text(text), self._turns)
        told = base.Told(
            text=text,
            calls=calls,
            finish=finish,
            usage=reader.usage,
            reasoning=reader.reasoning,
            service_tier=reader.service_tier,
        )
        return base.reply(told, exchange, request)

    def _append_results(self, results: Sequence[ToolResult]) -> None:
        if results and self._json:
            self._append({"role": "user", "content": json_protocol.results_text(results)})
            return
        for result in results:
            self._append({"type": "function_call_output", "call_id": result.call_id, "output": result.text})

    def _append(self, item: dict[str, Any]) -> None:
        self._items.append(msgspec.json.encode(item))


def _refused(error: ProviderError, request: dict[str, Any]) -> Reply:
    """A refusal that came as an error is how the model's reply ended, with all that it took."""
    return Reply(
        text=str(error),
        finish="refused",
        retry_seconds=error.retry_seconds,
        queue_seconds=error.queue_seconds,
        attempts=max(1, len(error.wire)),
        request=request,
        abandoned=len(error.abandoned),
        abandoned_usage=error.abandoned,
        wire=error.wire,
    )


def _is_json(opening: Opening) -> bool:
    return opening.agent.protocol == "json" and bool(opening.tools)


def _schema(opening: Opening) -> dict[str, Any] | None:
    """What the reply's text is held to, if anything."""
    return json_protocol.schema(opening.tools) if _is_json(opening) else opening.response_schema


def _texts(opening: Opening, system: str) -> dict[str, Any]:
    """The request's long fields, which records show as digests."""
    fields: dict[str, Any] = {}
    if system:
        fields["instructions"] = system
    if _is_json(opening):
        fields["text"] = schema.step_format(opening.tools)
    elif opening.response_schema is not None:
        fields["text"] = schema.reply_format(opening.response_schema)
    if opening.tools and not _is_json(opening):
        fields["tools"] = [_function(tool) for tool in opening.tools]
    return fields


def _function(tool: ToolSpec) -> dict[str, Any]:
    """The API takes a function for strict unless it is told; one with optional arguments cannot be."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": schema.is_strict(tool.parameters),
    }


def _shown(
    parameters: dict[str, Any], refused: dict[str, str], opening: Opening, system: str, address: base.Address
) -> dict[str, Any]:
    """The parameters as records and the manifest show them, under our own names."""
    shown = {name: value for name, value in parameters.items() if name != "reasoning"}
    if "reasoning" in parameters:
        shown["reasoning_effort"] = parameters["reasoning"]["effort"]
    if _schema(opening) is not None:
        shown["response_format"] = "json_schema"
    if opening.tools and not _is_json(opening):
        shown["strict_tools"] = [tool.name for tool in opening.tools if schema.is_strict(tool.parameters)]
    return base.shown(shown | refused, opening, api="OpenAI Responses", base_url=address.base_url, system=system)


def _is_whole(call: ToolCall) -> bool:
    return bool(call.arguments) and "invalid_arguments" not in base.arguments_object(call.arguments)


def _replayed(raw: bytes, call: ToolCall | None) -> bytes:
    """The model's item as it goes back to it: verbatim, but for a call's arguments that are no JSON."""
    if call is None or _is_whole(call):
        return raw
    item = msgspec.json.decode(raw)
    item["arguments"] = msgspec.json.encode(base.arguments_object(call.arguments)).decode()
    return msgspec.json.encode(item)
