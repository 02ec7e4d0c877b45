"""OpenAI's Responses API, streamed: one trial's items as the API has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.records import Reply, Sent
from flatfield.vendors import base
from flatfield.vendors.openai import models
from flatfield.vendors.openai.reader import CONTEXT, ResponsesReader, is_policy_error
from flatfield.vendors.openai.traits import TRAITS, catalogue, endpoint_of, is_llama_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.errors import ProviderError
    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange
    from flatfield.records import ToolCall, ToolResult, ToolSpec


def provider(services: Services) -> base.ApiProvider:
    """Opens conversations with OpenAI's models, at its own address or behind a gateway, and with llama.cpp."""
    llama_servers: dict[str, bool] = {}

    async def open_talk(opening: base.Opening, address: base.Address) -> base.Conversation:
        extra: dict[str, Any] = {}
        if (held := base.held_schema(opening)) is not None:
            if address.base_url not in llama_servers:
                llama_servers[address.base_url] = await _is_llama_server(address, services)
            extra = {"json_schema": held} if llama_servers[address.base_url] else {}
        return base.Talk(opening, base.transport_to(address.base_url, services), Responses(opening, address, extra))

    listed = catalogue(services.clock.utc().date())
    return base.ApiProvider(services, TRAITS, endpoint_of=endpoint_of, catalogue=listed, open_talk=open_talk)


async def _is_llama_server(address: base.Address, services: Services) -> bool:
    """Whether llama.cpp answers there: it takes a reply's schema in a field of its own, which others refuse."""
    import aiohttp

    if base.is_own(address.base_url, TRAITS):
        return False
    try:
        status, body = await base.answered(f"{address.base_url}/models", address.headers, services)
    except (aiohttp.ClientError, TimeoutError):
        return False
    return status == 200 and is_llama_list(body)


class Responses:
    """One trial's items in the API's own form, each encoded once and the model's kept as the bytes that it sent.

    Nothing is stored at the vendor: each request carries all items, reasoning with its encrypted content. The system
    prompt goes as `instructions`: the API gives it the role that the model knows (system or developer), first in its
    context, on every turn the same. `extra` is sent with each request.
    """

    new_reader = ResponsesReader

    def __init__(self, opening: base.Opening, address: base.Address, extra: dict[str, Any]) -> None:
        agent = opening.agent
        self.url = f"{address.base_url}/responses"
        self.headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **address.headers}
        self._cap = agent.max_output_tokens
        self._json = base.uses_json(opening)
        settings = models.settings_of(agent)
        fixed = {"model": agent.model, "stream": True, "store": False, **settings.fields, **_texts(opening), **extra}
        self._head = msgspec.json.encode(fixed)[:-1] + b',"input":['
        self._items: list[bytes] = []
        self.sent = base.sent_by(
            opening,
            TRAITS,
            settings,
            api="OpenAI Responses",
            url=address.base_url,
            parameters=_shown(opening, settings),
        )
        self.say(opening.prompt)

    def cap_tokens(self, left_tokens: int) -> int:
        """The agent's own at most, and never less than the API takes."""
        return max(base.least_cap(left_tokens, self._cap), models.SMALLEST_CAP_TOKENS)

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        """All items; only the cap is new."""
        body = b"".join((self._head, b",".join(self._items), b'],"max_output_tokens":%d}' % cap_tokens))
        return body, structs.replace(self.sent, output_cap_tokens=cap_tokens)

    def say(self, text: str) -> None:
        """A message of the user's."""
        self._append({"role": "user", "content": text})

    def answer(self, results: Sequence[ToolResult]) -> None:
        """One item for each result."""
        for result in results:
            self._append({"type": "function_call_output", "call_id": result.call_id, "output": result.text})

    def take(self, exchange: Exchange[ResponsesReader], cap_tokens: int, turn: int) -> Reply:
        """Keep the model's items, and read them."""
        reader = exchange.reader
        reader.tell_ids_apart(turn)
        self._items += [_replayed(raw, call) for raw, call in reader.items]
        calls, finish = reader.calls, reader.finish
        used = reader.usage.output_tokens if reader.usage else 0
        # llama.cpp calls a reply "completed" that its output cap cut, in the middle of a call's arguments too.
        if finish == "stop" and used >= cap_tokens and not (calls and all(_is_whole(call) for call in calls)):
            finish = "length"
        text = reader.text
        if self._json and exchange.cut is None and finish == "stop":
            text = models.step_text(text)
        return Reply(
            text=text,
            calls=calls,
            finish=finish,
            usage=reader.usage,
            reasoning=reader.reasoning,
            request=Sent(service_tier=reader.service_tier, answered_by=reader.answered_by),
        )

    def meant(self, error: ProviderError) -> ProviderError | Reply:
        """The vendor's policy stopped the model, the conversation was too long, or the error itself."""
        if is_policy_error(error):
            return Reply(text=str(error), finish="refused")
        return base.too_long(error, CONTEXT)

    def _append(self, item: dict[str, Any]) -> None:
        self._items.append(msgspec.json.encode(item))


def _texts(opening: base.Opening) -> dict[str, Any]:
    """The request's long fields, which records show as digests."""
    fields: dict[str, Any] = {}
    if system := base.told_system(opening):
        fields["instructions"] = system
    if base.uses_json(opening):
        fields["text"] = models.step_format(opening.tools)
    elif opening.response_schema is not None:
        fields["text"] = models.reply_format(opening.response_schema)
    if tools := base.native_tools(opening):
        fields["tools"] = [_function(tool) for tool in tools]
    return fields


def _function(tool: ToolSpec) -> dict[str, Any]:
    """The API takes a function for strict unless it is told; one with optional arguments cannot be."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": models.is_strict(tool.parameters),
    }


def _shown(opening: base.Opening, settings: base.Settings) -> dict[str, Any]:
    """What else is sent, for people."""
    shown: dict[str, Any] = {"store": False}
    if "include" in settings.fields:
        shown["include"] = settings.fields["include"]
    if base.held_schema(opening) is not None:
        shown["response_format"] = "json_schema"
    if tools := base.native_tools(opening):
        shown["strict_tools"] = [tool.name for tool in tools if models.is_strict(tool.parameters)]
    return shown


def _is_whole(call: ToolCall) -> bool:
    return bool(call.arguments) and base.is_object(call.arguments)


def _replayed(raw: bytes, call: ToolCall | None) -> bytes:
    """The model's item as it goes back to it: verbatim, but for a name or arguments that the API would refuse."""
    if call is None or (_is_whole(call) and base.as_name(call.name) == call.name and _is_as_read(raw, call)):
        return raw
    item = msgspec.json.decode(raw)
    item["call_id"] = call.id
    item["name"] = base.as_name(call.name)
    item["arguments"] = (
        call.arguments if _is_whole(call) else msgspec.json.encode(base.arguments_object(call.arguments)).decode()
    )
    return msgspec.json.encode(item)


def _is_as_read(raw: bytes, call: ToolCall) -> bool:
    """Whether an item's arguments are a text, and its id the call's, as the API wants to see them again."""
    item = msgspec.json.decode(raw)
    return isinstance(item.get("arguments"), str) and item.get("call_id") == call.id
