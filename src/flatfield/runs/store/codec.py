"""Turns records into JSON text that can always be read again, and reads what other versions wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from flatfield.json_text import DEEPEST_KEPT, is_deeper, plain, shallow
from flatfield.runs.store.mending import mended, noted

if TYPE_CHECKING:
    from collections.abc import Callable

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
        msgspec.json.decode(data, type=kind)
        if not is_deeper(data, DEEPEST_KEPT):
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
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return noted(*mended(plain(_loosely(text), DEEPEST_KEPT), kind))


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
