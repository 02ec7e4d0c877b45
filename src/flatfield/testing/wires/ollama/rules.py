"""The rules of Ollama's chat requests: its documented fields and their types, and what a conversation must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FIELDS: Mapping[str, tuple[type, ...]] = {
    "model": (str,),
    "messages": (list,),
    "tools": (list,),
    "format": (str, dict),
    "options": (dict,),
    "stream": (bool,),
    "think": (bool, str),
    "keep_alive": (str, int, float),
    "truncate": (bool,),
    "shift": (bool,),
    "logprobs": (bool,),
    "top_logprobs": (int,),
}
_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "num_ctx": (int,),
    "num_predict": (int,),
    "num_keep": (int,),
    "num_gpu": (int,),
    "seed": (int,),
    "temperature": (int, float),
    "top_k": (int,),
    "top_p": (int, float),
    "min_p": (int, float),
    "stop": (str, list),
}
_ROLES = frozenset({"system", "user", "assistant", "tool"})
_MESSAGE = frozenset({"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"})


def first_violation(request: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> str | None:
    """The first rule that a request breaks; `given` are the messages that this server sent."""
    return next(_violations(request, given), None)


def _violations(request: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from _typed(request, _FIELDS, "request")
    if not request.get("model"):
        yield "model is required"
        return
    yield from _typed(request.get("options", {}), _OPTIONS, "options")
    if isinstance(request.get("format"), str) and request["format"] not in {"", "json"}:
        yield 'invalid format: expected "json" or a JSON schema'
    yield from _tool_violations(request.get("tools", ()))
    yield from _message_violations(request.get("messages", ()), given)


def _typed(values: Mapping[str, Any], types: Mapping[str, tuple[type, ...]], where: str) -> Iterator[str]:
    for name, value in values.items():
        if name not in types:
            yield f"{where}: there is no {name!r}"
        elif not isinstance(value, types[name]) or (isinstance(value, bool) and bool not in types[name]):
            yield f"{where}: {name} must be of type {' or '.join(kind.__name__ for kind in types[name])}"


def _tool_violations(tools: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for tool in tools:
        function = tool.get("function", {})
        if tool.get("type") != "function" or not function.get("name"):
            yield "a tool must be a function with a name"
        elif function.get("parameters", {}).get("type") != "object":
            yield f"the parameters of {function['name']} must be an object's schema"


def _message_violations(messages: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not messages:
        yield "messages is empty: the server would only load the model"
    waiting: list[Mapping[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role not in _ROLES or set(message) - _MESSAGE:
            yield f"a message of role {role!r} with {sorted(message)} is none of Ollama's"
        if not isinstance(message.get("content", ""), str):
            yield "content must be a string"
        if role == "tool":
            yield from _result_violations(message, waiting.pop(0) if waiting else None)
            continue
        if waiting:
            yield f"{len(waiting)} tool calls have no result"
        waiting = list(message.get("tool_calls") or ())
        if role == "assistant":
            yield from _assistant_violations(message, given)
    if waiting:
        yield f"{len(waiting)} tool calls have no result"


def _result_violations(message: Mapping[str, Any], call: Mapping[str, Any] | None) -> Iterator[str]:
    """Results come in the order of the calls, by name; where both sides have ids, these match too."""
    if call is None:
        yield "a tool message answers no tool call"
        return
    name, identity = call["function"]["name"], call.get("id")
    if message.get("tool_name") != name:
        yield f"the next result must be of {name!r}, not of {message.get('tool_name')!r}"
    if "tool_call_id" in message and message["tool_call_id"] != identity:
        yield f"tool_call_id {message['tool_call_id']!r} is not that of its call, {identity!r}"


def _assistant_violations(message: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    calls = message.get("tool_calls") or ()
    if any(not isinstance(call["function"].get("arguments"), dict) for call in calls):
        yield "arguments of a tool call must be an object"
    elif not any(_is_same(message, sent) for sent in given):
        yield "an assistant's message is not what this server sent"


def _is_same(message: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a message came back as it was sent.

    The vendor's SDK leaves out ids and indices; arguments that were text must have become an object.
    """
    if any((message.get(name) or "") != (sent.get(name) or "") for name in ("content", "thinking")):
        return False
    returned, own = message.get("tool_calls") or (), sent.get("tool_calls") or ()
    return len(returned) == len(own) and all(map(_is_same_call, returned, own))


def _is_same_call(returned: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    function, sent = returned["function"], own["function"]
    if "id" in returned and returned["id"] != own.get("id"):
        return False
    if "index" in function and function["index"] != sent["index"]:
        return False
    is_object = isinstance(sent["arguments"], dict)
    return function["name"] == sent["name"] and (not is_object or function["arguments"] == sent["arguments"])
