"""Turns records into JSON text that can always be read again, and reads what other versions wrote."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from flatfield.json_text import DEEPEST_KEPT, is_deeper, plain, shallow
from flatfield.runs.store.mending import mended, noted
from flatfield.runs.store.older import MARK, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T", bound=Struct)
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
    hints = get_type_hints(kind)
    return tuple((name, _is_any(hint)) for name, hint in hints.items() if _is_any(hint) or _holds_any(hint))


def _is_any(hint: Any) -> bool:  # noqa: ANN401 - any type
    """Whether it is any JSON value, or objects and arrays of such."""
    return hint is Any or any(map(_is_any, get_args(hint)))


def _holds_any(hint: Any) -> bool:  # noqa: ANN401 - any type
    if isinstance(hint, type) and issubclass(hint, Struct):
        return bool(_free_fields(hint))
    return _is_any(hint) or any(map(_holds_any, get_args(hint)))


def _loosely(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of JSON that breaks some of its rules: Python's parser takes NaN and halves of characters.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(shallow(text), strict=False, parse_int=_whole)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < DIGITS else float(digits)
