"""`openai-chat`: Chat Completions as its server speaks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flatfield.testing.wires._sdk import must_be
from flatfield.testing.wires.openai_chat.rules import first_violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import Usage
    from flatfield.testing.fake_server import FakeReply


# OpenAI's Chat Completions as its servers speak it: the test kit's wire.


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
