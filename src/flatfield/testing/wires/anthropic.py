"""`anthropic`: the Messages API as its server speaks it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from flatfield.testing.fake_server import Beliefs
from flatfield.testing.wires._sdk import must_be

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flatfield.testing.fake_server import FakeReply


# The content blocks of the Messages API that tell a `FakeReply`, sealed so that a changed one is known.


def blocks(reply: FakeReply, number: int) -> list[dict[str, Any]]:
    """The content blocks that tell a reply, in the order of the API: thinking, text, calls.

    Arguments that are no JSON object have `input` None: the API never sends any, other servers do.
    """
    told: list[dict[str, Any]] = []
    if reply.reasoning:
        told.append({"type": "thinking", "thinking": reply.reasoning, "signature": seal(reply.reasoning)})
        told.append({"type": "redacted_thinking", "data": seal(f"redacted {reply.reasoning}")})
    if reply.text:
        told.append({"type": "text", "text": reply.text})
    for index, (name, arguments) in enumerate(reply.calls):
        call = {"type": "tool_use", "id": call_id(number, index), "name": name, "input": _object(arguments)}
        told.append(call)
    return told


def call_id(number: int, index: int) -> str:
    """An id that tells whether it came back as it was sent: it carries its own seal."""
    return f"toolu_{number}_{index}_{seal(f'{number} {index}')[:8]}"


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def seal(text: str) -> str:
    """What stands for a signature, and for encrypted content."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


# ---------------------------------------------------------------------------- what the server refuses


_SAMPLING = {"temperature", "top_p", "top_k"}
_VERSIONS = {"2023-06-01": _SAMPLING, "2026-10-21": set[str]()}
_FIELDS = {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "stop_sequences", "metadata"),
    *("thinking", "output_config", "cache_control", "service_tier", "inference_geo", "speed", "container"),
}
_EFFORTS = {"low", "medium", "high", "xhigh", "max"}
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_UNCACHED = {"thinking", "redacted_thinking"}
_MOST_MARKS = 4
_SMALLEST_BUDGET_TOKENS = 1024


def violations(request: Mapping[str, Any], headers: Mapping[str, str], sent: Sequence[FakeReply]) -> Iterator[str]:
    """Every rule that a request breaks; header names in lower case, `sent` what the server replied so far."""
    version = headers.get("anthropic-version", "")
    if version not in _VERSIONS:
        yield f"anthropic-version: {version!r} is no version"
    unknown = set(request) - _FIELDS - _VERSIONS.get(version, set())
    if unknown:
        yield f"{min(unknown)}: Extra inputs are not permitted"
    if not request.get("model"):
        yield "model: Field required"
    cap = request.get("max_tokens")
    if not isinstance(cap, int) or cap < 1:
        yield "max_tokens: a whole number from 1 is required"
        return
    yield from _thinking(request, cap)
    yield from _output(request)
    yield from _tools(request)
    yield from _marks(request)
    yield from _conversation(request, sent)


def _thinking(request: Mapping[str, Any], cap: int) -> Iterator[str]:
    thinking = request.get("thinking", {})
    kind = thinking.get("type", "disabled")
    if kind not in {"adaptive", "enabled", "disabled", "between_tools"}:
        yield f"thinking.type: {kind!r} is unknown"
    if kind == "enabled" and not _SMALLEST_BUDGET_TOKENS <= thinking.get("budget_tokens", 0) < cap:
        yield "thinking.budget_tokens: must be 1024 or more, and less than max_tokens"
    if kind != "enabled" and "budget_tokens" in thinking:
        yield "thinking.budget_tokens: Extra inputs are not permitted"
    if kind in {"adaptive", "enabled"} and request.get("temperature", 1) != 1:
        yield "temperature: may only be 1 when thinking is enabled"
    if not 0 <= request.get("temperature", 1) <= 1:
        yield "temperature: must be from 0 to 1"


def _output(request: Mapping[str, Any]) -> Iterator[str]:
    config = request.get("output_config", {})
    if config.get("effort", "high") not in _EFFORTS:
        yield f"output_config.effort: {config['effort']!r} is no level"
    form = config.get("format")
    if form is not None and form.get("type") != "json_schema":
        yield "output_config.format.type: must be json_schema"
    if form is not None and any(part.get("additionalProperties") is not False for part in _objects(form["schema"])):
        yield "output_config.format.schema: additionalProperties must be false for every object"


