"""Reads one reply of the OpenAI chat wire, streamed or whole."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from flatfield.agent.transport import Passing
from flatfield.errors import ProviderError
from flatfield.records import Finish, ToolCall, Usage


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _CallDelta(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _InputDetails(Struct):
    cached_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Chunk(Struct):
    choices: list[_Choice] = field(default_factory=list)
    usage: _Usage | None = None
    error: Any = None


_FINISH: dict[str, Finish] = {"length": "length", "content_filter": "refused"}
_DECODER = msgspec.json.Decoder(_Chunk)


class _Building(Struct):
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ChatReader:
    """Gathers text, reasoning, calls and usage; `complete` once a finish reason (or `[DONE]`) has come."""

    __slots__ = ("_building", "_parts", "_reasons", "_refused", "begun", "complete", "finish", "usage")

    def __init__(self) -> None:
        self.begun = False
        self.complete = False
        self.finish: Finish = "stop"
        self.usage: Usage | None = None
        self._parts: list[str] = []
        self._reasons: list[str] = []
        self._building: list[_Building] = []
        self._refused = False

    @property
    def text(self) -> str:
        """All of the reply's text so far."""
        return "".join(self._parts)

    @property
    def reasoning(self) -> str:
        """The reasoning that the server shows, if any."""
        return "".join(self._reasons)

    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls so far, in the model's order; ids that a server leaves out are made up."""
        return tuple(
            ToolCall(id=call.id or f"call_{number}", name=call.name, arguments="".join(call.arguments))
            for number, call in enumerate(self._building, start=1)
        )

    def event(self, data: bytes) -> None:
        """Take one streamed chunk."""
        if data == b"[DONE]":
            self.complete = True
        else:
            self._take(_decode(data))

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed."""
        self._take(_decode(body))
        if not self.complete and not self._parts and not self._building:
            raise Passing(f"the server sent no chat completion: {body[:200].decode('utf-8', 'replace')}")
        self.complete = True

    def _take(self, chunk: _Chunk) -> None:
        if chunk.error is not None:
            raise _stream_error(chunk.error)
        if chunk.usage is not None and chunk.usage.completion_tokens is not None:
            self.usage = _usage(chunk.usage)
        for choice in chunk.choices[:1]:
            delta = choice.delta or choice.message
            if delta is not None:
                self._add(delta)
            if choice.finish_reason is not None:
                self.complete = True
                self.finish = "refused" if self._refused else _FINISH.get(choice.finish_reason, "stop")

    def _add(self, delta: _Delta) -> None:
        if delta.content:
            self._parts.append(delta.content)
            self.begun = True
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning:
            self._reasons.append(reasoning)
            self.begun = True
        if delta.refusal:
            self._parts.append(delta.refusal)
            self._refused = self.begun = True
        for call in delta.tool_calls or ():
            self._add_call(call)

    def _add_call(self, delta: _CallDelta) -> None:
        """Some servers leave the index out and send each call whole: a new id, or a name, then starts a new call."""
        self.begun = True
        function = delta.function or _Function()
        index = delta.index
        if index is None:
            last = self._building[-1] if self._building else None
            same = last is not None and (delta.id in (None, "", last.id)) and not function.name
            index = len(self._building) - (1 if same else 0)
        if index >= len(self._building):
            self._building.append(_Building())
        call = self._building[min(index, len(self._building) - 1)]
        call.id = call.id or delta.id or ""
        call.name = call.name or function.name or ""
        if function.arguments:
            call.arguments.append(function.arguments)


def _decode(data: bytes) -> _Chunk:
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError:
        raise Passing(f"the server sent no valid chat completion: {data[:200].decode('utf-8', 'replace')}") from None


def _usage(usage: _Usage) -> Usage:
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        cache_read_tokens=cached or 0,
        output_tokens=usage.completion_tokens or 0,
        reasoning_tokens=reasoning or 0,
    )


def _stream_error(error: Any) -> Exception:  # noqa: ANN401 - servers put an object or a string here
    """An error inside a stream that began with 200: final when it carries a 4xx code that is final anywhere."""
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    text = f"the server reported an error in the stream: {str(message or error)[:500]}"
    if isinstance(code, int) and 400 <= code < 500 and code not in {408, 409, 429}:
        return ProviderError(text, status=code)
    return Passing(text, status=code if isinstance(code, int) else None)
