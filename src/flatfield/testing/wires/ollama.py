"""`ollama`: Ollama's chat API as its server speaks it."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.testing.fake_server import Beliefs
from flatfield.testing.wires._sdk import must_know

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.testing.fake_server import FakeReply


# The rules of Ollama's chat requests: its documented fields and their types, and what a conversation must hold.


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


# ---------------------------------------------------------------------------- the wire


_PIECE_CHARACTERS = 7
_STAMP = "2026-01-01T00:00:00.000000Z"
_SECOND = 1_000_000_000


class OllamaModel(Struct, frozen=True, kw_only=True):
    """What the server tells of its models; None and empty are left out, as older servers do."""

    capabilities: tuple[str, ...] = ("completion", "tools", "thinking")
    context_tokens: int | None = 32768
    family: str = "fake"
    parameters: str = ""
    think_values: tuple[bool | str, ...] = ()
    remote_host: str = ""


class OllamaWire:
    """The protocol, and the messages that were sent: they must come back unchanged.

    `ids` False leaves the ids of tool calls out, as servers before 0.12 do; `load_seconds` is what each reply says of
    loading. Arguments that are no JSON object are sent as text, as gateways send them. `FakeReply.finish` is the
    `done_reason`.
    """

    paths = ("/api/chat",)
    side_paths = ("/api/show", "/api/generate")
    models_path = "/api/tags"
    facts: Mapping[str, Any] = MappingProxyType({"/api/version": {"version": "0.12.6"}})
    base = ""
    content_type = "application/x-ndjson"
    result_mark = b'"tool_name"'
    wrong_path = "/v1"
    too_long = "the input length exceeds the context length"
    arguments_are_text = False
    full_is_length = True
    beliefs = Beliefs(
        kinds=("done",),
        words=frozenset({"role", "done_reason"}),
        written=frozenset({"arguments"}),
        counts=("done:prompt_eval_c", "done:eval_count"),
    )

    def __init__(self, model: OllamaModel | None = None, *, ids: bool = True, load_seconds: float = 0.0) -> None:
        self._model = model or OllamaModel()
        self._ids = ids
        self._load_seconds = load_seconds
        self._given: list[dict[str, Any]] = []

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The models that are pulled; a name without a tag is listed as its `latest`."""
        full = [name if ":" in name else f"{name}:latest" for name in names]
        details = {"family": self._model.family, "format": "gguf", "parameter_size": "1B", "quantization_level": "Q4"}
        return {
            "models": [
                {"name": name, "model": name, "modified_at": _STAMP, "size": 1, "digest": "0" * 64, "details": details}
                for name in full
            ]
        }

    def side(self, path: str, request: Mapping[str, Any], names: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """What a model is, or that it is loaded."""
        name = str(request.get("model", ""))
        if name.removesuffix(":latest") not in {known.removesuffix(":latest") for known in names}:
            return 404, {"error": f"model '{name}' not found"}
        if path == "/api/generate":
            return 200, {"model": name, "created_at": _STAMP, "response": "", "done": True, "done_reason": "load"}
        return 200, self._described()

    def violation(
        self, request: Mapping[str, Any], _headers: Mapping[str, str], _sent: Sequence[FakeReply]
    ) -> str | None:
        """The first rule that a request breaks."""
        return first_violation(request, self._given)

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """Raise ValueError where the vendor's SDK would not send it; it has not learned two words of the API."""
        from ollama._types import ChatRequest, Options

        known = {name: value for name, value in request.items() if name not in {"truncate", "shift"}}
        must_know(set(ChatRequest.model_fields), known)
        ChatRequest.model_validate(known)
        must_know(set(Options.model_fields), request["options"])

    def streams(self, request: Mapping[str, Any], _path: str) -> bool:
        """Ollama streams unless it is told not to."""
        return bool(request.get("stream", True))

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply's lines: thinking and text in pieces, each call whole, then the numbers."""
        message = self._message(reply, number)
        parts: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in _pieces(reply.reasoning)]
        parts += [{"content": piece} for piece in _pieces(message["content"])]
        parts += [{"content": "", "tool_calls": [call]} for call in message.get("tool_calls", ())]
        lines = [_line({"message": {"role": "assistant", **part}, "done": False}) for part in parts]
        return [*lines, _line({"message": {"role": "assistant", "content": ""}, **self._ending(reply)})]

    def whole(self, reply: FakeReply, number: int) -> dict[str, Any]:
        """The reply unstreamed."""
        message = self._message(reply, number)
        return {"model": "fake-model", "created_at": _STAMP, "message": message, **self._ending(reply)}

    def beginning(self) -> bytes:
        """A line of a reply that has begun."""
        return _line({"message": {"role": "assistant", "content": "beginn"}, "done": False})

    def garbage(self) -> bytes:
        """A line that is no JSON."""
        return b"{not json\n"

    def error_event(self, message: str) -> bytes:
        """An error inside a stream."""
        return json.dumps({"error": message}).encode() + b"\n"

    def error(self, _status: int, message: str) -> dict[str, Any]:
        """The body of an error reply."""
        return {"error": message}

    def _message(self, reply: FakeReply, number: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or reply.refusal}
        if reply.reasoning:
            message["thinking"] = reply.reasoning
        if reply.calls:
            message["tool_calls"] = [
                {
                    **({"id": f"call_{number}_{index}_fake"} if self._ids else {}),
                    "function": {"index": index, "name": name, "arguments": _object_or_text(arguments)},
                }
                for index, (name, arguments) in enumerate(reply.calls)
            ]
        self._given.append(message)
        return message

    def _ending(self, reply: FakeReply) -> dict[str, Any]:
        numbers: dict[str, Any] = {
            "total_duration": round((self._load_seconds + 1) * _SECOND),
            "load_duration": round(self._load_seconds * _SECOND),
            "prompt_eval_duration": _SECOND // 4,
            "eval_duration": _SECOND // 2,
        }
        if reply.usage is not None:
            numbers["prompt_eval_count"] = reply.usage.input_tokens
            numbers["prompt_eval_cached_count"] = reply.usage.cache_read_tokens
            numbers["eval_count"] = reply.usage.output_tokens
        # The server leaves zeros out, but for the cached tokens.
        told = {name: value for name, value in numbers.items() if value or name == "prompt_eval_cached_count"}
        return {"done": True, "done_reason": reply.finish or "stop", **told}

    def _described(self) -> dict[str, Any]:
        model = self._model
        info: dict[str, Any] = {"general.architecture": model.family}
        if model.context_tokens is not None:
            info[f"{model.family}.context_length"] = model.context_tokens
        shown: dict[str, Any] = {
            "parameters": model.parameters,
            "details": {"family": model.family, "format": "gguf"},
            "model_info": info,
            "capabilities": list(model.capabilities),
            "thinking": {"values": list(model.think_values)} if model.think_values else None,
            "remote_host": model.remote_host,
            "modified_at": _STAMP,
        }
        return {name: value for name, value in shown.items() if value}


def _object_or_text(arguments: str) -> Any:  # noqa: ANN401 - whatever the model wrote
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) else arguments


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]


def _line(event: dict[str, Any]) -> bytes:
    body = {"model": "fake-model", "created_at": _STAMP, **event}
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


def create() -> OllamaWire:
    """The wire, for one server."""
    return OllamaWire()
