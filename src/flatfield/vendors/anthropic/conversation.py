"""The Messages API, streamed: one trial's messages as the API has them, thinking returned as it came."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.errors import Interrupted, ProviderError
from flatfield.http.secrecy import shown_url
from flatfield.records import Abandoned, Leftover, Reply, Sent, TurnBudget, total_usage
from flatfield.vendors import base
from flatfield.vendors.anthropic.models import accepts_of, settings_of, thinking_budget, thinking_tokens
from flatfield.vendors.anthropic.reader import MessageReader
from flatfield.vendors.anthropic.traits import TRAITS, catalogue, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange
    from flatfield.records import ToolResult


# Structured outputs: a JSON Schema in the form that the Messages API holds a model to.


_KNOWN = frozenset(
    {
        "type",
        "description",
        "title",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "const",
    }
)


def output_format(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """`output_config.format` for a schema; None where it uses more than the API supports (the API would refuse it).

    Source: the vendor's page on structured outputs, "JSON Schema limitations": objects must be closed, bounds on
    numbers and lengths are not supported. Only the keywords that our own schemas use are taken for supported.
    """
    closed = _closed(schema)
    return None if closed is None else {"type": "json_schema", "schema": closed}


def _closed(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    if not _KNOWN.issuperset(schema):
        return None
    closed = dict(schema)
    if schema.get("type") == "object":
        if schema.get("additionalProperties"):
            return None
        closed["additionalProperties"] = False
    if "properties" in schema:
        closed["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
    if "anyOf" in schema:
        closed["anyOf"] = [_closed(part) for part in schema["anyOf"]]
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    parts = [*closed.get("properties", {}).values(), *closed.get("anyOf", ()), closed.get("items", {})]
    return None if None in parts else closed


# Makes one reply of those of a turn that the API paused, and keeps what they used when the turn comes to nothing.


def joined(replies: Sequence[Reply]) -> Reply:
    """The replies of one turn that was paused, as one."""
    last = replies[-1]
    if len(replies) == 1:
        return last
    usage = total_usage(reply.usage for reply in replies)
    abandoned = tuple(item for reply in replies for item in reply.abandoned_usage)
    if usage is None:  # one was cut before it was counted: it stands beside the others, which were
        abandoned = _used(replies, kept=True)
    return structs.replace(
        last,
        text="".join(reply.text for reply in replies),
        reasoning="".join(reply.reasoning for reply in replies),
        usage=usage,
        first_token_seconds=replies[0].first_token_seconds,
        pieces=sum(reply.pieces or 0 for reply in replies),
        model_seconds=sum(reply.model_seconds for reply in replies),
        retry_seconds=sum(reply.retry_seconds for reply in replies),
        queue_seconds=sum(reply.queue_seconds for reply in replies),
        attempts=sum(reply.attempts for reply in replies),
        wire=tuple(wire for reply in replies for wire in reply.wire),
        abandoned=sum(reply.abandoned for reply in replies),
        abandoned_usage=abandoned,
    )


def left_with(replies: Sequence[Reply], left: Leftover) -> Leftover:
    """What a request took, and what the replies took that came before it in the same turn and come to nothing with it.

    Its `queue_seconds` are its own: the replies' were waited for requests that were answered.
    """
    return structs.replace(
        left,
        wire=tuple(wire for reply in replies for wire in reply.wire) + left.wire,
        abandoned=(*_used(replies, kept=False), *left.abandoned),
        retry_seconds=left.retry_seconds + sum(reply.retry_seconds for reply in replies),
    )


def _used(replies: Sequence[Reply], *, kept: bool) -> tuple[Abandoned, ...]:
    """All that replies used, one item each and those of their own abandoned attempts."""
    whole = [Abandoned(usage=reply.usage, estimated=False, kept=kept) for reply in replies if reply.usage is not None]
    return (*(item for reply in replies for item in reply.abandoned_usage), *whole)


MOST_PAUSES = 10
_CONTEXT = re.compile("prompt is too long|exceed context limit|exceed_context_size|context window")
_CACHED = {"cache_control": {"type": "ephemeral"}}
_END = b"}]}"  # of an encoded message, whose last block is never empty
_CACHED_END = b',"cache_control":{"type":"ephemeral"}}]}'


def provider(services: Services) -> base.ApiProvider:
    """Opens conversations with Anthropic's models, and with other servers that speak the Messages API."""

    async def open_talk(opening: base.Opening, address: base.Address) -> base.Conversation:
        talk = base.Talk(opening, base.transport_to(address.base_url, services), Messages(opening, address))
        return Paused(talk, address)

    return base.ApiProvider(services, TRAITS, endpoint_of=endpoint_of, catalogue=catalogue(), open_talk=open_talk)


class Paused:
    """A conversation whose turns the API may pause: such a turn is continued, and is one turn all the same."""

    def __init__(self, talk: base.Talk, address: base.Address) -> None:
        self._talk = talk
        self._address = address

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self._talk.begin(results)
        replies: list[Reply] = []
        left = budget
        for _ in range(MOST_PAUSES + 1):
            try:
                reply = await self._talk.ask(left)
            except Interrupted as stopped:
                raise Interrupted(left_with(replies, stopped.left)) from None
            except ProviderError as error:
                raise error.having(left_with(replies, error.left)) from None
            replies.append(reply)
            if reply.finish != "paused":
                return joined(replies)
            used_tokens = reply.usage.output_tokens if reply.usage else 0
            left = TurnBudget(
                seconds=left.seconds - reply.model_seconds, output_tokens=max(1, left.output_tokens - used_tokens)
            )
        endless = ProviderError(f"{shown_url(self._address.base_url)} paused one turn more than {MOST_PAUSES} times")
        raise endless.having(left_with(replies, endless.left))


