"""The tools as clients are told of them: what a model needs, in few words, as every session pays for them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_types import Tool

_NAMES = frozenset({"properties", "$defs"})
"""Keys whose maps have names of our own as keys."""
_REFUSED = frozenset({"minimum", "maximum", "exclusiveMinimum", "minLength", "additionalProperties"})
"""What a model keeps to unasked: a call that does not is answered with what is valid."""


def told(tool: Tool) -> Tool:
    """A tool with a description without its indentation, and schemas without what Python adds to them."""
    return tool.model_copy(
        update={
            "description": inspect.cleandoc(tool.description or ""),
            "input_schema": given(tool.input_schema),
            "output_schema": None if tool.output_schema is None else untitled(tool.output_schema),
        }
    )


def given(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An input schema: no titles, nothing named elsewhere, no null for what may be left out, no bounds.

    All of it is still checked, and null is taken for what is left out.
    """
    plain = untitled(schema)
    known = plain.pop("$defs", {})
    found: dict[str, Any] = _short(plain, known)
    return found


def untitled(value: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """A schema without titles, which repeat names; properties called so stay."""
    if isinstance(value, list):
        return [untitled(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: untitled(each) for name, each in part.items()} if key in _NAMES else untitled(part)
        for key, part in value.items()
        if key != "title" or not isinstance(part, str)
    }


def _short(value: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(value, list):
        return [_short(each, known) for each in value]
    if not isinstance(value, dict):
        return value
    found = dict(value)
    options = [each for each in found.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        del found["anyOf"]
        found = options[0] | found
    if "$ref" in found:
        found = known[found.pop("$ref").rpartition("/")[2]] | found
    return {
        key: {name: _short(each, known) for name, each in part.items()} if key in _NAMES else _short(part, known)
        for key, part in found.items()
        if key not in _REFUSED and (key != "default" or part)
    }
