"""Reads one reply of the OpenAI chat wire, streamed or whole, in all the ways that servers send it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from flatfield import json_text
from flatfield.errors import ProviderError
from flatfield.http.replies import RETRIED, PassingFailure, Repetition
from flatfield.records import DeviceWork, Finish, ToolCall, Usage
from flatfield.vendors._counts import openai_usage, tier_of, tokens

# The parts of a chat reply whose form differs between servers: content, reasoning details, usage, errors.


_FINAL_KINDS = ("invalid_request", "context_length", "exceed_context", "authentication", "permission", "not_found")
"""Beginnings of error types and codes that trying again does not change."""


def content_parts(content: Any) -> tuple[str, str]:  # noqa: ANN401 - a string, a list of parts, or nothing
    """Text and reasoning of a message's `content`, which is a string or a list of typed parts."""
    if isinstance(content, str):
        return content, ""
    text: list[str] = []
    thinking: list[str] = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            text.append(part["text"])
        elif isinstance(part, dict) and "thinking" in part:
            thinking.append(content_parts(part["thinking"])[0])
    return "".join(text), "".join(thinking)


def merged_details(details: list[Any]) -> list[Any]:
    """Reasoning details as they must go back: pieces of one item, which share type and index, joined to that item."""
    whole: list[Any] = []
    for piece in details:
        last = whole[-1] if whole else None
        if not (isinstance(piece, dict) and isinstance(last, dict) and _of_one_item(last, piece)):
            whole.append(dict(piece) if isinstance(piece, dict) else piece)
            continue
        for name, value in piece.items():
            if name in {"text", "summary", "data"} and isinstance(value, str):
                last[name] = (last.get(name) or "") + value
            elif value is not None:
                last[name] = value
    return whole


def _of_one_item(last: dict[str, Any], piece: dict[str, Any]) -> bool:
    return all(last.get(name) == piece.get(name) for name in ("type", "index"))


def cost_of(usage: Any) -> float | None:  # noqa: ANN401 - what a server reports
    """What the server itself says a reply cost, in USD; None when it says nothing.

    OpenRouter's usage accounting: `cost` is what its account is charged, in credits of one dollar; with a key of the
    user's own (`is_byok`) that is its fee alone, and the vendor's bill stands in `cost_details`.
    """
    fields = usage if isinstance(usage, dict) else {}
    details = fields.get("cost_details")
    cost = _amount(fields.get("cost"))
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, dict) else None
    if fields.get("is_byok") is not True:
        return cost
    return None if cost is None or upstream is None else cost + upstream


def _amount(value: Any) -> float | None:  # noqa: ANN401 - what a server reports
    is_amount = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return float(value) if is_amount else None


def timed_usage(timings: dict[str, Any]) -> Usage | None:
    """The tokens of a reply as far as it has come, by llama.cpp's `timings`, which stand in each piece of a stream."""
    read, written = tokens(timings, "prompt_n"), tokens(timings, "predicted_n")
    if read is None or written is None:
        return None
    cached = tokens(timings, "cache_n") or 0
    return Usage(input_tokens=cached + read, cache_read_tokens=cached, output_tokens=written)


def device_work(timings: dict[str, Any]) -> DeviceWork | None:
    """What a reply took on its device by the same `timings`; None where they are not there."""
    read_ms, written_ms = _amount(timings.get("prompt_ms")), _amount(timings.get("predicted_ms"))
    if read_ms is None or written_ms is None:
        return None
    return DeviceWork(
        read_tokens=tokens(timings, "prompt_n") or 0,
        read_seconds=read_ms / 1000,
        written_tokens=tokens(timings, "predicted_n") or 0,
        written_seconds=written_ms / 1000,
    )


def error_of(error: Any) -> Exception:  # noqa: ANN401 - servers put an object or a string here
    """An error inside a reply that began with 200: final when its code or its type is one that is final anywhere."""
    fields = error if isinstance(error, dict) else {}
    code = fields.get("code")
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()) else None
    kinds = [str(fields.get(name) or "") for name in ("type", "code")]
    named = ", ".join(kind for kind in kinds if kind)
    said = f"{fields['message']} ({named})" if fields.get("message") and named else fields.get("message") or error
    text = f"the server reported an error in its reply: {said}"
    if status is None and any(kind.startswith(_FINAL_KINDS) for kind in kinds):
        status = 400
    if status is not None and 400 <= status < 500 and status not in RETRIED:
        return ProviderError(text, status=status)
    return PassingFailure(text, status=status)


SHOWN_BYTES = 4096


class _Function(Struct):
    name: Any = None
    arguments: Any = None


class _CallDelta(Struct):
    """A piece of a call; ids, names and indexes come as texts, as numbers, or as nothing."""

    index: Any = None
    id: Any = None
    function: _Function | None = None
    extra_content: Any = None