class Messages:
    """One trial's messages in the API's own form, each encoded once: a turn costs what is new in it.

    The cache is asked to keep the tools, the system prompt and, rolling, the last two of our messages: the newer is
    written, the older is found again however many blocks lie between them (the API looks back over 20 blocks only).
    These marks are no part of what is cached, so they are set while sending and the history stays as it is.
    """

    new_reader = MessageReader

    def __init__(self, opening: base.Opening, address: base.Address) -> None:
        agent = opening.agent
        self.url = f"{address.base_url}/v1/messages"
        self.headers = address.headers
        self._caps = (agent.max_output_tokens, accepts_of(agent.model).max_output_tokens)
        self._budget_tokens = thinking_budget(agent)
        settings, output = settings_of(agent), _output(opening)
        self._head = _head(opening, settings, output)
        sent = base.sent_by(
            opening,
            TRAITS,
            settings,
            api="Anthropic Messages",
            url=address.base_url,
            parameters=_shown(opening, settings, output),
        )
        self.sent = structs.replace(sent, api_version=address.headers["anthropic-version"])
        self._messages: list[bytes] = []
        self._last = ""
        self.say(opening.prompt)

    def cap_tokens(self, left_tokens: int) -> int:
        """The agent's own and the model's at most."""
        return base.least_cap(left_tokens, *self._caps)

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        """All messages, with the marks for the cache; the cap is new, and the thinking budget that depends on it."""
        varying: dict[str, Any] = {"max_tokens": cap_tokens}
        sent = structs.replace(self.sent, output_cap_tokens=cap_tokens)
        if tokens := thinking_tokens(self._budget_tokens, cap_tokens):
            varying["thinking"] = {"type": "enabled", "budget_tokens": tokens}
            sent = structs.replace(sent, thinking=varying["thinking"])
        messages = self._messages.copy()
        for index in range(0, len(messages), 2)[-2:]:  # ours are every other one, from the first
            messages[index] = messages[index].removesuffix(_END) + _CACHED_END
        tail = b"]," + msgspec.json.encode(varying)[1:]
        return b"".join((self._head, b",".join(messages), tail)), sent

    def say(self, text: str) -> None:
        """A message of the user's."""
        self._append("user", [{"type": "text", "text": text}])

    def answer(self, results: Sequence[ToolResult]) -> None:
        """All results of a turn in one message, as the API wants them."""
        self._append("user", [_result(result) for result in results])

    def take(self, exchange: Exchange[MessageReader], _cap_tokens: int, _turn: int) -> Reply:
        """Keep the model's blocks, and read them."""
        reader = exchange.reader
        if reader.complete:
            self._append("assistant", reader.content())
        return Reply(
            text=reader.text,
            calls=reader.calls(),
            finish="paused" if reader.paused and exchange.cut is None else reader.finish,
            usage=reader.usage,
            reasoning=reader.reasoning,
            request=Sent(service_tier=reader.service_tier, answered_by=reader.answered_by),
        )

    def meant(self, error: ProviderError) -> ProviderError:
        """A conversation that is too long, or the error itself."""
        return base.too_long(error, _CONTEXT)

    def _append(self, role: str, blocks: Sequence[Any]) -> None:
        """Roles alternate: blocks of the role that spoke last belong to its message."""
        if not blocks:
            return
        encoded = msgspec.json.encode(blocks)
        if role == self._last:
            self._messages[-1] = self._messages[-1].removesuffix(b"]}") + b"," + encoded[1:] + b"}"
        else:
            self._messages.append(b'{"role":"%s","content":%s}' % (role.encode(), encoded))
        self._last = role


def _output(opening: base.Opening) -> dict[str, Any] | None:
    """What holds a reply to a schema; None where nothing does."""
    schema = base.held_schema(opening)
    return output_format(schema) if schema is not None and accepts_of(opening.agent.model).structured else None


def _head(opening: base.Opening, settings: base.Settings, output: dict[str, Any] | None) -> bytes:
    """What stays the same over all turns: the encoded start of each request."""
    fields: dict[str, Any] = {"model": opening.agent.model, "stream": True, **settings.fields}
    if output is not None:
        fields["output_config"] = {**fields.get("output_config", {}), "format": output}
    if tools := base.native_tools(opening):
        described: list[dict[str, Any]] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in tools
        ]
        fields["tools"] = [*described[:-1], described[-1] | _CACHED]
    if system := base.told_system(opening):
        fields["system"] = [{"type": "text", "text": system, **_CACHED}]
    return msgspec.json.encode(fields)[:-1] + b',"messages":['


def _shown(opening: base.Opening, settings: base.Settings, output: dict[str, Any] | None) -> dict[str, Any]:
    """What else is sent, for people."""
    shown = {name: value for name, value in settings.fields.items() if name == "output_config"}
    if base.held_schema(opening) is not None:
        shown["response_schema"] = "prompt only" if output is None else "json_schema"
    return shown


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id}
    if result.text:
        block["content"] = result.text
    if not result.ok:
        block["is_error"] = True
    return block
