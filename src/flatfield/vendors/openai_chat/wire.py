"""What goes out on the OpenAI chat wire: a request's parameters, the model's messages sent back, errors explained."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.vendors import base

if TYPE_CHECKING:
    from flatfield.records import ToolCall
    from flatfield.vendors.base import Opening
    from flatfield.vendors.openai_chat.reader import ChatReader

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
