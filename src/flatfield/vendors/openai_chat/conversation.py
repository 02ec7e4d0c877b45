"""`openai-chat`: any server that speaks OpenAI's Chat Completions, streamed, with native or `json` tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from flatfield.errors import ProviderError
from flatfield.http.post import Post
from flatfield.records import Reply
from flatfield.vendors import _json_protocol as json_protocol
from flatfield.vendors import base
from flatfield.vendors.openai_chat.address import Endpoint, endpoint_of
from flatfield.vendors.openai_chat.reader import ChatReader
from flatfield.vendors.openai_chat.traits import TRAITS
from flatfield.vendors.openai_chat.wire import assistant, explained, parameters, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange, Transport
    from flatfield.records import AgentConfig, ToolResult, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening

CAPPED_ANEW = ("api.openai.com", ".openai.azure.com")
"""Hosts whose newer models take `max_completion_tokens` and refuse `max_tokens`, which every other server knows."""


class OpenAIChatProvider:
    """Opens conversations with OpenAI-compatible servers, hosted or on the desk."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def check(self, agent: AgentConfig) -> None:
        """Ask the server for its models: is it there, is the key good, is the model served?"""
        from flatfield.vendors.openai_chat.readiness import check_server

        await check_server(agent, endpoint_of(agent, self._services.environ), self._services)

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; nothing is sent before its first turn."""
        return open_chat(opening, self._services, endpoint_of(opening.agent, self._services.environ))

    def lane(self, agent: AgentConfig) -> Lane:
        """One lane per server; on the user's own device one trial at a time, so that none slows another."""
        return base.lane(agent, self._services.environ, TRAITS)

    def on_device(self, agent: AgentConfig) -> bool:
        """Only where the user says so: a loopback server may be a gateway to a paid API."""
        return bool(agent.on_device)

    async def close(self) -> None:
        """Nothing was started."""


def open_chat(opening: Opening, services: Services, endpoint: Endpoint) -> Conversation:
    """A conversation on the chat wire, for this provider and for others that serve it (`local`)."""
    return ChatConversation(opening, base.transport(endpoint.base_url, services), endpoint)


class ChatConversation:
    """One trial's messages in the wire's own form, each encoded once: a turn costs what is new in it."""

    def __init__(self, opening: Opening, transport: Transport, endpoint: Endpoint) -> None:
        agent = opening.agent
        self._transport = transport
        self._endpoint = endpoint
        self._json = agent.protocol == "json" and bool(opening.tools)
        self._cap = agent.max_output_tokens
        self._context_tokens = endpoint.extra_request.get("context_tokens", agent.context_tokens)
        host = urlsplit(endpoint.base_url).hostname or ""
        self._cap_field = "max_completion_tokens" if host.endswith(CAPPED_ANEW) else "max_tokens"
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **endpoint.headers}
        system = opening.system_prompt
        if self._json:
            system = f"{system}\n\n{json_protocol.instructions(opening.tools)}"
        fields = parameters(opening, endpoint.extra_body, json_tools=self._json)
        self._body = bytearray(msgspec.json.encode(fields)[:-1] + b',"messages":')
        self._separator = b"["
        if system:
            self._append({"role": "system", "content": system})
        self._append({"role": "user", "content": opening.prompt})
        self._request = shown(fields, endpoint, system, opening)
        self._turns = 0

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self._append_results(results)
        self._turns += 1
        cap = budget.output_tokens if self._cap is None else min(self._cap, budget.output_tokens)
        body = b"".join((self._body, f'],"{self._cap_field}":{cap}}}'.encode()))
        url = f"{self._endpoint.base_url}/chat/completions"
        post = Post(url=url, headers=self._headers, body=body, seconds=budget.seconds, output_tokens=cap)
        try:
            exchange = await self._transport.post(post, ChatReader)
        except ProviderError as error:
            raise explained(error, first_turn=self._turns == 1) from None
        return self._reply(exchange, {**self._request, self._cap_field: cap})

    def _reply(self, exchange: Exchange[ChatReader], request: dict[str, Any]) -> Reply:
        reader = exchange.reader
        text, calls = reader.text, () if self._json else reader.calls(self._turns)
        self._append(assistant(reader, calls))
        if self._json and exchange.cut is None and reader.finish == "stop":
            text, calls = json_protocol.parse(text, self._turns)
        asked = base.ending(reader.finish, reader.usage, request[self._cap_field], self._context_tokens)
        finish = {"time": "time", "size": "length"}.get(exchange.cut or "", asked)
        return Reply(
            text=text,
            calls=calls,
            finish="tool_calls" if calls and finish == "stop" else finish,  # type: ignore[arg-type]
            usage=reader.usage,
            first_token_seconds=exchange.first_token_seconds,
            model_seconds=exchange.model_seconds,
            retry_seconds=exchange.retry_seconds,
            queue_seconds=exchange.queue_seconds,
            load_seconds=self._endpoint.load_seconds if self._turns == 1 else 0.0,
            attempts=exchange.attempts,
            reasoning=reader.reasoning,
            request=request | ({"service_tier": reader.service_tier} if reader.service_tier else {}),
            reported_cost_usd=reader.reported_cost_usd,
            **base.leftovers(exchange, reader.usage),
        )

    def _append(self, message: dict[str, Any]) -> None:
        self._body += self._separator + msgspec.json.encode(message)
        self._separator = b","

    def _append_results(self, results: Sequence[ToolResult]) -> None:
        if results and self._json:
            self._append({"role": "user", "content": json_protocol.results_text(results)})
            return
        for result in results:
            self._append({"role": "tool", "tool_call_id": result.call_id, "content": result.text})
