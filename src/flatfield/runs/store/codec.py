"""Turns records into JSON text that can always be read again, and reads what other versions wrote."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from flatfield.json_text import DEEPEST, DEEPEST_KEPT, LEFT_OUT, is_deeper, shallow
from flatfield.runs.store.mending import mended, noted

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T", bound=Struct)
LARGEST, DIGITS = 2**63, 20
"""A whole number beyond this is written as a fraction: no parser has to keep more digits."""


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
        msgspec.json.decode(data, type=kind)
        if not is_deeper(data, DEEPEST_KEPT):
            return data.decode()
    except (UnicodeEncodeError, msgspec.ValidationError, RecursionError, ValueError):
        pass
    plain = _clean(record, DEEPEST)
    try:
        found, remarks = mended(plain, kind)
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
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return noted(*mended(_clean(_loosely(text), DEEPEST_KEPT), kind))


def readable(text: str, kind: type[T], otherwise: Callable[[str], T]) -> T:
    """The record; where it is none, what stands in for it, made of the reason."""
    try:
        return decode(text, kind)
    except ValueError as error:
        return otherwise(f"its record in the store cannot be read ({error}): perhaps a newer flatfield wrote it")


def _loosely(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of JSON that breaks some of its rules: Python's parser takes NaN and halves of characters.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(shallow(text), strict=False, parse_int=_whole)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < DIGITS else float(digits)


def _clean(value: Any, levels: int) -> Any:  # noqa: ANN401 - any JSON value
    """What JSON can hold of a value."""
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return _scalar(value)
    if not levels:
        return LEFT_OUT
    if isinstance(value, dict):
        return {_text(str(key)): _clean(item, levels - 1) for key, item in value.items()}
    return [_clean(item, levels - 1) for item in value]


def _scalar(value: Any) -> Any:  # noqa: ANN401 - anything but a container
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, int):
        return value if abs(value) < LARGEST else _as_float(value)
    return (
        msgspec.to_builtins(value)
        if isinstance(value, bytes)
        else _text(value if isinstance(value, str) else repr(value))
    )


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _as_float(value: int) -> float | str:
    try:
        return float(value)
    except OverflowError:
        return f"a number of {value.bit_length()} bits"
