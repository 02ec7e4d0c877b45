"""Reads one reply of the Responses API, streamed or whole."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from flatfield.errors import ProviderError
from flatfield.http.replies import RETRIED, PassingFailure
from flatfield.records import Finish, ToolCall, Usage
from flatfield.vendors._counts import openai_usage, plain

# What the Responses API's errors mean, in a stream and outside: passing, final, too long, or a refusal.


POLICY_CODES = frozenset({"invalid_prompt", "bio_policy", "misalignment_policy_violation"})
"""The vendor's policy stopped the model: how the model's reply ended, not a failure of the harness."""

CONTEXT = re.compile("context_length_exceeded|exceed_context_size|exceeds the context window|maximum context length")
"""The API says so with a 400, or inside the stream."""
_FINAL = frozenset(
    {
        "authentication_error",
        "data_residency_mismatch",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_request_error",
        "model_not_found",
        "not_found_error",
        "permission_error",
    }
)
_TRY_AGAIN = re.compile(r"try again in ([\d.]+)(ms|s)\b")


def code_of(error: Any) -> str:  # noqa: ANN401 - servers put an object or a string here
    """The error's code, or its type where it has none; "" when it has neither."""
    fields = error if isinstance(error, dict) else {}
    return str(fields.get("code") or fields.get("type") or "")


def stream_error(error: Any) -> Exception:  # noqa: ANN401 - servers put an object or a string here
    """The exception for an error inside a reply that began with 200; what is not known to be final may pass."""
    fields = error if isinstance(error, dict) else {"message": error}
    code, message = code_of(fields), str(fields.get("message") or fields)[:500]
    text = f"the server reported an error in its reply: {message}" + (f" ({code})" if code else "")
    if CONTEXT.search(f"{code} {message}"):
        return ProviderError(text, status=400)
    status = int(code) if code.isdecimal() else None
    if {code, fields.get("type")} & _FINAL or (status and 400 <= status < 500 and status not in RETRIED):
        return ProviderError(text, status=status)
    wait = _TRY_AGAIN.search(message)
    wait_seconds = float(wait[1]) / (1000 if wait[2] == "ms" else 1) if wait else None
    return PassingFailure(text, status=429 if code == "rate_limit_exceeded" else status, wait_seconds=wait_seconds)


def is_policy_error(error: ProviderError) -> bool:
    """Whether a request was refused by the vendor's policy."""
    return error.status == 400 and any(f'"{code}"' in str(error) for code in POLICY_CODES)


