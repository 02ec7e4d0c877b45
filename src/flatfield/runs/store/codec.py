"""Turns records into JSON text that can always be read again."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from msgspec import Struct

T = TypeVar("T", bound="Struct")


def encode(record: Struct) -> str:
    """The record as JSON, read back once, so that what is kept is known to be readable.

    JSON knows neither infinities nor half a surrogate pair (a file name that is not UTF-8 has some): an infinite
    number becomes the largest one, "not a number" is left out, a lone surrogate is written as its escape. A foreign
    object in a field of any type is written as its `repr`.

    Raises:
        msgspec.MsgspecError: the record holds what its type does not allow.
    """
    try:
        data = msgspec.json.encode(record, enc_hook=repr)
        msgspec.json.decode(data, type=type(record))
    except (UnicodeEncodeError, msgspec.ValidationError):
        data = msgspec.json.encode(_clean(msgspec.to_builtins(record, enc_hook=repr)))
        msgspec.json.decode(data, type=type(record))
    return data.decode()


def decode(text: str, kind: type[T]) -> T:
    """The record; fields that a newer version added are ignored, missing ones take their defaults.

    Raises:
        msgspec.MsgspecError: it is not such a record.
    """
    return msgspec.json.decode(text, type=kind)


def _clean(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items() if not _is_nan(item)}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and math.isinf(value):
        return math.copysign(sys.float_info.max, value)
    return value


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
