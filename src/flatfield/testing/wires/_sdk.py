"""What wires have in common: asking a vendor's own SDK whether it would have sent a request."""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter


def must_be(shape: str, request: Mapping[str, Any]) -> None:
    """Compare a request with the type that an SDK declares for its parameters; `shape` names it, as `module:type`.

    Raises:
        ValueError: the request is not of that type, or holds what the type does not know.
    """
    known = dict(request)
    read = _consumed(_adapter(shape).validate_python(known))
    if read != known:  # validation drops what it does not know
        raise ValueError(f"the SDK sends {read}, not {known}")


def must_know(names: set[str], request: Mapping[str, Any]) -> None:
    """Look for fields that an SDK does not have.

    Raises:
        ValueError: there are some; the message names them.
    """
    if unknown := sorted(set(request) - names):
        raise ValueError(f"the SDK does not know {', '.join(unknown)}")


@cache
def _adapter(shape: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(pkgutil.resolve_name(shape))


def _consumed(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Validators of sequences are lazy: they check what is taken from them."""
    if isinstance(value, dict):
        return {name: _consumed(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    return [_consumed(item) for item in value]
