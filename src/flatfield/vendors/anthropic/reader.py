"""Reads one reply of the Messages API, streamed or whole, and keeps its blocks as they were sent."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from flatfield.errors import ProviderError
from flatfield.http.replies import RETRIED, PassingFailure
from flatfield.json_text import halves_joined
from flatfield.records import Finish, ToolCall, Usage
from flatfield.vendors._counts import plain, tier_of, tokens
from flatfield.vendors.base import arguments_object, as_name, is_object


class _StopDetails(Struct):
    explanation: str | None = None


class _Delta(Struct):
    """A `delta` of a block, or of the message."""

    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: Any = None
    stop_reason: Any = None
    stop_details: _StopDetails | None = None


class _Started(Struct):
    usage: Any = None
    model: Any = None


class _Event(Struct):
    """Any event of the stream; those of other types have none of these fields, and change nothing."""

    type: str = ""
    index: Any = 0
    delta: _Delta | None = None
    content_block: dict[str, Raw] | None = None
    message: _Started | None = None
    usage: Any = None
    error: Any = None


class _Message(Struct):
    content: list[dict[str, Raw]] | None = None
    stop_reason: Any = None
    stop_details: _StopDetails | None = None
    usage: Any = None
    model: Any = None
    error: Any = None


class _Block(Struct):
    """A content block in the making: as it began, and what was added to it."""

    kind: str
    start: dict[str, Raw]
    id: str = ""
    parts: list[str] = field(default_factory=list)
    signature: str = ""

    def text(self, name: str) -> str:
        """The whole text of a field that is streamed in parts."""
        return halves_joined(_string(self.start.get(name)) + "".join(self.parts))

    def arguments(self) -> str:
        """The JSON text of a call's input, as the model wrote it; some gateways send it as a string, in one piece."""
        begun = self.start.get("input", Raw(b"{}"))
        return halves_joined("".join(self.parts) or _string(begun) or bytes(begun).decode())


