"""`anthropic`: the Messages API, with thinking returned as it came and the growing prompt cached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import ContextTooLong, Interrupted, ProviderError
from flatfield.http.post import Post
from flatfield.http.secrecy import shown_url
from flatfield.records import TurnBudget
from flatfield.vendors import _json_protocol as json_protocol
from flatfield.vendors import base
from flatfield.vendors.anthropic.address import endpoint_of
from flatfield.vendors.anthropic.models import settings_of, thinking_tokens, traits_of
from flatfield.vendors.anthropic.pauses import after, joined
from flatfield.vendors.anthropic.reader import MessageReader
from flatfield.vendors.anthropic.schema import output_format
from flatfield.vendors.anthropic.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Transport
    from flatfield.records import AgentConfig, Reply, ToolResult
    from flatfield.vendors.base import Conversation, Lane, Opening

MOST_PAUSES = 10
_CONTEXT_WORDS = ("prompt is too long", "exceed context limit", "exceed_context_size", "context window")
_CACHED = {"cache_control": {"type": "ephemeral"}}
_END = b"}]}"  # of an encoded message, whose last block is never empty
_CACHED_END = b',"cache_control":{"type":"ephemeral"}}]}'


class AnthropicProvider:
    """Opens conversations with Anthropic's models, and with other servers that speak the Messages API."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def check(self, agent: AgentConfig) -> None:
        """Ask the server for its models: is it there, is the key good, is the model served?"""
        from flatfield.vendors.anthropic.readiness import check_server

        await check_server(agent, endpoint_of(agent, self._services.environ), self._services)

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; nothing is sent before its first turn."""
        services = self._services
        endpoint = endpoint_of(opening.agent, services.environ)
        return MessagesConversation(opening, base.transport(endpoint.base_url, services), endpoint)

    def lane(self, agent: AgentConfig) -> Lane:
        """One lane per server."""
        return base.lane(agent, self._services.environ, TRAITS)

    def on_device(self, agent: AgentConfig) -> bool:
        """Only where the user says so."""
        return bool(agent.on_device)

    async def close(self) -> None:
        """Nothing was started."""


class MessagesConversation:
    """One trial's messages in the API's own form, each encoded once: a turn costs what is new in it.

    The cache is asked to keep the tools, the system prompt and, rolling, the last two of our messages: the newer is
    written, the older is found again however many blocks lie between them (the API looks back over 20 blocks only).
    These marks are no part of what is cached, so they are set while sending and the history stays as it is.
    """

    def __init__(self, opening: Opening, transport: Transport, endpoint: base.Address) -> None:
        agent = opening.agent
        self._transport = transport
        self._endpoint = endpoint
        self._url = f"{endpoint.base_url}/v1/messages"
        self._json = agent.protocol == "json" and bool(opening.tools)
        self._settings = settings_of(agent)
        system = opening.system_prompt
        if self._json:
            system = f"{system}\n\n{json_protocol.instructions(opening.tools)}".strip()
        self._head, self._request = self._opened(opening, system)
        self._messages: list[bytes] = []
        self._last = ""
        self._turns = 0
        self._append("user", [{"type": "text", "text": opening.prompt}])

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`. A turn that the API pauses is continued."""
        self._append_results(results)
        self._turns += 1
        replies: list[Reply] = []
        left = budget
        for _ in range(MOST_PAUSES + 1):
            try:
                reply, paused = await self._ask(left)
            except Interrupted as stopped:
                after(replies, stopped.left)
                raise
            except ProviderError as error:
                raise after(replies, error) from None
            replies.append(reply)
            if not paused:
                return joined(replies)
            used_tokens = reply.usage.output_tokens if reply.usage else 0
            left = TurnBudget(
                seconds=left.seconds - reply.model_seconds, output_tokens=max(1, left.output_tokens - used_tokens)
            )
        endless = ProviderError(f"{shown_url(self._url)} paused one turn more than {MOST_PAUSES} times")
        raise after(replies, endless)

    async def _ask(self, budget: TurnBudget) -> tuple[Reply, bool]:
        """One request; returns its reply, and whether the API paused in the middle of the turn."""
        body, request = self._body(budget.output_tokens)
        cap, headers = request["max_tokens"], self._endpoint.headers
        post = Post(url=self._url, headers=headers, body=body, seconds=budget.seconds, output_tokens=cap)
        try:
            exchange = await self._transport.post(post, MessageReader)
        except ProviderError as error:
            if error.status in {400, 413} and any(word in str(error) for word in _CONTEXT_WORDS):
                raise error.retold(str(error), ContextTooLong) from None
            raise
        reader = exchange.reader
        text, calls = reader.text, reader.calls()
        if reader.complete:
            self._append("assistant", reader.content())
        if self._json and exchange.cut is None and reader.finish == "stop" and not reader.paused:
            text, calls = json_protocol.parse(text, self._turns)
        told = base.Told(
            text=text,
            calls=calls,
            finish=reader.finish,
            usage=reader.usage,
            reasoning=reader.reasoning,
            service_tier=reader.service_tier,
        )
        return base.reply(told, exchange, request), reader.paused and exchange.cut is None

    def _body(self, left_tokens: int) -> tuple[bytes, dict[str, Any]]:
        """The request's bytes, and what the record shows of it."""
        settings = self._settings
        cap = left_tokens if settings.cap_tokens is None else min(left_tokens, settings.cap_tokens)
        varying: dict[str, Any] = {"max_tokens": cap}
        if settings.budget_tokens and (tokens := thinking_tokens(settings.budget_tokens, cap)):
            varying["thinking"] = {"type": "enabled", "budget_tokens": tokens}
        messages = self._messages.copy()
        for index in range(0, len(messages), 2)[-2:]:  # ours are every other one, from the first
            messages[index] = messages[index].removesuffix(_END) + _CACHED_END
        tail = b"]," + msgspec.json.encode(varying)[1:]
        return b"".join((self._head, b",".join(messages), tail)), self._request | varying

    def _opened(self, opening: Opening, system: str) -> tuple[bytes, dict[str, Any]]:
        """What stays the same over all turns: the encoded start of each request, and what the record shows of it."""
        agent, settings = opening.agent, self._settings
        sent: dict[str, Any] = {"model": agent.model, "stream": True, **settings.sent}
        shown = {**sent, **settings.noted}
        schema = json_protocol.schema(opening.tools) if self._json else opening.response_schema
        if schema is not None:
            output = output_format(schema) if traits_of(agent.model).structured else None
            shown["response_schema"] = "prompt only" if output is None else "json_schema"
            if output is not None:
                sent["output_config"] = {**sent.get("output_config", {}), "format": output}
        if opening.tools and not self._json:
            tools: list[dict[str, Any]] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
                for tool in opening.tools
            ]
            sent["tools"] = [*tools[:-1], tools[-1] | _CACHED]
        if system.strip():
            sent["system"] = [{"type": "text", "text": system, **_CACHED}]
        shown["anthropic_version"] = self._endpoint.headers["anthropic-version"]
        shown = base.shown(shown, opening, api="Anthropic Messages", base_url=self._endpoint.base_url, system=system)
        return msgspec.json.encode(sent)[:-1] + b',"messages":[', shown

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

    def _append_results(self, results: Sequence[ToolResult]) -> None:
        """All results of a turn in one message, as the API wants them."""
        if results and self._json:
            self._append("user", [{"type": "text", "text": json_protocol.results_text(results)}])
            return
        self._append("user", [_result(result) for result in results])


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id}
    if result.text:
        block["content"] = result.text
    if not result.ok:
        block["is_error"] = True
    return block