class _Part(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(Struct):
    type: str = ""
    name: Any = ""
    call_id: Any = ""
    arguments: Any = ""
    content: list[_Part] | None = None
    summary: list[_Part] | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    status: str | None = None
    error: Any = None
    incomplete_details: _Incomplete | None = None
    output: list[msgspec.Raw] = field(default_factory=list)
    usage: Any = None
    service_tier: Any = None
    model: Any = None


class _Event(Struct):
    type: str = ""
    delta: Any = None
    item: msgspec.Raw = msgspec.Raw()
    response: _Response | None = None
    error: Any = None
    code: Any = None
    message: Any = None


_EVENT = msgspec.json.Decoder(_Event)
_RESPONSE = msgspec.json.Decoder(_Response)
_ITEM = msgspec.json.Decoder(_Item)
_CONCLUSIONS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_REASONING = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


class ResponsesReader:
    """Gathers output items as they were sent, and what they say; `complete` once the response has concluded.

    `items` are (the item's bytes, its call where it is one), in the model's order. Deltas count for what has not become
    an item yet, which is all there is of a reply that was cut.
    """

    __slots__ = (
        "_call",
        "_reasons",
        "_refused",
        "_texts",
        "_thought",
        "_writing",
        "answered_by",
        "begun",
        "complete",
        "finish",
        "items",
        "letters",
        "service_tier",
        "usage",
    )

    def __init__(self) -> None:
        self.begun = False
        self.complete = False
        self.letters = 0
        self.finish: Finish = "stop"
        self.usage: Usage | None = None
        self.service_tier = self.answered_by = ""
        self.items: list[tuple[bytes, ToolCall | None]] = []
        self._texts: list[str] = []
        self._reasons: list[str] = []
        self._refused = False
        self._thought = False
        self._writing: list[str] = []
        self._call: _Item | None = None

    @property
    def text(self) -> str:
        """All of the reply's text so far."""
        return "".join((*self._texts, *(() if self._call else self._writing)))

    @property
    def reasoning(self) -> str:
        """The reasoning that the server shows, if any."""
        return "".join(self._reasons)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls so far, in the model's order, one that was cut in the middle included."""
        whole = tuple(call for _, call in self.items if call is not None)
        cut = self._call
        if cut is None:
            return whole
        return (*whole, ToolCall(id=plain(cut.call_id), name=plain(cut.name), arguments="".join(self._writing)))

    def tell_ids_apart(self, turn: int) -> None:
        """Give an id of ours, made of `turn`, to calls that have none, or that of an earlier one."""
        found: set[str] = set()
        for number, (raw, call) in enumerate(self.items):
            if call is None:
                continue
            if not call.id or call.id in found:
                self.items[number] = (raw, structs.replace(call, id=f"call_{turn}_{number}"))
            found.add(call.id)

    @property
    def counted(self) -> tuple[Usage | None, int]:
        """The API counts once, when the response has concluded."""
        return self.usage, self.letters if self.usage else 0

    @property
    def over(self) -> bool:
        """The response's conclusion is its last event."""
        return self.complete

    def event(self, data: bytes) -> None:
        """Take one streamed event; those that repeat what others said are passed over."""
        if data == b"[DONE]":
            return
        event = _decode(_EVENT, data)
        kind = event.type
        if kind in {"response.output_text.delta", "response.function_call_arguments.delta"}:
            self._write(event.delta)
        elif kind == "response.refusal.delta":
            self._refused = True
            self._write(event.delta)
        elif kind in _REASONING:
            self._reasons.append(str(event.delta))
            self.letters += len(self._reasons[-1])
            self._thought = self.begun = True
        elif kind == "response.output_item.added":
            self._start(bytes(event.item))
        elif kind == "response.output_item.done":
            self._add(bytes(event.item))
        elif kind in _CONCLUSIONS:
            if event.response is None and not self.items and not self._writing:
                raise PassingFailure("the server ended the stream without a response in it")
            self._conclude(event.response or _Response())
        elif kind == "error" or event.error is not None:
            raise stream_error(event.error or {"code": event.code, "message": event.message})

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed."""
        response = _decode(_RESPONSE, body)
        if response.status is None and response.error is None and not response.output:
            raise PassingFailure(f"the server sent no response object: {body[:200].decode('utf-8', 'replace')}")
        self._conclude(response)

    def _write(self, delta: object) -> None:
        self._writing.append(str(delta))
        self.letters += len(self._writing[-1])
        self.begun = True

    def _start(self, raw: bytes) -> None:
        item = _item(raw)
        self._writing.clear()
        self._call = None
        if item.type == "function_call":
            self._call = item
            self.begun = True

    def _add(self, raw: bytes) -> None:
        item = _item(raw)
        call = None
        if item.type == "function_call":
            call = ToolCall(id=plain(item.call_id), name=plain(item.name), arguments=_written(item.arguments))
        elif item.type == "message":
            for part in item.content or ():
                self._texts.append(part.refusal or part.text or "")
                self._refused = self._refused or bool(part.refusal)
        elif item.type == "reasoning" and not self._thought:
            self._reasons += [part.text or "" for part in (*(item.summary or ()), *(item.content or ()))]
        self.items.append((raw, call))
        self._writing.clear()
        self._call = None
        self._thought = False

    def _keep_open_call(self) -> None:
        """A call that was streamed and never closed is one all the same: a shorter final list does not undo it."""
        call, arguments = self._call, "".join(self._writing)
        if call is None or not arguments:
            return
        item = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": arguments}
        self._add(msgspec.json.encode(item))

    def _conclude(self, response: _Response) -> None:
        """The end of a response: its usage, and how it ended; raises what made it fail."""
        self.usage = openai_usage(response.usage)
        self.service_tier = str(response.service_tier or "")
        self.answered_by = str(response.model or "")
        self._keep_open_call()
        if not self.items:
            for raw in response.output:
                self._add(bytes(raw))
        if response.error is not None and code_of(response.error) in POLICY_CODES:
            self._texts.append(str(response.error.get("message") or ""))
            self.finish = "refused"
        elif response.error is not None or response.status == "failed":
            raise stream_error(response.error)
        elif response.incomplete_details is not None or response.status == "incomplete":
            details = response.incomplete_details or _Incomplete()
            self.finish = "refused" if details.reason == "content_filter" else "length"
        elif self._refused:
            self.finish = "refused"
        self.complete = response.status not in {"queued", "in_progress", "cancelled"}


def _written(arguments: object) -> str:
    """A call's arguments as JSON text; some servers send the object itself."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else msgspec.json.encode(arguments).decode()


def _decode(decoder: Any, data: bytes) -> Any:  # noqa: ANN401 - one of two decoders and what it makes
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError:
        raise PassingFailure(f"the server sent no valid response: {data[:200].decode('utf-8', 'replace')}") from None


def _item(raw: bytes) -> _Item:
    """What an output item says; one of a kind that is not known here says nothing, and is kept all the same."""
    try:
        return _ITEM.decode(raw)
    except msgspec.MsgspecError:
        return _Item()
