"""`anthropic`: the Messages API as its server speaks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flatfield.testing.wires._sdk import must_be
from flatfield.testing.wires.anthropic.rules import blocks, violations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.testing.fake_server import FakeReply


# Anthropic's Messages API as its server speaks it, for `FakeServer`.


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_PIECE = 7
SDK_REQUEST = "anthropic.types.message_create_params:MessageCreateParamsStreaming"


class AnthropicWire:
    """`POST /v1/messages`; strict about what the vendor refuses: see `rules`.

    Thinking comes as a `thinking` block with a signature and a `redacted_thinking` block after it, both made from
    `FakeReply.reasoning`, so that a block that comes back changed is known. A refusal's text is its explanation.
    """

    paths = ("/v1/messages",)
    models_path = "/v1/models"
    base = ""
    content_type = "text/event-stream; charset=utf-8"
    result_mark = b'"tool_use_id"'
    wrong_path = "/v1/messages"
    too_long = "prompt is too long: 9000 tokens > 8000 maximum"
    arguments_are_text = True
    full_is_length = False

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The list of models, all active; the ids of retired ones begin with "retired-"."""
        data = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "2026-01-01T00:00:00Z",
                "lifecycle": "retired" if name.startswith("retired-") else "active",
                "retires_at": "2026-08-05T00:00:00Z" if name.startswith("retired-") else None,
            }
            for name in names
        ]
        return {"data": data, "has_more": False, "first_id": names[0] if names else None, "last_id": None}

    def violation(
        self, request: Mapping[str, Any], headers: Mapping[str, str], sent: Sequence[FakeReply]
    ) -> str | None:
        """The first rule that a request breaks."""
        return next(violations(request, {name.lower(): value for name, value in headers.items()}, sent), None)

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """Raise ValueError where the vendor's SDK would not send it; models older than the SDK take a temperature."""
        must_be(SDK_REQUEST, {name: value for name, value in request.items() if name != "temperature"})

    def streams(self, request: Mapping[str, Any], path: str) -> bool:
        """Whether the request asks for a stream."""
        del path  # the same for both
        return bool(request.get("stream"))

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply's events, with pings between the blocks."""
        usage = _usage(reply)
        start = {**_message(reply, number), "content": [], "stop_reason": None, "stop_details": None}
        if usage is not None:
            start["usage"] = {**usage, "output_tokens": 1}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
        for index, block in enumerate(_content(reply, number)):
            events += _block_events(index, block, _arguments(reply, block))
            events.append({"type": "ping"})
        message = _message(reply, number)
        end = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
        delta: dict[str, Any] = {"type": "message_delta", "delta": end}
        if usage is not None:
            delta["usage"] = usage
        events += [delta, {"type": "message_stop"}]
        return [b": keep-alive\n\n", *map(_framed, events)]

    def whole(self, reply: FakeReply, number: int) -> dict[str, Any]:
        """The reply unstreamed."""
        message = {**_message(reply, number), "content": _content(reply, number)}
        usage = _usage(reply)
        return message if usage is None else {**message, "usage": usage}

    def beginning(self) -> bytes:
        """The events of a reply that has begun with the text "beginn"."""
        started = {"id": "msg_cut", "type": "message", "role": "assistant", "model": "fake-model", "content": []}
        usage = {"input_tokens": 60, "output_tokens": 1}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**started, "stop_reason": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "beginn"}},
        ]
        return b"".join(map(_framed, events))

    def garbage(self) -> bytes:
        """A framed event that is no JSON."""
        return b"event: content_block_delta\ndata: {not json\n\n"

    def error_event(self, message: str) -> bytes:
        """The vendor's error in mid-stream."""
        return _framed(self.error(529, message))

    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error reply."""
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}


def _content(reply: FakeReply, number: int) -> list[dict[str, Any]]:
    return [block | {"input": block["input"] or {}} if "input" in block else block for block in blocks(reply, number)]


def _arguments(reply: FakeReply, block: Mapping[str, Any]) -> str:
    """The arguments of a call as the model wrote them, which need not be JSON."""
    return reply.calls[int(block["id"].split("_")[2])][1] if block["type"] == "tool_use" else ""


def _message(reply: FakeReply, number: int) -> dict[str, Any]:
    stop = reply.finish or ("refusal" if reply.refusal else "tool_use" if reply.calls else "end_turn")
    details = {"type": "refusal", "category": None, "explanation": reply.refusal} if reply.refusal else None
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "fake-model",
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": details,
    }


def _usage(reply: FakeReply) -> dict[str, Any] | None:
    usage = reply.usage
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - usage.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _block_events(index: int, block: Mapping[str, Any], arguments: str) -> list[dict[str, Any]]:
    """One block as it streams: begun empty, filled piece by piece, ended."""
    kind = block["type"]
    if kind == "text":
        start, deltas = {**block, "text": ""}, _deltas("text_delta", "text", block["text"])
    elif kind == "thinking":
        start = {**block, "thinking": "", "signature": ""}
        deltas = _deltas("thinking_delta", "thinking", block["thinking"])
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind == "tool_use":
        start, deltas = {**block, "input": {}}, _deltas("input_json_delta", "partial_json", arguments)
        deltas.insert(0, {"type": "input_json_delta", "partial_json": ""})
    else:
        start, deltas = dict(block), []
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _deltas(kind: str, name: str, text: str) -> list[dict[str, Any]]:
    return [{"type": kind, name: text[start : start + _PIECE]} for start in range(0, len(text), _PIECE)]


def _framed(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def create() -> AnthropicWire:
    """The wire, for one server."""
    return AnthropicWire()
