"""`openai-chat`: Chat Completions as its server speaks it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from flatfield.testing.fake_server import Beliefs, FakeServer
from flatfield.testing.wires._sdk import must_be

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.records import Usage
    from flatfield.testing.fake_server import FakeReply, Step


# What servers of OpenAI's chat protocol refuse in a request: the rules that the test kit's server holds clients to.


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


# ---------------------------------------------------------------------------- the wire


_PIECE_CHARACTERS = 7
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
SDK_REQUEST = "openai.types.chat.completion_create_params:CompletionCreateParamsStreaming"


class ChatWire:
    """The protocol, and the messages that were sent: they must come back unchanged.

    Reasoning is sent as `reasoning_content`, as most servers that show it do. `FakeReply.finish` is the finish reason.
    """

    paths = ("/chat/completions",)
    models_path = "/models"
    base = "/v1"
    content_type = "text/event-stream; charset=utf-8"
    result_mark = b'"tool_call_id"'
    wrong_path = ""
    too_long = "This model's maximum context length is 8000 tokens."
    arguments_are_text = True
    full_is_length = True
    beliefs = Beliefs(
        kinds=("usage", "choices.0.finish_reason"),
        words=frozenset({"type", "role", "object", "finish_reason", "code"}),
        counts=("usage:usage",),
    )

    def __init__(self) -> None:
        self._given: list[dict[str, Any]] = []

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The list of models."""
        listed = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in names]
        return {"object": "list", "data": listed}

    def violation(
        self, request: Mapping[str, Any], headers: Mapping[str, str], _sent: Sequence[FakeReply]
    ) -> str | None:
        """The first rule that a request breaks."""
        return first_violation(request, headers, self._given)

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """Raise ValueError where the vendor's SDK would not send it.

        It knows no `reasoning_content`; the servers that send it want it back.
        """
        messages = [
            {name: value for name, value in message.items() if name != "reasoning_content"}
            for message in request["messages"]
        ]
        must_be(SDK_REQUEST, {**request, "messages": messages})

    def streams(self, request: Mapping[str, Any], _path: str) -> bool:
        """Whether the request asks for a stream."""
        return bool(request.get("stream"))

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply in pieces, with keep-alives between them: text by words, arguments in halves, then usage."""
        message = self._message(reply, number)
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        for name in ("reasoning_content", "content", "refusal"):
            deltas += [{name: piece} for piece in _pieces(message.get(name) or "")]
        for index, call in enumerate(message.get("tool_calls", ())):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            half = len(arguments) // 2
            head = {"index": index, "id": call["id"], "type": "function"}
            deltas.append({"tool_calls": [{**head, "function": {"name": name, "arguments": arguments[:half]}}]})
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]})
        chunks = [_chunk([_choice("delta", delta, None)]) for delta in deltas]
        chunks.append(_chunk([_choice("delta", {}, _finish(reply))]))
        if reply.usage is not None:
            chunks.append({**_chunk([]), "usage": _usage(reply.usage)})
        return [*(_framed(json.dumps(chunk, ensure_ascii=False)) for chunk in chunks), _framed("[DONE]")]

    def whole(self, reply: FakeReply, number: int) -> dict[str, Any]:
        """The reply unstreamed."""
        message = self._message(reply, number)
        body = {**_chunk([_choice("message", message, _finish(reply))]), "object": "chat.completion"}
        return body if reply.usage is None else {**body, "usage": _usage(reply.usage)}

    def beginning(self) -> bytes:
        """The chunks of a reply that has begun."""
        return _framed(json.dumps(_chunk([_choice("delta", {"role": "assistant", "content": "beginn"}, None)])))

    def garbage(self) -> bytes:
        """A framed event that is no JSON."""
        return _framed("{not json")

    def error_event(self, message: str) -> bytes:
        """An error inside a stream: the body of an error reply as an event."""
        return _framed(json.dumps(self.error(500, message)))

    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error reply."""
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        code = "context_length_exceeded" if "maximum context length" in message else _CODES.get(status)
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def _message(self, reply: FakeReply, number: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.refusal:
            message["refusal"] = reply.refusal
        if reply.calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{number}_{index}",
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for index, (name, arguments) in enumerate(reply.calls)
            ]
        self._given.append(message)
        return message


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake-model",
        "choices": choices,
    }


def _choice(name: str, value: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, name: value, "logprobs": None, "finish_reason": finish}


def _finish(reply: FakeReply) -> str:
    return reply.finish or ("tool_calls" if reply.calls else "stop")


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]


def _framed(data: str) -> bytes:
    return f": keep-alive\n\ndata: {data}\n\n".encode()


def create() -> ChatWire:
    """The wire, for one server."""
    return ChatWire()


class FakeChat(FakeServer):
    """The fake server with this protocol, for tests that need a model server and not a vendor's.

    `async with FakeChat(script) as server:` is a `FakeServer` whose wire is `ChatWire`; its options are the same.
    """

    def __init__(self, script: Callable[[dict[str, Any], int], Step] | Sequence[Step], **options: Any) -> None:  # noqa: ANN401 - passed through
        super().__init__(ChatWire(), script, **options)
