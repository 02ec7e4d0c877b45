"""`gemini`: generateContent as its server speaks it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from flatfield.testing.wires._sdk import must_know
from flatfield.testing.wires.gemini.rules import violations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import Usage
    from flatfield.testing.fake_server import FakeReply


# Gemini's generateContent as its server speaks it: signed calls, events without an end mark, plain errors.


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_VERSION = "/{version:v1|v1beta}"
_WORD = 7


class GeminiWire:
    """One server's wire: it remembers what it sent, so that a signature that comes back changed is noticed.

    `ids` False: calls without an id, as older models make them. `retry_delay`: the RetryInfo of a 429 ("13s").
    """

    result_mark = b'"functionResponse"'
    wrong_path = "/v1beta/openai"
    too_long = "The input token count (9000) exceeds the maximum number of tokens allowed (8000)."
    arguments_are_text = False
    full_is_length = False

    def __init__(self, *, ids: bool = True, retry_delay: str | None = None, model_version: str = "fake-model") -> None:
        self._ids = ids
        self._retry_delay = retry_delay
        self._model_version = model_version
        self._given: list[list[dict[str, Any]]] = []

    @property
    def paths(self) -> Sequence[str]:
        """Streamed and unstreamed."""
        return (f"{_VERSION}/models/{{model}}:streamGenerateContent", f"{_VERSION}/models/{{model}}:generateContent")

    @property
    def models_path(self) -> str:
        """The list of models."""
        return f"{_VERSION}/models"

    @property
    def base(self) -> str:
        """A base_url has no version."""
        return ""

    @property
    def content_type(self) -> str:
        """Server-sent events, as `alt=sse` asks for."""
        return "text/event-stream"

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """Models that chat."""
        methods = ["generateContent", "countTokens"]
        return {
            "models": [
                {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods} for name in names
            ]
        }

    def violation(
        self, request: Mapping[str, Any], headers: Mapping[str, str], sent: Sequence[FakeReply]
    ) -> str | None:
        """The first rule that a request breaks."""
        if not headers.get("x-goog-api-key"):
            return (
                "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
            )
        if sum(content.get("role") == "model" for content in request.get("contents", ())) and not sent:
            return "a turn of the model that was never sent"
        return next(violations(request, self._given), None)

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """Raise ValueError where the vendor's SDK would not send it."""
        from google.genai import types

        must_know({"contents", "systemInstruction", "tools", "generationConfig"}, request)
        for content in request["contents"]:
            types.Content.model_validate(content)
        types.Content.model_validate(request.get("systemInstruction", {}))
        types.GenerationConfig.model_validate(request["generationConfig"])
        for tool in request.get("tools", ()):
            types.Tool.model_validate(tool)

    def streams(self, request: Mapping[str, Any], path: str) -> bool:
        """The method says it."""
        return bool(request) and path.endswith(":streamGenerateContent")

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply in the pieces that a server streams: text by words, the calls at once, the usage in each."""
        parts = self._parts(reply, number)
        self._given.append(parts)
        chunks = [self._chunk(reply, [piece]) for part in parts for piece in _pieces(part)] or [self._chunk(reply, [])]
        chunks[-1]["candidates"][0].update(_ending(reply))
        return [b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n" for chunk in chunks]

    def whole(self, reply: FakeReply, number: int) -> dict[str, Any]:
        """The reply unstreamed."""
        parts = self._parts(reply, number)
        self._given.append(parts)
        chunk = self._chunk(reply, parts)
        chunk["candidates"][0].update(_ending(reply))
        return chunk

    def beginning(self) -> bytes:
        """A chunk of text."""
        chunk = {"candidates": [{"content": {"role": "model", "parts": [{"text": "beginn"}]}, "index": 0}]}
        return b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"

    def garbage(self) -> bytes:
        """A framed event that is no JSON."""
        return b"data: {not json\r\n\r\n"

    def error_event(self, message: str) -> bytes:
        """An error breaks the stream off as plain JSON over several lines, which the vendor's SDKs put together."""
        return json.dumps(self.error(503, message), indent=2).encode() + b"\r\n"

    def error(self, status: int, message: str) -> dict[str, Any]:
        """google.rpc.Status as the API writes it."""
        error: dict[str, Any] = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
        if status == 429 and self._retry_delay is not None:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": self._retry_delay}]
        return {"error": error}

    def _parts(self, reply: FakeReply, number: int) -> list[dict[str, Any]]:
        """The model's turn: the first of parallel calls is signed, a turn without calls on an empty text at its end."""
        if reply.refusal:
            return []
        parts: list[dict[str, Any]] = []
        if reply.reasoning:
            parts.append({"text": reply.reasoning, "thought": True})
        if reply.text:
            parts.append({"text": reply.text})
        calls = [] if malformed(reply) else reply.calls
        for index, (name, arguments) in enumerate(calls):
            call: dict[str, Any] = {"id": f"c{number}x{index}"} if self._ids else {}
            parts.append({"functionCall": {**call, "name": name, "args": json.loads(arguments or "{}")}})
        signature = base64.b64encode(hashlib.sha256(f"{number}{parts}".encode()).digest()).decode()
        if calls:
            parts[-len(calls)]["thoughtSignature"] = signature
        elif parts:
            parts.append({"text": "", "thoughtSignature": signature})
        return parts

    def _chunk(self, reply: FakeReply, parts: list[dict[str, Any]]) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0}
        if parts:
            candidate["content"] = {"role": "model", "parts": parts}
        chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": self._model_version, "responseId": "fake"}
        if reply.usage is not None:
            chunk["usageMetadata"] = _usage(reply.usage)
        return chunk


def malformed(reply: FakeReply) -> bool:
    """Whether a call's arguments are no JSON object: the API then hands on no call at all."""
    for _, arguments in reply.calls:
        try:
            if not isinstance(json.loads(arguments or "{}"), dict):
                return True
        except (ValueError, RecursionError):
            return True
    return False


def _ending(reply: FakeReply) -> dict[str, str]:
    if reply.finish:
        return {"finishReason": reply.finish}
    if reply.refusal:
        return {"finishReason": "PROHIBITED_CONTENT", "finishMessage": reply.refusal}
    if malformed(reply):
        name, arguments = reply.calls[0]
        return {
            "finishReason": "MALFORMED_FUNCTION_CALL",
            "finishMessage": f"Malformed function call: {name}({arguments}",
        }
    return {"finishReason": "STOP"}


def _pieces(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Texts come by and by; what is signed and what is called comes in one piece."""
    text = part.get("text", "")
    if not text or "thoughtSignature" in part:
        return [part]
    return [{**part, "text": text[start : start + _WORD]} for start in range(0, len(text), _WORD)]


def _usage(usage: Usage) -> dict[str, int]:
    counts = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    return {name: count for name, count in counts.items() if count}


def create() -> GeminiWire:
    """The wire, for one server."""
    return GeminiWire()
