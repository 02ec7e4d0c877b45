"""OpenAI's Chat Completions, streamed: one trial's messages as such servers have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from flatfield.records import ToolCall
from flatfield.vendors import base
from flatfield.vendors.openai_chat.address import Endpoint, catalogue, endpoint_of
from flatfield.vendors.openai_chat.reader import ChatReader
from flatfield.vendors.openai_chat.traits import TRAITS
from flatfield.vendors.openai_chat.wire import (
    assistant,
    explained,
    is_filtered,
    lost_call,
    other_cap_field,
    parameters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.errors import ProviderError
    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange
    from flatfield.records import Reply, Sent, ToolResult, TurnBudget

CALL_AGAIN = "Call one of the tools with one JSON object as its arguments, or answer."
CAPPED_ANEW = ("api.openai.com", ".openai.azure.com")
"""Hosts whose newer models take `max_completion_tokens` and refuse `max_tokens`, which every other server knows."""


def provider(services: Services) -> base.ApiProvider:
    """Opens conversations with OpenAI-compatible servers, hosted or on the desk."""

    async def open_talk(opening: base.Opening, address: base.Address) -> base.Conversation:
        return open_chat(opening, services, Endpoint(address=address))

    return base.ApiProvider(services, TRAITS, endpoint_of=endpoint_of, catalogue=catalogue(), open_talk=open_talk)


def open_chat(opening: base.Opening, services: Services, endpoint: Endpoint) -> base.Conversation:
    """A conversation on the chat wire, for this vendor and for others that serve it (`local`)."""
    transport = base.transport_to(endpoint.address.base_url, services)
    talk = base.Talk(opening, transport, ChatMessages(opening, endpoint))
    return AfterLoading(talk, endpoint.load_seconds) if endpoint.load_seconds else talk


class AfterLoading:
    """A conversation whose model had to be loaded first: that is told with the first turn, and is none of its time."""

    def __init__(self, talk: base.Talk, load_seconds: float) -> None:
        self._talk = talk
        self._load_seconds = load_seconds

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        reply = await self._talk.turn(results, budget)
        load_seconds, self._load_seconds = self._load_seconds, 0.0
        return structs.replace(reply, load_seconds=load_seconds)


class ChatMessages:
    """One trial's messages in the wire's own form, each encoded once: a turn costs what is new in it."""

    new_reader = ChatReader

    def __init__(self, opening: base.Opening, endpoint: Endpoint) -> None:
        agent, address = opening.agent, endpoint.address
        self.url = f"{address.base_url}/chat/completions"
        self.headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **address.headers}
        self._json = base.uses_json(opening)
        self._cap = agent.max_output_tokens
        self._context_tokens = endpoint.context_tokens or agent.context_tokens
        host = urlsplit(address.base_url).hostname or ""
        self._cap_field = b"max_completion_tokens" if host.endswith(CAPPED_ANEW) else b"max_tokens"
        fields = parameters(opening, endpoint.extra_body)
        self._body = bytearray(msgspec.json.encode(fields)[:-1] + b',"messages":')
        self._first_body = msgspec.json.encode(endpoint.first_body)
        self._separator = b"["
        if system := base.told_system(opening):
            self._append({"role": "system", "content": system})
        self.say(opening.prompt)
        self.sent = _sent(opening, endpoint, fields)
        self._is_first = True
        self._mistake = ""

    def cap_tokens(self, left_tokens: int) -> int:
        """The agent's own at most."""
        return base.least_cap(left_tokens, self._cap)

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        """All messages; only the cap is new, and what the first request alone says."""
        first = b",%s" % self._first_body[1:-1] if self._is_first and len(self._first_body) > len(b"{}") else b""
        body = b"".join((self._body, b'],"%s":%d%s}' % (self._cap_field, cap_tokens, first)))
        return body, structs.replace(self.sent, output_cap_tokens=cap_tokens)

    def say(self, text: str) -> None:
        """A message of the user's."""
        self._append({"role": "user", "content": text})

    def answer(self, results: Sequence[ToolResult]) -> None:
        """One message for each result; what the server did not keep of a lost call is told in words."""
        if self._mistake:
            self.say(self._mistake)
            self._mistake = ""
            return
        for result in results:
            self._append({"role": "tool", "tool_call_id": result.call_id, "content": result.text})

    def take(self, exchange: Exchange[ChatReader], cap_tokens: int, turn: int) -> base.Told:
        """Keep the model's message, and read it."""
        reader = exchange.reader
        self._is_first = False
        calls = () if self._json else reader.calls(turn)
        self._append(assistant(reader, calls))
        reasoning, text = base.parted(reader.text, reader.reasoning)
        return base.Told(
            text=text,
            calls=calls,
            finish=base.ending(reader.finish, reader.usage, cap_tokens, self._context_tokens),
            usage=reader.usage,
            reasoning=reasoning,
            service_tier=reader.service_tier,
            answered_by=reader.answered_by,
            reported_cost_usd=reader.reported_cost_usd,
            device=reader.device,
        )

    def meant(self, error: ProviderError) -> ProviderError | base.Told | None:
        """A filter's refusal, a slip of the model's, another name for the cap, or the error and a way out."""
        if is_filtered(error):
            return base.Told(text=str(error), calls=(), finish="refused", usage=None)
        if (field := other_cap_field(error, self._cap_field)) is not None:
            self._cap_field = field
            return None
        if (written := lost_call(error)) is not None:
            self._mistake = f"Your tool call could not be read and nothing was run: {written}. {CALL_AGAIN}"
            call = ToolCall(id="lost", name="", arguments=written or "{}")
            return base.Told(text="", calls=(call,), finish="tool_calls", usage=None)
        return explained(error, first_turn=self._is_first)

    def _append(self, message: dict[str, Any]) -> None:
        self._body += self._separator + msgspec.json.encode(message)
        self._separator = b","


def _sent(opening: base.Opening, endpoint: Endpoint, fields: dict[str, Any]) -> Sent:
    agent = opening.agent
    settings = base.Settings(
        temperature=agent.temperature, reasoning_effort=agent.reasoning_effort, context_tokens=endpoint.context_tokens
    )
    first = {f"{name} (first turn)": value for name, value in endpoint.first_body.items()}
    shown = {"stream_options": fields["stream_options"], **endpoint.extra_body, **first}
    if "response_format" in fields:
        schema = base.digest(msgspec.json.encode(fields["response_format"]).decode())
        shown["response_format"] = f"json_schema {schema}"
    url = endpoint.address.base_url
    sent = base.sent_by(opening, TRAITS, settings, api="OpenAI Chat Completions", url=url, parameters=shown)
    return structs.replace(
        sent,
        base_url=sent.base_url if endpoint.shown_url is None else endpoint.shown_url,
        model_file=endpoint.model_file,
        gpu_layers=endpoint.gpu_layers,
        model_layers=endpoint.model_layers,
        tools_ignored=endpoint.tools_ignored,
    )