NAME_CHARACTERS = 128
"""The API takes no longer name of a tool."""
_EVENTS = msgspec.json.Decoder(_Event)
_MESSAGES = msgspec.json.Decoder(_Message)
_FINISH: dict[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "context",
    "refusal": "refused",
}
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class MessageReader:
    """Gathers blocks and usage; `complete` once a stop reason has come, `paused` when the turn is to be continued."""

    __slots__ = (
        "_blocks", "_covered", "_explanation", "_open", "_usage",
        "answered_by", "begun", "complete", "finish", "letters", "over", "paused", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.begun = False
        self.complete = False
        self.over = False
        self.paused = False
        self.letters = self._covered = 0
        self.finish: Finish = "stop"
        self.usage: Usage | None = None
        self._usage: dict[str, Any] = {}
        self._explanation = self.answered_by = ""
        self._blocks: list[_Block] = []
        self._open: dict[str, _Block] = {}

    @property
    def text(self) -> str:
        """All of the reply's text so far; a refusal without any is told by the API's explanation."""
        return "".join(block.text("text") for block in self._blocks if block.kind == "text") or self._explanation

    @property
    def counted(self) -> tuple[Usage | None, int]:
        """The API counts the input when a message starts, the output when it ends."""
        return _told(self._usage), self._covered

    @property
    def service_tier(self) -> str:
        """The service tier that the API says it served the reply at, or what it says that makes the reply dearer."""
        return tier_of(self._usage)

    @property
    def reasoning(self) -> str:
        """The thinking that the API shows, if any."""
        return "".join(block.text("thinking") for block in self._blocks if block.kind == "thinking")

    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls so far, in the model's order."""
        self._tell_ids_apart()
        return tuple(
            ToolCall(id=block.id, name=_string(block.start.get("name")), arguments=block.arguments())
            for block in self._blocks
            if block.kind == "tool_use"
        )

    def _tell_ids_apart(self) -> None:
        """The API refuses to see two calls under one id again, which servers behind it may give."""
        found: set[str] = set()
        for block in self._blocks:
            if block.kind == "tool_use":
                block.id = block.id or _string(block.start.get("id"))
                if not block.id or block.id in found:
                    block.id = f"{block.id or 'toolu'}_{len(found) + 1}"
                found.add(block.id)

    def content(self) -> list[dict[str, Any]]:
        """The message's blocks, to be sent back: verbatim, but for what the API itself refuses to see again.

        These are blocks of empty text, and a message of nothing but thinking.
        """
        self._tell_ids_apart()
        kept = [block for block in self._blocks if block.kind != "text" or block.text("text").strip()]
        if all(block.kind in {"thinking", "redacted_thinking"} for block in kept):
            return []
        return [_returned(block) for block in kept]

    def event(self, data: bytes) -> None:
        """Take one streamed event; `ping` and types yet unknown change nothing."""
        try:
            event = _EVENTS.decode(data)
        except msgspec.MsgspecError:
            raise PassingFailure(f"the server sent no valid event: {data[:200].decode('utf-8', 'replace')}") from None
        if event.error is not None:
            raise _error(event.error)
        if event.content_block is not None:
            self._begin(plain(event.index), event.content_block)
        elif event.delta is not None:
            self._add(plain(event.index), event.delta)
        if event.message is not None:
            self._begin_message(event.message)
        if event.usage is not None:
            self._merge(event.usage)
            self.usage = _told(self._usage)
        self.over = event.type == "message_stop"
        self.complete = self.complete or (self.over and bool(self._blocks))  # the end, though no reason is given

    def _begin_message(self, started: _Started | _Message) -> None:
        self.answered_by = str(started.model or "")
        if started.usage is not None:
            self._merge(started.usage)

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed."""
        try:
            message = _MESSAGES.decode(body)
        except msgspec.MsgspecError:
            message = _Message()
        if message.error is not None:
            raise _error(message.error)
        if message.content is None or message.stop_reason is None:
            raise PassingFailure(f"the server sent no message: {body[:200].decode('utf-8', 'replace')}")
        for index, block in enumerate(message.content):
            self._begin(plain(index), block)
        self._begin_message(message)
        self.usage = _told(self._usage) if message.usage is not None else None
        self._end(plain(message.stop_reason), message.stop_details)
        self.over = True

    def _begin(self, index: str, start: dict[str, Raw]) -> None:
        block = _Block(kind=_string(start.get("type")), start=start)
        self._blocks.append(block)
        self._open[index] = block
        # Text begins with an empty block; thinking that is not shown has nothing to show but that it began.
        self.begun = self.begun or block.kind != "text"

    def _add(self, index: str, delta: _Delta) -> None:
        if delta.stop_reason is not None:
            self._end(plain(delta.stop_reason), delta.stop_details)
            return
        block = self._open.get(index)
        if block is None:
            return
        part = delta.text or delta.partial_json or delta.thinking
        if part and not isinstance(part, str):  # some gateways send the object itself
            part = msgspec.json.encode(part).decode()
        if part:
            block.parts.append(part)
            self.letters += len(part)
            self.begun = True
        elif delta.signature:
            block.signature += delta.signature

    def _end(self, stop_reason: str, details: _StopDetails | None) -> None:
        self.complete = True
        self.paused = stop_reason == "pause_turn"
        self.finish = _FINISH.get(stop_reason, "stop")
        if self.finish == "refused" and details is not None:
            self._explanation = details.explanation or ""

    def _merge(self, usage: object) -> None:
        """Counts are cumulative: the later ones stand, where there are any."""
        self._covered = self.letters
        told = usage if isinstance(usage, dict) else {}
        self._usage |= {name: value for name, value in told.items() if value is not None}


def _string(raw: Raw | None) -> str:
    """A field that should be a string; "" when it is not there, or is none."""
    try:
        return msgspec.json.decode(raw, type=str) if raw is not None else ""
    except msgspec.MsgspecError:
        return ""


def _returned(block: _Block) -> dict[str, Any]:
    """A block as it goes back: its fields as they began, with what was streamed."""
    if block.kind == "text":
        return {**block.start, "text": block.text("text")}
    if block.kind == "thinking":
        signature = _string(block.start.get("signature")) + block.signature
        return {**block.start, "thinking": block.text("thinking"), "signature": signature}
    if block.kind.endswith("tool_use"):
        arguments = block.arguments()
        value = arguments_object(arguments)
        # What the model wrote goes back letter by letter, unless it is no object, which the API refuses.
        own = (
            {"id": block.id, "name": as_name(_string(block.start.get("name")), NAME_CHARACTERS)}
            if block.kind == "tool_use"
            else {}
        )
        return {**block.start, **own, "input": Raw(arguments.encode()) if is_object(arguments) else value}
    return dict(block.start)


def _told(usage: dict[str, Any]) -> Usage | None:
    """The vendor's `input_tokens` leave out what was read from or written to the cache; ours include both."""
    output = tokens(usage, "output_tokens")
    if output is None:
        return None
    apart = usage.get("cache_creation")
    hour = tokens(apart, "ephemeral_1h_input_tokens") or 0
    read = tokens(usage, "cache_read_input_tokens") or 0
    written = tokens(usage, "cache_creation_input_tokens") or hour + (tokens(apart, "ephemeral_5m_input_tokens") or 0)
    return Usage(
        input_tokens=(tokens(usage, "input_tokens") or 0) + read + written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(hour, written),
        output_tokens=output,
        reasoning_tokens=tokens(usage.get("output_tokens_details"), "thinking_tokens") or 0,
    )


def _error(error: Any) -> Exception:  # noqa: ANN401 - the vendor's object, or what another server puts there
    """An error inside a stream that began with 200: final when its type (or code) is final anywhere."""
    told = error if isinstance(error, dict) else {"message": error}
    code = told.get("code")
    status = _STATUS.get(str(told.get("type")), code if isinstance(code, int) else None)
    said = str(told.get("message") or error)[:500]
    text = f"the server reported an error in the stream: {told.get('type') or 'error'}: {said}"
    if status is not None and 400 <= status < 500 and status not in RETRIED:
        return ProviderError(text, status=status)
    return PassingFailure(text, status=status)
