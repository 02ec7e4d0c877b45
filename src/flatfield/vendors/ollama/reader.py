"""Reads one reply of Ollama's chat API, streamed line by line or whole, and what its errors mean."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct, field, structs

from flatfield.errors import ProviderError
from flatfield.http.replies import PassingFailure, Repetition
from flatfield.records import DeviceWork, Finish, ToolCall, Usage
from flatfield.vendors._counts import plain, tokens
from flatfield.vendors.base import arguments_object

NANOSECONDS = 1e9
_MAY_PASS = frozenset({408, 409, 429})


class _Message(Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Raw] | None = None


class _Event(Struct):
    """A line of the stream; the numbers come with the last one. The durations are nanoseconds."""

    message: _Message | None = None
    done: bool = False
    done_reason: Any = None
    load_duration: float | None = None
    prompt_eval_count: Any = None
    prompt_eval_cached_count: Any = None
    prompt_eval_duration: Any = None
    eval_count: Any = None
    eval_duration: Any = None
    error: Any = None
    status: int | None = None
    model: Any = None


class _Function(Struct):
    name: Any = None
    arguments: Raw = field(default_factory=lambda: Raw(b"{}"))


class _Call(Struct):
    function: _Function = field(default_factory=_Function)
    id: Any = None


_EVENT = msgspec.json.Decoder(_Event)
_CALL = msgspec.json.Decoder(_Call)
_NEXT_LINE = re.compile(rb"\}[ \t\r]*\n\s*\{")  # JSON itself has a comma between two objects


class OllamaReader:
    """Gathers text, thinking, calls and counts; `complete` and `over` once a line says `done`."""

    __slots__ = (
        "_calls", "_last", "_parts", "_reasons", "_repetition", "answered_by", "begun", "complete", "letters", "over",
    )  # fmt: skip

    def __init__(self) -> None:
        self.begun = self.complete = self.over = False
        self.letters = 0
        self.answered_by = ""
        self._parts: list[str] = []
        self._reasons: list[str] = []
        self._calls: list[tuple[bytes, _Call]] = []
        self._last = _Event()
        self._repetition = Repetition()

    @property
    def repeats(self) -> bool:
        """Whether the model repeats itself without end."""
        return self._repetition.found

    @property
    def device(self) -> DeviceWork | None:
        """What the reply took on the server's device; None where it does not say."""
        usage, last = self.usage, structs.asdict(self._last)
        read, written = (tokens(last, name) for name in ("prompt_eval_duration", "eval_duration"))
        if usage is None or read is None or written is None:
            return None
        return DeviceWork(
            read_tokens=usage.input_tokens - usage.cache_read_tokens,
            read_seconds=read / NANOSECONDS,
            written_tokens=usage.output_tokens,
            written_seconds=written / NANOSECONDS,
        )

    @property
    def text(self) -> str:
        """All of the reply's text so far."""
        return "".join(self._parts)

    @property
    def reasoning(self) -> str:
        """All of the model's thinking so far."""
        return "".join(self._reasons)

    @property
    def finish(self) -> Finish:
        """Why the model stopped; Ollama says "stop" after tool calls too."""
        return "length" if self._last.done_reason == "length" else "stop"

    @property
    def usage(self) -> Usage | None:
        """Ollama's counts: the prompt with what was cached of it, and all that was generated, thinking included.

        None where the prompt's is missing: servers before 0.2 leave it out for a cached prompt, which was not empty.
        """
        last = structs.asdict(self._last)
        prompt = tokens(last, "prompt_eval_count")
        if prompt is None:
            return None
        return Usage(
            input_tokens=prompt,
            cache_read_tokens=min(tokens(last, "prompt_eval_cached_count") or 0, prompt),
            output_tokens=tokens(last, "eval_count") or 0,
        )

    @property
    def counted(self) -> tuple[Usage | None, int]:
        """Ollama counts once, in the last line."""
        usage = self.usage
        return usage, self.letters if usage else 0

    @property
    def load_seconds(self) -> float:
        """From the request's arrival until a runner with the model was ready (0 where the server does not say)."""
        return (self._last.load_duration or 0.0) / NANOSECONDS

    def calls(self, turn: int) -> tuple[ToolCall, ...]:
        """The tool calls so far, in the model's order; ids that the server leaves out are made up, unique by turn."""
        return tuple(
            ToolCall(
                id=plain(call.id) or f"call_{turn}_{number}", name=plain(call.function.name), arguments=_arguments(call)
            )
            for number, (_, call) in enumerate(self._calls, start=1)
        )

    def own_ids(self) -> frozenset[str]:
        """The calls' ids that are the server's."""
        return frozenset(plain(call.id) for _, call in self._calls if plain(call.id))

    def message(self) -> bytes:
        """The model's message as it goes back: verbatim, but for arguments that are no object, which servers refuse."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self._reasons:
            message["thinking"] = self.reasoning
        if self._calls:
            message["tool_calls"] = [_replayable(raw, call) for raw, call in self._calls]
        return msgspec.json.encode(message)

    def event(self, data: bytes) -> None:
        """Take one line of the stream."""
        self._take(_decoded(data))

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed, or a stream that came under another content type."""
        if _NEXT_LINE.search(body):
            for line in body.split(b"\n"):
                if line.strip():
                    self.event(line)
            return
        event = _decoded(body)
        self._take(event)
        if event.message is None:
            raise _invalid(body)
        self.complete = self.over = True

    def _take(self, event: _Event) -> None:
        if event.error is not None:
            raise _stream_error(event.error, event.status)
        message = event.message
        if message is not None:
            if message.content:
                self._parts.append(message.content)
                self._repetition.hear(message.content)
                self.letters += len(message.content)
                self.begun = True
            if message.thinking:
                self._reasons.append(message.thinking)
                self._repetition.hear(message.thinking)
                self.letters += len(message.thinking)
                self.begun = True
            for raw in message.tool_calls or ():
                self._add_call(bytes(raw))
        if event.done:
            if plain(event.done_reason) in {"load", "unload"}:
                raise PassingFailure(f"the server has {event.done_reason}ed the model instead of asking it")
            self.complete = self.over = True
            self._last = event
            self.answered_by = str(event.model or "")

    def _add_call(self, raw: bytes) -> None:
        try:
            self._calls.append((raw, _CALL.decode(raw)))
            self.letters += len(raw)
        except msgspec.MsgspecError:
            raise _invalid(raw) from None
        self.begun = True


