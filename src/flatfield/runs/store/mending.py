"""Reads a record that is not what its type says: the rest of it counts, and what was wrong with it is said."""

from __future__ import annotations

import types
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs

from flatfield.records import Failure, Run, TrialRecord, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T", bound=Struct)
ROUNDING = 1e-6
"""A number below 0 by no more than this is 0: so much floating-point arithmetic and clocks may be off."""
SHOWN_CHARACTERS, SHOWN_REMARKS = 60, 5
STAND_IN = {("TrialRecord", "stop"): "error", ("Failure", "kind"): "harness", ("FileChange", "kind"): "modified"}
"""What a word that is not known here is read as, by record and field, where nothing says "not known"."""


class Remark(Struct, frozen=True, kw_only=True):
    """What was wrong in one place of a record; `grave`: a number or a text that must be there is made up for it."""

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
            hint = _hints(kind)[field.name]
            if field.name not in value:
                if field.required:
                    fitted[field.name] = self._made_up(kind, field.name, hint, "is missing")
                continue
            try:
                fitted[field.name] = self.fit(value[field.name], hint, kind.__name__, field.name)
            except _Misfit as misfit:
                self._replace(fitted, field, hint, kind, f"cannot be {misfit}")
        return fitted

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

    def _made_up(self, kind: type[Struct], name: str, hint: Any, problem: str) -> Any:  # noqa: ANN401 - any value
        word = STAND_IN.get((kind.__name__, name))
        if word is not None:
            self._remark(f"{name} {problem}: read as {word!r}", grave=problem == "is missing")
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
