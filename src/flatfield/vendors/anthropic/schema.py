"""Structured outputs: a JSON Schema in the form that the Messages API holds a model to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN = frozenset(
    {
        "type",
        "description",
        "title",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "enum",
        "const",
    }
)


def output_format(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """`output_config.format` for a schema; None where it uses more than the API supports (the API would refuse it).

    Source: the vendor's page on structured outputs, "JSON Schema limitations": objects must be closed, bounds on
    numbers and lengths are not supported. Only the keywords that our own schemas use are taken for supported.
    """
    closed = _closed(schema)
    return None if closed is None else {"type": "json_schema", "schema": closed}


def _closed(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    if not _KNOWN.issuperset(schema):
        return None
    closed = dict(schema)
    if schema.get("type") == "object":
        if schema.get("additionalProperties"):
            return None
        closed["additionalProperties"] = False
    if "properties" in schema:
        closed["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
    if "anyOf" in schema:
        closed["anyOf"] = [_closed(part) for part in schema["anyOf"]]
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    parts = [*closed.get("properties", {}).values(), *closed.get("anyOf", ()), closed.get("items", {})]
    return None if None in parts else closed
