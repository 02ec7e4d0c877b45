"""Records as JSON text that can always be read again: as today's version writes them, as others did, and damaged."""

from __future__ import annotations

import json
import re
import types
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs

from flatfield.json_text import DEEPEST_KEPT, is_deeper, plain, shallow
from flatfield.records import (
    Failure,
    Round,
    Run,
    Sent,
    TrialRecord,
    Turn,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T", bound=Struct)


# Reads what older versions kept of a request: one table of all that was sent, by the APIs' own names.


REFUSED: Final = "not accepted"
MARK: Final = '"tool_names":'
"""Every such request of a vendor's has this key, and no newer one: within a text its quotes would be escaped."""
_FIELDS: dict[str, tuple[str, ...]] = {
    "base_url": ("base_url", "host"),
    "api_version": ("anthropic_version",),
    "answered_by": ("model_version",),
    "price_vendor": ("vendor",),
    "system": ("system_digest",),
    "system_words": ("system_prompt",),
    "tools": ("tool_names",),
    "output_cap_tokens": (
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "maxOutputTokens",
        "num_predict",
    ),
    "context_tokens": ("context_tokens", "num_ctx"),
    "reasoning_effort": ("reasoning_effort", "effort"),
    "thinking": ("thinking", "thinkingConfig", "think"),
    "parameters": (),
    "not_accepted": (),
}
"""Which names the fields of `Sent` had; the others had their own."""


def upgrade(record: Any) -> None:  # noqa: ANN401 - any JSON value
    """Put the requests of a trial's record into the form of `Sent`, in place; what is no such record is left alone."""
    turns = record.get("turns") if isinstance(record, dict) else None
    for turn in turns if isinstance(turns, list) else ():
        reply = turn.get("reply") if isinstance(turn, dict) else None
        request = reply.get("request") if isinstance(reply, dict) else None
        if isinstance(reply, dict) and isinstance(request, dict):
            reply["request"] = upgraded(request)


def upgraded(request: dict[str, Any]) -> dict[str, Any]:
    """A request as `Sent` has it; what none of its fields is for is among its parameters."""
    rest = {name: value for name, value in request.items() if value is not None}
    fields: dict[str, Any] = {}
    refused: list[str] = []
    for name in Sent.__struct_fields__:
        for older in _FIELDS.get(name, (name,)):
            value = rest.pop(older, None)
            if value == REFUSED:
                refused.append(name)
            elif value is not None:
                fields.setdefault(name, value)
    if isinstance(fields.get("tools"), str):
        fields["tools"] = [fields["tools"]]
    return {**fields, "not_accepted": refused, "parameters": rest}


# Reads what older versions kept of a run in its notes and versions alone.


_ROUND: Final = re.compile(r"round \d+: .*: (\d+) more trials", re.DOTALL)
_ROUNDS_ENDED: Final = "until sure: "


def with_rounds(run: T) -> T:
    """A run with its rounds, how they ended and whether it has begun, where an older version wrote it."""
    if not isinstance(run, Run):
        return run
    rounds = tuple(Round(trials=int(found[1])) for found in map(_ROUND.fullmatch, run.notes) if found)
    ended = tuple(note for note in run.notes if note.startswith(_ROUNDS_ENDED))
    begun = run.begun or "prices" in run.versions
    return structs.replace(run, begun=begun, rounds=run.rounds or rounds, rounds_ended=run.rounds_ended or ended)


# Reads a record that is not what its type says: the rest of it counts, and what was wrong with it is said.


ROUNDING = 1e-6
"""A number below 0 by no more than this is 0: so much floating-point arithmetic and clocks may be off."""
SHOWN_CHARACTERS, SHOWN_REMARKS = 60, 5
STAND_IN = {("TrialRecord", "stop"): "error", ("Failure", "kind"): "harness", ("FileChange", "kind"): "modified"}
"""What a word that is not known here is read as, by record and field, where nothing says "not known"."""


class _AnyReply(Struct, frozen=True, kw_only=True):
    """A reply, whatever it holds."""


class _AnyTurn(Struct, frozen=True, kw_only=True):
    """A turn, whatever else it holds."""

    reply: _AnyReply


GRADED = frozenset({
    "run", "agent", "task", "repeat", "task_digest", "agent_fingerprint", "stop", "turns", "usage", "checks", "failure",
    "cost_usd", "abandoned_cost_usd", "device_cost_usd", "reported_cost_usd", "queue_seconds", "retry_seconds",
    "load_seconds", "first_token_seconds", "model_seconds", "tools_seconds", "sandbox_seconds", "active_seconds",
    "wall_seconds",
})  # fmt: skip
"""Whose a trial's record is, and what grades stand on of it: who misses one of these is "not measured".

That each turn is there counts; what is in it does not, as its amounts are in the trial's.
"""


@cache
def graded_parts() -> type[Struct]:
    """A trial's record of which nothing else is read, each part as the record has it."""
    hints = _hints(TrialRecord) | {"turns": tuple[_AnyTurn, ...]}
    parts = (field for field in structs.fields(TrialRecord) if field.name in GRADED)
    fields = [
        (part.name, hints[part.name]) if part.required else (part.name, hints[part.name], part.default)
        for part in parts
    ]
    return msgspec.defstruct("GradedParts", fields, frozen=True, kw_only=True)


def is_measured(text: str) -> bool:
    """Whether a trial's record is JSON in which all that grades stand on is what it should be, and it did not fail.

    The rest is passed over: that takes a tenth of what `decode` does.
    """
    try:
        read: Any = msgspec.json.decode(text, type=graded_parts())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return read.failure is None


class Remark(Struct, frozen=True, kw_only=True):
    """What was wrong in one place of a record; `grave`: a number or a text that must be there is made up for it.

    Nothing is grave in a part of a trial that no grade stands on (`GRADED`).
    """

    text: str
    grave: bool


class _Misfit(Exception):
    """A value that nothing of its type can be made of."""


def mended(value: Any, kind: type[T]) -> tuple[T, tuple[Remark, ...]]:  # noqa: ANN401 - any JSON value
    """The record that comes closest to a JSON value, and what it does not have of it.

    Raises:
        ValueError: it is no such record at all.
    """
    found = _Mending()
    try:
        fitted = found.fit(value, kind, kind.__name__, "")
        return msgspec.convert(fitted, kind), tuple(found.remarks)
    except (_Misfit, msgspec.ValidationError) as error:
        raise ValueError(f"it is no {kind.__name__}: {error}") from None


def noted(record: T, remarks: tuple[Remark, ...]) -> T:
    """The record with what was wrong with it as a note; a trial that misses what must be there is "not measured"."""
    if not remarks:
        return record
    texts = list(dict.fromkeys(each.text for each in remarks))
    more = f"; and {len(texts) - SHOWN_REMARKS} more" if len(texts) > SHOWN_REMARKS else ""
    said = f"its record in the store is read with changes: {'; '.join(texts[:SHOWN_REMARKS])}{more}"
    if isinstance(record, TrialRecord):
        grave = any(each.grave for each in remarks) and record.failure is None
        failure = Failure(kind="harness", message=said) if grave else record.failure
        return structs.replace(record, notes=(*record.notes, said), failure=failure)
    if isinstance(record, Verdict):
        return structs.replace(record, reason=f"{record.reason} ({said})")
    if isinstance(record, Run):
        return structs.replace(record, notes=(*record.notes, said))
    return record


class _Mending:
    """One record's mending; `remarks` say what was changed, in the order of the record."""

    def __init__(self) -> None:
        self.remarks: list[Remark] = []

    def fit(self, value: Any, hint: Any, where: str, name: str) -> Any:  # noqa: ANN401 - any value, any type
        """The value, changed as little as its type asks for; raises _Misfit where nothing can be made of it."""
        if _fits(value, hint):
            return value
        kinds = [kind for kind in _alternatives(hint) if kind is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else None
        if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, dict):
            return self._struct(value, kind)
        if get_origin(kind) is tuple and isinstance(value, list):
            return self._items(value, get_args(kind)[0], where, name)
        if get_origin(kind) is dict and isinstance(value, dict):
            inner = get_args(kind)[1]
            return dict(self._entries(value, inner, where, name))
        if kind in {float, int} and isinstance(value, float) and -ROUNDING <= value < 0:
            return 0
        raise _Misfit(_shown(value))

    def _struct(self, value: dict[str, Any], kind: type[Struct]) -> dict[str, Any]:
        fitted: dict[str, Any] = {}
        for field in structs.fields(kind):
            before = len(self.remarks)
            self._field(fitted, value, field, kind)
            if kind is Turn or (kind is TrialRecord and field.name not in GRADED):
                light = (structs.replace(each, grave=False) for each in self.remarks[before:])
                self.remarks[before:] = list(light)
        return fitted

    def _field(
        self, fitted: dict[str, Any], value: dict[str, Any], field: structs.FieldInfo, kind: type[Struct]
    ) -> None:
        hint = _hints(kind)[field.name]
        if field.name not in value:
            if field.required:
                fitted[field.name] = self._made_up(kind, field.name, hint)
            return
        try:
            fitted[field.name] = self.fit(value[field.name], hint, kind.__name__, field.name)
        except _Misfit as misfit:
            self._replace(fitted, field, hint, kind, f"cannot be {misfit}")

    def _replace(
        self,
        fitted: dict[str, Any],
        field: structs.FieldInfo,
        hint: Any,  # noqa: ANN401 - any type
        kind: type[Struct],
        problem: str,
    ) -> None:
        """In the place of a value that does not fit: nothing where that may be, else what stands in, or the default."""
        if type(None) in _alternatives(hint):
            fitted[field.name] = None
            self._remark(f"{field.name} {problem}: not known", grave=False)
        elif field.required or (kind.__name__, field.name) in STAND_IN:
            fitted[field.name] = self._made_up(kind, field.name, hint, problem)
        else:
            self._remark(f"{field.name} {problem}", grave=get_origin(_bare(hint)) is not Literal)

    def _made_up(self, kind: type[Struct], name: str, hint: Any, misfit: str = "") -> Any:  # noqa: ANN401 - any value
        """In the place of a value that must be there; `misfit` "": there is none."""
        problem = misfit or "is missing"
        word = STAND_IN.get((kind.__name__, name))
        if word is not None:
            self._remark(f"{name} {problem}: read as {word!r}", grave=not misfit)
            return word
        if type(None) in _alternatives(hint):
            self._remark(f"{name} {problem}: not known", grave=False)
            return None
        empty = {str: "", int: 0, float: 0.0, bool: False}.get(_bare(hint))
        if empty is None or kind in {Run, Verdict}:
            raise _Misfit(f"{name} {problem}")
        self._remark(f"{name} {problem}", grave=True)
        return empty

    def _items(self, values: list[Any], hint: Any, where: str, name: str) -> list[Any]:  # noqa: ANN401 - any type
        kept = []
        for value in values:
            try:
                kept.append(self.fit(value, hint, where, name))
            except _Misfit as misfit:
                self._remark(f"one of {name} cannot be {misfit}", grave=True)
        return kept

    def _entries(self, values: dict[str, Any], hint: Any, where: str, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
        for key, value in values.items():
            try:
                yield key, self.fit(value, hint, where, name)
            except _Misfit as misfit:
                self._remark(f"{name} of {_shown(key)} cannot be {misfit}", grave=True)

    def _remark(self, text: str, *, grave: bool) -> None:
        self.remarks.append(Remark(text=text, grave=grave))


def _fits(value: Any, hint: Any) -> bool:  # noqa: ANN401 - any value, any type
    try:
        msgspec.convert(value, hint)
    except (msgspec.ValidationError, OverflowError, RecursionError):
        return False
    return True


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _alternatives(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any type
    """The bare types that a value may have."""
    bare = _bare(hint)
    return tuple(map(_bare, get_args(bare))) if get_origin(bare) in {Union, types.UnionType} else (bare,)


def _bare(hint: Any) -> Any:  # noqa: ANN401 - any type
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


# ---------------------------------------------------------------------------- to text and back


DIGITS = 20
"""A whole number of so many digits is read as a fraction."""


def encode(record: Struct) -> str:
    """The record as JSON, read back once, so that what is kept is known to be readable.

    A lone surrogate (a file name that is not UTF-8 has some) is written as its escape, a foreign object in a field of
    any type as its `repr`, and what is nested too deeply is left out. A number that cannot be (infinite, negative
    seconds) is left out too, which makes a trial "not measured" where grades would stand on it; its notes say so.

    Raises:
        msgspec.MsgspecError: the record holds what its type does not allow.
    """
    kind = type(record)
    try:
        data = msgspec.json.encode(record, enc_hook=repr)
        read = msgspec.json.decode(data, type=kind)
        if not any(is_deeper(msgspec.json.encode(value), DEEPEST_KEPT - level) for value, level in _free(read)):
            return data.decode()
    except (UnicodeEncodeError, msgspec.ValidationError, RecursionError, ValueError):
        pass
    try:
        found, remarks = mended(plain(record), kind)
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None
    return msgspec.json.encode(noted(found, remarks)).decode()


def decode(text: str, kind: type[T]) -> T:
    """The record; fields that a newer version added are ignored, missing ones take their defaults.

    Where it is not what its type says (a word of a newer version, a number that cannot be), the rest of it counts; the
    record's notes say what was changed, and a trial that misses what grades stand on is "not measured".

    Raises:
        ValueError: it is no such record.
    """
    return with_rounds(_decoded(text, kind))


def _decoded(text: str, kind: type[T]) -> T:
    try:
        if MARK not in text:
            return msgspec.json.decode(text, type=kind)
        older = msgspec.json.decode(text)
        upgrade(older)
        return msgspec.convert(older, kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = plain(_loosely(text), DEEPEST_KEPT)
        if MARK in text:
            upgrade(value)
        return noted(*mended(value, kind))


def readable(text: str, kind: type[T], otherwise: Callable[[str], T]) -> T:
    """The record; where it is none, what stands in for it, made of the reason."""
    try:
        return decode(text, kind)
    except ValueError as error:
        return otherwise(f"its record in the store cannot be read ({error}): perhaps a newer flatfield wrote it")


def _free(value: Any, level: int = 0) -> Iterator[tuple[Any, int]]:  # noqa: ANN401 - a part of a record
    """The parts of a record that may be nested at will, and how deep each lies: all others are as deep as their type.

    To look for brackets there alone costs a hundredth of looking through the whole record's JSON.
    """
    if isinstance(value, Struct):
        for name, is_any in _free_fields(type(value)):
            field = getattr(value, name)
            yield from [(field, level + 1)] if is_any else _free(field, level + 1)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _free(item, level + 1)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _free(item, level + 1)


@cache
def _free_fields(kind: type[Struct]) -> tuple[tuple[str, bool], ...]:
    """The fields that hold such parts, and whether each is one itself."""
    return tuple((name, _is_any(hint)) for name, hint in _hints(kind).items() if _holds_any(hint, frozenset()))


def _is_any(hint: Any) -> bool:  # noqa: ANN401 - any type
    """Whether it is any JSON value, or objects and arrays of such."""
    return hint is Any or any(map(_is_any, get_args(hint)))


def _holds_any(hint: Any, within: frozenset[type[Struct]]) -> bool:  # noqa: ANN401 - any type
    """Whether it is such a part or has one; `within`: the records that it is looked for in."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint not in within and any(_holds_any(part, within | {hint}) for part in _hints(hint).values())
    return _is_any(hint) or any(_holds_any(part, within) for part in get_args(hint))


def _loosely(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of JSON that breaks some of its rules: Python's parser takes NaN and halves of characters.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(shallow(text), strict=False, parse_int=_whole)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < DIGITS else float(digits)
