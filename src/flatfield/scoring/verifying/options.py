"""Reads what a task's author wrote under a verifier into its Options, with one sentence for each mistake."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_PLACE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<found>[^`]*)` - at `\$\.(?P<key>\w+)`")


def read_map(value: object, shape: type[T], kind: str) -> T:
    """`value` as the Struct `shape`; `kind` is the verifier's name, for the message.

    Raises:
        ValueError: it is no map, has a key that is not known, lacks one, or a value of the wrong type.
    """
    keys = [field.encode_name for field in msgspec.structs.fields(shape)]  # type: ignore[arg-type]
    listed = listing(keys)
    if not isinstance(value, dict):
        raise ValueError(f"`{kind}` takes a map, such as `{kind}: {{{keys[0]}: …}}`; its keys are {listed}")  # noqa: TRY004 - loaders expect it
    unknown = [str(key) for key in value if key not in keys]
    if unknown:
        raise ValueError(f"`{kind}` has no key `{unknown[0]}`; its keys are {listed}")
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ValueError(_sentence(str(error), kind)) from error


def _sentence(message: str, kind: str) -> str:
    words = {"str": "text (in quotes)", "bool": "true or false", "int": "a number", "float": "a number"}
    if match := _PLACE.search(message):
        wanted = words.get(match["wanted"], match["wanted"])
        return f"`{kind}`: `{match['key']}` takes {wanted}"
    return f"`{kind}`: {message[0].lower()}{message[1:]}"


def listing(names: Sequence[str]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
