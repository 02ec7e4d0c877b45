"""`gemini`: generateContent as its server speaks it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from flatfield.testing.fake_server import Beliefs
from flatfield.testing.wires._sdk import must_know

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import Usage
    from flatfield.testing.fake_server import FakeReply


# What Gemini's API demands of a generateContent request, in its own words where they are known.


_REQUEST = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
_PART_DATA = {"text", "functionCall", "functionResponse", "inlineData", "fileData"}
_PART = {*_PART_DATA, "thought", "thoughtSignature"}
_GENERATION = {
    "temperature",
    "topP",
    "topK",
    "seed",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "thinkingConfig",
}
_LEVELS = {"MINIMAL", "LOW", "MEDIUM", "HIGH"}
_SCHEMA = {"type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "anyOf"}
_FREE_FORM = {"args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema"}
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")


def violations(request: Mapping[str, Any], given: Sequence[list[dict[str, Any]]]) -> Iterator[str]:
    """Every rule that a request breaks; `given` are the model's turns that were sent, each as its parts."""
    request = _camelled(request)
    yield from _unknown(request, _REQUEST, "the request")
    yield from _generation_problems(request.get("generationConfig", {}))
    for tool in request.get("tools", ()):
        for function in tool.get("functionDeclarations", ()):
            yield from _function_problems(function)
    contents = request.get("contents") or []
    if not contents:
        yield "GenerateContentRequest.contents: contents is not specified"
    yield from _content_problems(contents)
    turns = joined(contents)
    if turns and (turns[0][0] != "user" or turns[-1][0] != "user"):
        yield "contents must begin and end with a user turn"
    yield from _call_problems(turns)
    yield from _replay_problems(turns, given)


def joined(contents: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Role and parts of each turn: neighbours of one role are one turn, as a streamed reply may be replayed in pieces.

    Neighbouring texts without a signature are one text; empty ones say nothing.
    """
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for content in contents:
        role = content.get("role", "user")
        if not turns or turns[-1][0] != role:
            turns.append((role, []))
        parts = turns[-1][1]
        for part in content.get("parts", ()):
            if parts and _unsigned_text(part) and _unsigned_text(parts[-1]) and part.keys() == parts[-1].keys():
                parts[-1] = {**part, "text": parts[-1]["text"] + part["text"]}
            elif part != {"text": ""}:
                parts.append(
                    {name: _bytes(item) if name == "thoughtSignature" else item for name, item in part.items()}
                )
    return turns


def _bytes(text: str) -> str:
    """Base64 as proto3's JSON mapping reads it: either alphabet, padded or not (the SDK changes the alphabet)."""
    return text.replace("-", "+").replace("_", "/").rstrip("=")


def _camelled(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Names as proto3's JSON mapping reads them: both spellings of a field are one; what is free-form stays."""
    if isinstance(value, list):
        return [_camelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in _FREE_FORM else _camelled(item) for name, item in named.items()}


def _unsigned_text(part: Mapping[str, Any]) -> bool:
    return "text" in part and "thoughtSignature" not in part


def _unknown(value: Mapping[str, Any], known: set[str], where: str) -> Iterator[str]:
    for name in value:
        if name not in known:
            yield f'Invalid JSON payload received. Unknown name "{name}" at {where}: Cannot find field.'


def _generation_problems(config: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(config, _GENERATION, "'generation_config'")
    if config.get("maxOutputTokens", 1) < 1:
        yield "max_output_tokens must be positive."
    if not 0 <= config.get("temperature", 1) <= 2:
        yield "temperature must be in the range [0.0, 2.0]."
    if "responseSchema" in config and "responseJsonSchema" in config:
        yield "response_schema must be omitted when response_json_schema is set"
    if {"responseSchema", "responseJsonSchema"} & config.keys() and config.get(
        "responseMimeType"
    ) != "application/json":
        yield "a response schema needs response_mime_type application/json"
    thinking = config.get("thinkingConfig", {})
    yield from _unknown(thinking, {"includeThoughts", "thinkingBudget", "thinkingLevel"}, "'thinking_config'")
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        yield "You can only set only one of thinking budget and thinking level."
    if "thinkingLevel" in thinking and thinking["thinkingLevel"] not in _LEVELS:
        yield f"Invalid value at 'thinking_config.thinking_level': {thinking['thinkingLevel']!r}"


def _function_problems(function: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(
        function, {"name", "description", "parameters", "parametersJsonSchema"}, "'function_declarations'"
    )
    if not _FUNCTION_NAME.fullmatch(function.get("name", "")):
        yield f"Invalid function name {function.get('name')!r}"
    if "parameters" in function and "parametersJsonSchema" in function:
        yield "parameters and parameters_json_schema are mutually exclusive"
    yield from _unknown(function.get("parameters", {}), _SCHEMA, "'function_declarations[0].parameters'")


def _content_problems(contents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for index, content in enumerate(contents):
        where = f"GenerateContentRequest.contents[{index}]"
        yield from _unknown(content, {"role", "parts"}, where)
        if content.get("role", "user") not in {"user", "model"}:
            yield "Please use a valid role: user, model."
        if not content.get("parts"):
            yield f"{where}.parts: contents.parts must not be empty."
        for part in content.get("parts", ()):
            yield from _unknown(part, _PART, where)
            if len(_PART_DATA & part.keys()) != 1:
                yield f"{where}.parts: required oneof field 'data' must have one initialized field"
            for name in ("functionCall", "functionResponse"):
                if name in part and not part[name].get("name"):
                    yield f"{where}.parts.{name}.name: Name cannot be empty."
            if not isinstance(part.get("functionResponse", {"response": {}}).get("response"), dict):
                yield f"{where}.parts.function_response.response: an object is required"


def _call_problems(turns: Sequence[tuple[str, list[dict[str, Any]]]]) -> Iterator[str]:
    """Every call of a turn is answered in the next one, in its order, by name and by id."""
    waiting: list[dict[str, Any]] = []
    for role, parts in turns:
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        if (calls and role != "model") or (answers and role != "user"):
            yield "the model calls functions, the user answers with their responses"
        if len(answers) != len(waiting):
            yield (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        for call, answer in zip(waiting, answers, strict=False):
            if (call["name"], call.get("id")) != (answer["name"], answer.get("id")):
                yield f"the response to {call['name']} must carry its name and its id {call.get('id')!r}"
        ids = [call["id"] for call in calls if "id" in call]
        if len(ids) != len(set(ids)):
            yield "two function calls of one turn have the same id"
        waiting = calls


def _replay_problems(
    turns: Sequence[tuple[str, list[dict[str, Any]]]], given: Sequence[list[dict[str, Any]]]
) -> Iterator[str]:
    """The model's turns come back as they were sent, in their order, each signature on the part that carried it."""
    sent = iter([parts for _, parts in joined([{"role": "model", "parts": parts}])] for parts in given)
    for role, parts in turns:
        if role != "model":
            continue
        if any("functionCall" in part for part in parts) and not any("thoughtSignature" in part for part in parts):
            yield "Function call is missing a thought_signature in functionCall parts."
        if not any([parts] == turn for turn in sent):
            yield f"this turn of the model was never sent, or not here: {parts}"


# ---------------------------------------------------------------------------- the wire


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
    beliefs = Beliefs(
        kinds=("candidates.0.finishReason",),
        words=frozenset({"role", "finishReason", "status"}),
        written=frozenset({"args"}),
        counts=("finishReason:usageMetadata",),
        cut="MAX_TOKENS",
    )

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
