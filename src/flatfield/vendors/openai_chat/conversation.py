"""OpenAI's Chat Completions, streamed: one trial's messages as such servers have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.records import Reply, Sent, ToolCall
from flatfield.vendors import base
from flatfield.vendors.openai_chat.reader import ChatReader
from flatfield.vendors.openai_chat.traits import TRAITS, Endpoint, catalogue, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange
    from flatfield.records import ToolResult, TurnBudget
    from flatfield.vendors.base import Opening


# What goes out on the OpenAI chat wire: a request's parameters, the model's messages sent back, errors explained.


_CONTEXT = re.compile(
    r"context_length|exceed_context|context (?:length|size|window)|maximum context|(?:prompt|input) is too long"
    r"|reduce the length|too many (?:input )?tokens",
    re.IGNORECASE,
)
_OUTPUT_CAP = re.compile(r"max_(?:completion_)?tokens|in the completion", re.IGNORECASE)
CAP_FIELDS = (b"max_completion_tokens", b"max_tokens")
_FILTERED = re.compile(r'"code"\s*:\s*"content_filter"|ResponsibleAIPolicyViolation')
_GENERATED = re.compile(r'"failed_generation"\s*:\s*("(?:[^"\\]|\\.)*")')
_HINTS = {
    "stream_options": "this server cannot report tokens while it streams; use a newer version of it",
    "response_format": "this server cannot constrain replies to a JSON schema, which the json protocol and "
    "judges need; use one that can, or native tools",
    "reasoning_effort": "this model does not take reasoning_effort; leave it out of the agent's configuration",
    "temperature": "this model does not take that temperature; leave it out of the agent's configuration",
    "tool": 'this server or model may not support tools; protocol = "json" does without',
    "system role": 'this model\'s template has no system prompt; set system_prompt = "" for the agent',
}
"""What to do when a server refuses a parameter; nothing is left out silently, as agents would not be comparable."""


def parameters(opening: Opening, extra: dict[str, Any]) -> dict[str, Any]:
    """The request's fields that stay the same over all turns."""
    agent = opening.agent
    fields: dict[str, Any] = {
        "model": agent.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        **extra,
    }
    if agent.temperature is not None:
        fields["temperature"] = agent.temperature
    if agent.reasoning_effort is not None:
        fields["reasoning_effort"] = agent.reasoning_effort
    if (schema := base.held_schema(opening)) is not None:
        fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "step", "schema": schema}}
    if tools := base.native_tools(opening):
        fields["tools"] = [base.function(tool) for tool in tools]
    return fields


def assistant(reader: ChatReader, calls: tuple[ToolCall, ...]) -> dict[str, Any]:
    """The model's message as it goes back to it: verbatim, but for calls that a server would refuse to read again.

    Servers refuse a conversation in which arguments do not parse (llama.cpp with a 500); wrapped, the model still reads
    what it wrote beside the error that it caused. The same goes for names that cannot be a function's.
    """
    message: dict[str, Any] = {"role": "assistant", "content": reader.text or ("" if not calls else None)}
    if not calls:
        return message
    message |= reader.replayed
    message["tool_calls"] = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": base.as_name(call.name), "arguments": _as_object(call.arguments)},
            **({"extra_content": built.extra} if built.extra else {}),
        }
        for call, built in zip(calls, reader.building, strict=True)
    ]
    return message


def _as_object(arguments: str) -> str:
    if base.is_object(arguments):
        return arguments or "{}"
    return msgspec.json.encode(base.arguments_object(arguments)).decode()


def explained(error: ProviderError, *, first_turn: bool) -> ProviderError:
    """The same failure, told apart from a conversation that is too long, and with what to do about it."""
    text = str(error)
    if error.status in {400, 413} and _CONTEXT.search(text):
        if first_turn and _OUTPUT_CAP.search(text):
            fix = "set the agent's max_output_tokens so that prompt and output fit into the model's context together"
            return error.retold(f"{text}; {fix}", ProviderError)
        return error.retold(text, ContextTooLong)
    if error.status in {400, 404, 422}:
        hint = next((hint for name, hint in _HINTS.items() if name in text.lower()), "")
        return error.retold(f"{text}; {hint}" if hint else text, ProviderError)
    return error


def is_filtered(error: ProviderError) -> bool:
    """Whether a vendor's filter stopped the prompt: how the model's reply ended, not a failure of the harness."""
    return error.status == 400 and bool(_FILTERED.search(str(error)))


def lost_call(error: ProviderError) -> str | None:
    """What the model wrote for a call that its server could not read (Groq's `tool_use_failed`), which was its slip."""
    if error.status != 400 or "tool_use_failed" not in str(error):
        return None
    found = _GENERATED.search(str(error))
    return found[1] if found else ""


def other_cap_field(error: ProviderError, field: bytes) -> bytes | None:
    """What the server wants the output cap to be called, where it says so and that is not the name in use."""
    text = str(error)
    if error.status not in {400, 422} or field.decode() not in text:
        return None
    return next(
        (name for name in CAP_FIELDS if name != field and name.decode() in text.replace(field.decode(), "")), None
    )


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

    def take(self, exchange: Exchange[ChatReader], cap_tokens: int, turn: int) -> Reply:
        """Keep the model's message, and read it."""
        reader = exchange.reader
        self._is_first = False
        calls = () if self._json else reader.calls(turn)
        self._append(assistant(reader, calls))
        reasoning, text = base.parted(reader.text, reader.reasoning)
        return Reply(
            text=text,
            calls=calls,
            finish=base.ending(reader.finish, reader.usage, cap_tokens, self._context_tokens),
            usage=reader.usage,
            reasoning=reasoning,
            request=Sent(service_tier=reader.service_tier, answered_by=reader.answered_by),
            reported_cost_usd=reader.reported_cost_usd,
            device=reader.device,
        )

    def meant(self, error: ProviderError) -> ProviderError | Reply | None:
        """A filter's refusal, a slip of the model's, another name for the cap, or the error and a way out."""
        if is_filtered(error):
            return Reply(text=str(error), finish="refused")
        if (field := other_cap_field(error, self._cap_field)) is not None:
            self._cap_field = field
            return None
        if (written := lost_call(error)) is not None:
            self._mistake = f"Your tool call could not be read and nothing was run: {written}. {CALL_AGAIN}"
            call = ToolCall(id="lost", name="", arguments=written or "{}")
            return Reply(text="", calls=(call,), finish="tool_calls")
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