class LoadReader:
    """Reads the one answer to a request that only loads a model."""

    __slots__ = ("begun", "complete", "counted", "letters", "over")

    def __init__(self) -> None:
        self.begun = self.complete = self.over = False
        self.letters = 0
        self.counted: tuple[Usage | None, int] = (None, 0)

    def event(self, data: bytes) -> None:
        """Take a line, of servers that stream this answer too."""
        event = _decoded(data)
        if event.error is not None:
            raise _stream_error(event.error, event.status)
        self.complete = self.over = event.done

    def whole(self, body: bytes) -> None:
        """Take the answer."""
        self.event(body)


def _decoded(data: bytes) -> _Event:
    """A line; one that says nothing but an error, under any name that begins so, is that error."""
    try:
        event = _EVENT.decode(data)
    except msgspec.MsgspecError:
        raise _invalid(data) from None
    if event.message is None and event.error is None and not event.done:
        lines: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        named = next((name for name in lines if name.startswith("error")), None)
        if named is not None:
            raise PassingFailure(f"the server reported an error in the stream: {named}: {lines[named]}")
    return event


def _invalid(data: bytes) -> PassingFailure:
    return PassingFailure(f"the server sent no valid chat reply: {data[:200].decode('utf-8', 'replace')}")


def _stream_error(error: object, status: int | None) -> Exception:
    """An error after the reply began: final when it carries a status that is final anywhere, else it may pass."""
    text = f"the server reported an error in the stream: {error if isinstance(error, str) else str(error)}"
    final = status is not None and 400 <= status < 500 and status not in _MAY_PASS
    if final or is_overflow(text):
        return ProviderError(text, status=status)
    return PassingFailure(text, status=status)


_OVERFLOW = (
    "exceed_context_size",  # llama.cpp's server, which Ollama quotes
    "exceeds the available context size",
    "longer than the context length",  # Ollama, with `shift` off
    "exceeds the context length",
    "exceeded max context length",  # Ollama's service
    "larger than the max context size",
)


def is_overflow(text: str) -> bool:
    """Whether an error says that the conversation does not fit the model's context."""
    return any(words in text for words in _OVERFLOW)


def _arguments(call: _Call) -> str:
    """A call's arguments as JSON text; some gateways send that text as a string instead of the object."""
    text = bytes(call.function.arguments).decode()
    if text == "null":
        return "{}"
    return str(msgspec.json.decode(text)) if text.startswith('"') else text


def _replayable(raw: bytes, call: _Call) -> Raw:
    if bytes(call.function.arguments).startswith(b"{"):
        return Raw(raw)
    function = {"name": call.function.name or "", "arguments": arguments_object(_arguments(call))}
    return Raw(msgspec.json.encode({"id": call.id, "function": function} if call.id else {"function": function}))
