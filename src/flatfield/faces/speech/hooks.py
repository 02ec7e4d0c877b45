"""What is said of an assistant's hook event: who ended how, after how long and for how much, as its result tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield.errors import FlatfieldError
from flatfield.faces.speech.sentences import agent_sentence, plain, spoken_name, spoken_seconds, spoken_usd

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLED = ("PostToolUse", "PostToolUseFailure")
"""Events that tell of one tool's call."""
EVENTS = ("Stop", "StopFailure", "SubagentStop", "Notification", *CALLED)
REASON_CHARACTERS = 120
_DEEPEST = 6
_WRAPPER = "nano-agent-"
_WITHIN = ("structuredContent", "content", "text")
_PATH = re.compile(r"(?<![\w/])(?:~|\.{1,2})?/(?:[\w.@+-]+/)+([\w.@+-]+)")
_ADDRESS = re.compile(r"https?://([\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?:[/?#][^\s,;:!'\")]*)?")
_SENTENCE_END = re.compile(r"[.;!?](?:\s|$)|\n")


class _Metadata(Struct, frozen=True, kw_only=True):
    agent: str = ""
    cost_usd: float | None = None


class _Result(Struct, frozen=True, kw_only=True):
    """The part of a nano agent's result that is spoken of."""

    success: bool | None
    result: str
    error: str | None = None
    execution_time_seconds: float = 0.0
    metadata: _Metadata = _Metadata()


def hook_sentence(event: bytes) -> str:
    """What is said of an event; "" where it tells nothing that has ended.

    Raises:
        FlatfieldError: it is no event that is spoken of.
    """
    try:
        told = msgspec.json.decode(event)
    except (msgspec.DecodeError, RecursionError):
        raise FlatfieldError("stdin holds no JSON: --hook reads what an assistant hands to its hooks") from None
    if not isinstance(told, dict):
        raise FlatfieldError("stdin holds no hook event: a JSON object with hook_event_name")
    name = told.get("hook_event_name", "")
    if name == "Stop":
        return "I am done"
    if name == "StopFailure":
        return _cut_short(told)
    if name == "Notification":
        return _text(told, "message") or "I need you"
    if name == "SubagentStop":
        return _sub_agent(told)
    if name in CALLED:
        return _call(told)
    raise FlatfieldError(f"hook_event_name {name!r} is not one that is spoken of; there are: {', '.join(EVENTS)}")


def _cut_short(told: Mapping[str, Any]) -> str:
    """A turn that ended because its model could not be asked: the assistant's own, or a sub-agent's."""
    kind, error = _text(told, "agent_type"), _text(told, "last_assistant_message") or _text(told, "error")
    if kind:
        return _failed(kind, error)
    return f"I could not go on: {reason}" if (reason := _reason(error)) else "I could not go on"


def _sub_agent(told: Mapping[str, Any]) -> str:
    """A sub-agent's end; of one that only passes a result on, the call's own event has told already."""
    kind, last = _text(told, "agent_type"), _text(told, "last_assistant_message")
    if not kind:
        return "A sub-agent is done"
    if _WRAPPER not in kind or not last:
        return f"{spoken_name(kind)} is done"
    return "" if _result(last) else f"{spoken_name(kind)} ended without a result"


def _call(told: Mapping[str, Any]) -> str:
    """The end of a call that handed work to a nano agent; it may have been cut, refused or never begun."""
    given = told.get("tool_input")
    asked = (_text(given, "agent") or _text(given, "model")) if isinstance(given, dict) else ""
    if told["hook_event_name"] == "PostToolUseFailure":
        if told.get("is_interrupt") is True:
            return f"{spoken_name(asked)} was interrupted"
        return _failed(asked, _text(told, "error"))
    answer = told.get("tool_response")
    if isinstance(answer, dict) and answer.get("isError") is True:
        return _failed(asked, _first_text(answer.get("content")))
    found = _result(answer)
    return result_sentence(found, asked) if found else f"{spoken_name(asked)} has ended"


def result_sentence(result: _Result, asked: str = "") -> str:
    """E.g. "gpt-5 mini: done in 12 seconds, a third of a cent"; "" while it is at work."""
    if result.success is None:
        return ""
    agent, usd = result.metadata.agent or asked, result.metadata.cost_usd
    if result.success:
        return agent_sentence(agent, result.execution_time_seconds, usd=usd)
    return _failed(agent, result.error or "", result.execution_time_seconds, usd)


def _failed(agent: str, error: str, seconds: float = 0.0, usd: float | None = None) -> str:
    """E.g. "gpt-5 mini: failed: the key was refused, after 3 seconds, a tenth of a cent"."""
    parts = [
        f"{spoken_name(agent)}: failed: {reason}"
        if (reason := _reason(error, agent))
        else f"{spoken_name(agent)}: failed"
    ]
    parts += [f"after {spoken_seconds(seconds)}"] if seconds else []
    parts += [spoken_usd(usd)] if usd else []
    return ", ".join(parts)


def _reason(error: str, agent: str = "") -> str:
    """An error's first sentence, as an ear takes it in: the agent not named again, hosts and files by name alone."""
    line = _ADDRESS.sub(r"\1", error.strip().removeprefix(f"agent {agent!r}: "))
    line = _PATH.sub(r"\1", line)
    line = plain(_SENTENCE_END.split(line, maxsplit=1)[0]).rstrip(" ,:")
    return line if len(line) <= REASON_CHARACTERS else line[:REASON_CHARACTERS].rsplit(" ", 1)[0] + ", and so on"


def _result(value: object, depth: int = 0) -> _Result | None:
    """A nano agent's result: as it is, as JSON in a text, in blocks of content, or beside them."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        start = value.find("{")
        return _result(_first_object(value[start:]), depth + 1) if start >= 0 else None
    if isinstance(value, dict):
        if "success" in value:
            return _converted(value)
        inner: list[object] = [value[key] for key in _WITHIN if key in value]
    else:
        inner = list(value) if isinstance(value, list) else []
    return next((found for each in inner if (found := _result(each, depth + 1))), None)


def _first_object(text: str) -> object:
    """The JSON object that a text begins with, whatever stands behind it."""
    import json

    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _converted(value: dict[str, Any]) -> _Result | None:
    try:
        return msgspec.convert(value, _Result)
    except msgspec.ValidationError:
        return None


def _first_text(content: object) -> str:
    blocks = content if isinstance(content, list) else [content]
    texts = [each if isinstance(each, str) else _text(each, "text") for each in blocks]
    return next((text for text in texts if text), "")


def _text(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