def _objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every schema of an object in a schema."""
    if schema.get("type") == "object":
        yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")]
    for part in inner:
        if part:
            yield from _objects(part)


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    names = [tool.get("name", "") for tool in request.get("tools", ())]
    if len(set(names)) < len(names):
        yield "tools: names must be unique"
    for tool in request.get("tools", ()):
        if not _TOOL_NAME.fullmatch(tool.get("name", "")):
            yield f"tools: {tool.get('name')!r} is no name"
        if tool.get("input_schema", {}).get("type") != "object":
            yield "tools: input_schema.type must be object"


def _marks(request: Mapping[str, Any]) -> Iterator[str]:
    """The rules of prompt caching."""
    system = request.get("system", ())
    places: list[Mapping[str, Any]] = [*request.get("tools", ()), *(() if isinstance(system, str) else system)]
    for message in request.get("messages", ()):
        places += _blocks(message)
    marked = [place for place in places if place.get("cache_control")]
    if len(marked) > _MOST_MARKS:
        yield f"cache_control: at most {_MOST_MARKS} blocks may have it, {len(marked)} do"
    for place in marked:
        if place["cache_control"].get("type") != "ephemeral":
            yield "cache_control.type: must be ephemeral"
        if place.get("type") in _UNCACHED or place.get("text") == "":
            yield "cache_control: cannot be set for thinking and for empty text"
    for place in places:
        if place.get("type") == "text" and not place["text"].strip():
            yield "text content blocks must contain non-whitespace text"


def _conversation(request: Mapping[str, Any], sent: Sequence[FakeReply]) -> Iterator[str]:
    messages = request.get("messages") or ()
    if not messages:
        yield "messages: at least one message is required"
        return
    told = [_told(blocks(reply, 0)) for reply in sent]
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message.get("role") != ("user", "assistant")[number % 2]:
            yield f"messages.{number}: roles must alternate, and begin with user"
        content = _blocks(message)
        if not content:
            yield f"messages.{number}: content must not be empty"
        if message.get("role") == "user":
            yield from _answers(number, content, waiting)
            waiting = []
        else:
            waiting = [block["id"] for block in content if block["type"] == "tool_use"]
            yield from _returned(number, content, told)
    paused = bool(sent) and sent[-1].finish == "pause_turn"
    if messages[-1].get("role") == "assistant" and not paused:
        yield "messages: the last one must be the user's"
    if waiting and not paused:
        yield f"messages: tool_use without tool_result: {waiting}"
    if any(block["type"] == "tool_use" for message in messages for block in _blocks(message)) and not request.get(
        "tools"
    ):
        yield "tools: required when the messages have tool_use"


def _answers(number: int, content: Sequence[Mapping[str, Any]], waiting: Sequence[str]) -> Iterator[str]:
    """Every call of the message before is answered once, and the answers come before anything else."""
    kinds = [block["type"] for block in content]
    answered = [block.get("tool_use_id") for block in content if block["type"] == "tool_result"]
    if sorted(map(str, answered)) != sorted(waiting):
        yield f"messages.{number}: tool_result for {answered}, but the calls before are {list(waiting)}"
    if kinds != sorted(kinds, key=lambda kind: kind != "tool_result"):
        yield f"messages.{number}: tool_result must come first"
    if not set(kinds) <= {"text", "tool_result"}:
        yield f"messages.{number}: a user's message cannot have {sorted(set(kinds))}"


def _returned(number: int, content: Sequence[Mapping[str, Any]], told: Sequence[list[Any]]) -> Iterator[str]:
    """What the model said comes back as it was: all blocks, in their order, with their signatures and ids."""
    if content and content[-1]["type"] in _UNCACHED:
        yield f"messages.{number}: the final block cannot be {content[-1]['type']}"
    for block in content:
        if block["type"] == "tool_use" and not _is_sealed(block["id"]):
            yield f"messages.{number}: {block['id']!r} is no id of a call"
        if block["type"] == "tool_use" and not _TOOL_NAME.fullmatch(block["name"]):
            yield f"messages.{number}: {block['name']!r} is no name of a tool: it should match {_TOOL_NAME.pattern}"
    back = _told(content)
    if not any(_is_chain(back, told[start:]) for start in range(len(told))):
        yield f"messages.{number}: blocks must remain as they were in the response, thinking included"


def _is_sealed(text: str) -> bool:
    found = re.fullmatch(r"toolu_(\d+)_(\d+)_.*", text)
    return found is not None and text == call_id(int(found[1]), int(found[2]))


def _is_chain(back: list[Any], told: Sequence[list[Any]]) -> bool:
    """Whether a message is one reply, or the parts of a turn that was paused."""
    for part in told:
        head, back = back[: len(part)], back[len(part) :]
        if not all(map(_is_same, head, part)) or len(head) < len(part):
            return False
        if not back:
            return True
    return False


def _is_same(back: tuple[Any, ...], sent: tuple[Any, ...]) -> bool:
    """Equal; of a call whose name was none or whose arguments were no JSON object, any name and any object will do."""
    if back == sent or sent[0] != "tool_use":
        return back == sent
    return back[0] == sent[0] and all(was in (None, now) for now, was in zip(back[1:], sent[1:], strict=True))


def _told(content: Iterable[Mapping[str, Any]]) -> list[Any]:
    """What must not change in blocks; ids of calls and names that are none aside, and without blocks of empty text."""
    fields = {"text": ("text",), "thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
    return [
        (block["type"], *(_kept(name, block.get(name)) for name in fields.get(block["type"], ("name", "input"))))
        for block in content
        if block["type"] != "text" or block["text"].strip()
    ]


def _kept(field: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A field as it must come back: a tool's name that is none (a proxy let it through) must come back as another."""
    return None if field == "name" and not _TOOL_NAME.fullmatch(str(value)) else value


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content") or ()
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


# ---------------------------------------------------------------------------- the wire


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
    beliefs = Beliefs(
        words=frozenset({"type", "role", "stop_reason"}),
        ids=frozenset({"id"}),
        written=frozenset({"input"}),
        counts=("message_delta:usage", "message_start:message(message).usage.input_tokens"),
        cut="max_tokens",
        limit_headers=tuple(
            f"anthropic-ratelimit-{what}-{part}"
            for what in ("requests", "tokens", "input-tokens", "output-tokens")
            for part in ("limit", "remaining", "reset")
        ),
        optional=("content_block_start:content_block(redacted_thinking)",),
    )

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
