"""What servers of OpenAI's chat protocol refuse in a request: the rules that the test kit's server holds clients to."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PARAMETERS = frozenset(
    {
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
        "verbosity",
    }
)
LLAMA_CPP = frozenset({"cache_prompt", "timings_per_token"})
"""Fields that llama.cpp alone takes."""
_MESSAGE = {
    "system": {"content", "name"},
    "developer": {"content", "name"},
    "user": {"content", "name"},
    "assistant": {"content", "name", "refusal", "tool_calls", "reasoning_content", "reasoning", "reasoning_details"},
    "tool": {"content", "tool_call_id"},
}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def first_violation(
    request: Mapping[str, Any], headers: Mapping[str, str], given: Sequence[Mapping[str, Any]]
) -> str | None:
    """The first rule that a request breaks; `given` are the messages that the server sent until now."""
    if not headers.get("Content-Type", "").startswith("application/json"):
        return "the request's Content-Type must be application/json"
    rules = (_parameters, _tools, _messages, _answers)
    problems = (problem for rule in rules for problem in rule(request))
    return next(problems, None) or next(_returned(request, given), None)


def _parameters(request: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"Unknown parameter: '{name}'." for name in request if name not in _PARAMETERS | LLAMA_CPP)
    if not isinstance(request.get("model"), str) or not request["model"]:
        yield "you must provide a model parameter"
    if "max_tokens" in request and "max_completion_tokens" in request:
        yield "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    for name in ("max_tokens", "max_completion_tokens"):
        if type(request.get(name, 1)) is not int or request.get(name, 1) < 1:
            yield f"Invalid '{name}': expected an integer of 1 or more."
    temperature = request.get("temperature", 1)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        yield "Invalid 'temperature': expected a value between 0 and 2."
    if "stream_options" in request and not request.get("stream"):
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    wanted = request.get("response_format", {"type": "text"})
    if wanted.get("type") == "json_schema" and not {"name", "schema"} <= wanted.get("json_schema", {}).keys():
        yield "Missing required parameter: 'response_format.json_schema'."


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    if request.get("tools") == []:
        yield "[] is too short - 'tools'"
    for tool in request.get("tools", ()):
        function = tool.get("function") or {}
        if tool.get("type") != "function" or not _NAME.fullmatch(function.get("name", "")):
            yield "each tool is a function with a name of 1 to 64 letters, digits, _ and -"
        if function.get("parameters", {"type": "object"}).get("type") != "object":
            yield "a tool's parameters are the schema of an object"


def _messages(request: Mapping[str, Any]) -> Iterator[str]:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "[] is too short - 'messages'"
        return
    for message in messages:
        role = message.get("role")
        if role not in _MESSAGE:
            yield f"unknown role {role!r}"
            continue
        yield from (f"{role}: there is no {name!r}" for name in message.keys() - _MESSAGE[role] - {"role"})
        if message.get("content") is None and not (role == "assistant" and message.get("tool_calls")):
            yield f"a message of the role {role} needs content"
        if message.get("tool_calls") == []:
            yield "[] is too short - 'tool_calls'"
        for call in message.get("tool_calls", ()):
            yield from _call(call)


def _call(call: Mapping[str, Any]) -> Iterator[str]:
    if call.get("type") != "function" or not call.get("id"):
        yield "a tool call needs an id and the type function"
    if not _NAME.fullmatch(call["function"]["name"]):
        yield "the name of a tool call has 1 to 64 letters, digits, _ and -"
    try:
        if not isinstance(json.loads(call["function"]["arguments"]), dict):
            yield "arguments of a tool call are no object"
    except (TypeError, ValueError, RecursionError):
        yield "arguments of a tool call are no JSON"


def _answers(request: Mapping[str, Any]) -> Iterator[str]:
    """Each call is answered once, before anybody says something else."""
    waiting: list[str] = []
    for message in (*request.get("messages", ()), {"role": "user"}):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in waiting:
                yield "a tool message must answer a tool call of the message before"
            waiting = [call for call in waiting if call != message.get("tool_call_id")]
            continue
        if waiting:
            yield f"tool calls without an answer: {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls", ())]


def _returned(request: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the model said comes back as it was sent: texts, reasoning, ids, names and arguments."""
    for message in request["messages"] if given else ():
        if message["role"] == "assistant" and not any(_is_same(message, said) for said in given):
            yield f"an assistant message that this server never sent: {json.dumps(message)}"


def _is_same(message: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether a message is what was said. Reasoning may be left out; calls that nobody accepts may be mended."""
    if (message.get("content") or "") != (said.get("content") or said.get("refusal") or ""):
        return False
    if message.get("reasoning_content", said.get("reasoning_content")) != said.get("reasoning_content"):
        return False
    calls, sent = message.get("tool_calls", []), said.get("tool_calls", [])
    return len(calls) == len(sent) and all(
        call == own or (call["id"] == own["id"] and next(_call(own), None) is not None)
        for call, own in zip(calls, sent, strict=True)
    )