class _Delta(Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(Struct):
    index: Any = None
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: Any = None


class _Chunk(Struct):
    """A chunk; `message` and `code` are those of an error that a server sent without an `error` around it."""

    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    message: Any = None
    code: Any = None
    service_tier: Any = None
    model: Any = None
    timings: Any = None


_FINISH: dict[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "refused",
    "refusal": "refused",
    "safety": "refused",
}
_CALLED = frozenset({"tool_calls", "function_call"})
_FAILED = frozenset({"error", "abort", "insufficient_system_resource"})
"""Finish reasons of servers that could not go on, though the model would have."""

_DECODER = msgspec.json.Decoder(_Chunk)


class Building(Struct):
    """A call that is being put together; `extra` is what the server wants back with it, as it sent it."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    extra: Any = None


class ChatReader:
    """Gathers text, reasoning, calls and usage; `complete` once a finish reason has come, `over` after `[DONE]`.

    llama.cpp's `timings` say what it took on its device, and count the tokens of a reply that was cut.
    `replayed` holds the reasoning in the fields that it came in, to be sent back with the calls that followed from it.
    """

    __slots__ = (
        "_answered", "_at", "_covered", "_details", "_odd", "_parts", "_reasons", "_refused",
        "_repetition", "_reported", "_timings",
        "answered_by", "begun", "building", "complete", "finish", "letters", "over",
        "reported_cost_usd", "service_tier", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.begun = self.complete = self.over = False
        self.letters = self._covered = 0
        self.finish: Finish = "stop"
        self.usage: Usage | None = None
        self.reported_cost_usd: float | None = None
        self.service_tier = self.answered_by = ""
        self.building: list[Building] = []
        self._at: dict[int | str, Building] = {}
        self._parts: list[str] = []
        self._reasons: dict[str, list[str]] = {}
        self._details: list[Any] = []
        self._answered = self._refused = self._odd = self._reported = False
        self._repetition = Repetition()
        self._timings: dict[str, Any] = {}

    @property
    def counted(self) -> tuple[Usage | None, int]:
        """Servers count at the end, some with every chunk."""
        return self.usage, self._covered

    @property
    def repeats(self) -> bool:
        """Whether the model repeats itself without end; what it writes into calls may be meant so.

        Only of llama.cpp, which times each token: what large hosted models repeat is asked for more often than not.
        """
        return self._repetition.found

    @property
    def device(self) -> DeviceWork | None:
        """What the reply took on its device, where the server says so."""
        return device_work(self._timings)

    @property
    def text(self) -> str:
        """All of the reply's text so far."""
        return self._mended("".join(self._parts))

    @property
    def reasoning(self) -> str:
        """The reasoning that the server shows, if any; some send the same one in two fields."""
        return self._mended("".join(next(iter(self._reasons.values()), ())))

    @property
    def replayed(self) -> dict[str, Any]:
        """The reasoning as it goes back to the server."""
        fields: dict[str, Any] = {name: self._mended("".join(parts)) for name, parts in self._reasons.items()}
        fields.pop("thinking", None)
        return fields | ({"reasoning_details": merged_details(self._details)} if self._details else {})

    def calls(self, turn: int) -> tuple[ToolCall, ...]:
        """The tool calls so far, in the model's order, each with an id of its own.

        An id that is missing, or that an earlier call of the reply has too, is made up: nine letters and digits, as
        the strictest servers want them. A call that comes again, whole and under its id, is one.
        """
        found: list[ToolCall] = []
        kept: list[Building] = []
        for number, call in enumerate(self.building, start=1):
            whole = ToolCall(id=call.id, name=self._mended(call.name), arguments=self._mended("".join(call.arguments)))
            if whole.id and whole in found:
                continue
            if not whole.id or any(whole.id == other.id for other in found):
                call.id = f"call{turn:02d}{number:03d}"
                whole = structs.replace(whole, id=call.id)
            found.append(whole)
            kept.append(call)
        self.building = kept
        return tuple(found)

    def event(self, data: bytes) -> None:
        """Take one streamed chunk."""
        if data.strip() != b"[DONE]":
            self._take(self._decode(data))
            return
        if not self._answered:
            raise PassingFailure("the server ended the stream without a reply in it")
        self.complete = self.over = True

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed."""
        self._take(self._decode(body))
        if not self._answered:
            raise PassingFailure(f"the server sent no chat completion: {_beginning(body)}")
        self.complete = True

    def _decode(self, data: bytes) -> _Chunk:
        try:
            return _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._decode_odd(data)

    def _decode_odd(self, data: bytes) -> _Chunk:
        """A chunk that breaks JSON's rules in a way that is common: half a surrogate pair, raw control characters."""
        try:
            loose = json.loads(data.decode("utf-8", "replace"), strict=False)
            chunk = msgspec.convert(loose, _Chunk)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            raise PassingFailure(f"the server sent no valid chat completion: {_beginning(data)}") from None
        self._odd = True
        return chunk

    def _mended(self, text: str) -> str:
        """Text whose surrogate pairs were cut apart is joined again; a half without its other half is replaced."""
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if self._odd else text

    def _take(self, chunk: _Chunk) -> None:
        if chunk.error or (chunk.choices is None and chunk.usage is None and chunk.message):
            raise error_of(chunk.error or {"message": chunk.message, "code": chunk.code})
        if isinstance(chunk.model, str) and chunk.model:
            self.answered_by = chunk.model
        if chunk.usage is not None:
            reported = openai_usage(chunk.usage)
            self._reported = self._reported or reported is not None
            self.usage = reported or self.usage
            self.reported_cost_usd = cost_of(chunk.usage)
            if isinstance(chunk.usage, dict):
                self.service_tier = tier_of(chunk.usage) or self.service_tier
        if isinstance(chunk.service_tier, str) and not self.service_tier:
            self.service_tier = chunk.service_tier
        if isinstance(chunk.timings, dict):
            self._timings = chunk.timings
        self._take_choice(chunk)
        if chunk.timings is not None and not self._reported and (counted := timed_usage(self._timings)) is not None:
            self.usage, self._covered = counted, self.letters
        if chunk.usage is not None:
            self._covered = self.letters

    def _take_choice(self, chunk: _Chunk) -> None:
        choices = chunk.choices or []
        for choice in choices:
            if choice.index != choices[0].index:  # another reply than the first; some servers cut one into two choices
                continue
            delta = choice.delta or choice.message
            self._answered = True
            if delta is not None:
                self._add(delta, whole=choice.delta is None)
            if choice.finish_reason:
                self._end(choice.finish_reason)

    def _end(self, reason: object) -> None:
        reason = str(reason)
        if reason in _CALLED and not self.building and not any(self._parts):
            raise PassingFailure(f"the server said {reason!r} and sent no call: it lost the one that the model made")
        if reason in _FAILED:
            raise PassingFailure(f"the server broke the reply off: finish_reason {reason!r}")
        self.complete = True
        self.finish = "refused" if self._refused else _FINISH.get(reason.lower(), "stop")

    def _add(self, delta: _Delta, *, whole: bool) -> None:
        content = delta.content
        text, thinking = (content, "") if type(content) is str else content_parts(content)
        if text:
            self._say(text)
        if delta.reasoning_content or delta.reasoning or thinking:
            self._think(
                {"reasoning_content": delta.reasoning_content, "reasoning": delta.reasoning, "thinking": thinking}
            )
        if isinstance(delta.reasoning_details, list):
            self._details += delta.reasoning_details
        if delta.refusal and isinstance(delta.refusal, str):
            self._refused = True
            self._say(delta.refusal)
        for call in delta.tool_calls or ():
            self._add_call(call, whole=whole)

    def _think(self, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            if value and isinstance(value, str):
                self._reasons.setdefault(name, []).append(value)
                if self._timings:
                    self._repetition.hear(value)
                self.letters += len(value)
                self.begun = True

    def _say(self, text: str) -> None:
        self._parts.append(text)
        if self._timings:
            self._repetition.hear(text)
        self.letters += len(text)
        self.begun = True

    def _add_call(self, delta: _CallDelta, *, whole: bool) -> None:
        self.begun = True
        function, index, own_id = delta.function or _Function(), _key(delta.index), _plain(delta.id)
        name = _plain(function.name)
        last = self.building[-1] if self.building else None
        call = last if index is None else self._at.get(index)
        if call is None or whole or _is_another(call, own_id, name, index, function.arguments):
            call = Building()
            self.building.append(call)
        if index is not None:
            self._at[index] = call
        call.id = call.id or own_id
        call.name = call.name or name
        call.extra = delta.extra_content or call.extra
        if isinstance(function.arguments, str):
            _write(call, function.arguments)
            self.letters += len(function.arguments)
        elif function.arguments is not None:  # some servers send the object itself
            call.arguments.append(msgspec.json.encode(function.arguments).decode())


def _plain(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _key(index: object) -> int | str | None:
    """An index as the key of its call: "0" is 0."""
    text = _plain(index)
    return None if not text else int(text) if text.lstrip("-").isdecimal() else text


def _write(call: Building, piece: str) -> None:
    """Add a piece of arguments; what comes behind a whole object is that object again, or what it should have been."""
    if call.arguments and piece.lstrip()[:1] == "{" and _is_object("".join(call.arguments)):
        call.arguments.clear()
    call.arguments.append(piece)


def _is_another(call: Building, own_id: str, name: str, index: int | str | None, arguments: object) -> bool:
    """Whether a piece begins a new call though its index, if it has one, is that of `call`.

    Some servers leave the index out or give every call the same one, and send each call whole, even under one id;
    others repeat id and name with each piece of one call.
    """
    if not name:
        return bool(index is None and own_id and call.id and own_id != call.id)
    if (own_id and call.id and own_id != call.id) or (call.name and name != call.name):
        return True
    if index is None and not (own_id and own_id == call.id):
        return True
    written = "".join(call.arguments)
    return _is_object(written) and written.strip() != "{}" and arguments not in (None, "", written)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json_text.decoded(text), dict)
    except ValueError:
        return False


def _beginning(data: bytes) -> str:
    return data[:SHOWN_BYTES].decode("utf-8", "replace")
