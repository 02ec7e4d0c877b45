"""What every session pays for: names, descriptions and input schemas of the tools, and nothing that Python adds."""

from __future__ import annotations

import json
from typing import Any

from flatfield.faces.mcp.schemas import given_to_clients, untitled

MOST_BYTES = 5_080
"""`bench/mcp_tokens.py` counts o200k's tokens: this JSON has more than four bytes a token, and may take 1,200."""


async def test_the_tools_take_few_words(connected: Any) -> None:
    async with connected() as client:
        tools = (await client.list_tools()).tools
    told = [{"name": one.name, "description": one.description, "inputSchema": one.input_schema} for one in tools]
    size = sum(len(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()) for one in told)
    assert size <= MOST_BYTES
    for one in tools:
        assert "\n " not in one.description, one.name
        assert titles(one.input_schema) == titles(one.output_schema) == [], one.name
        assert "$ref" not in json.dumps(one.input_schema), one.name


def titles(schema: Any) -> list[str]:
    """Titles of schemas, wherever they stand; a property that is called so is none."""
    if isinstance(schema, list):
        return [title for each in schema for title in titles(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["title"]] if isinstance(schema.get("title"), str) else []
    return own + [title for part in schema.values() for title in titles(part)]


def test_a_property_that_is_called_title_stays() -> None:
    schema = {"title": "Status", "properties": {"title": {"type": "string", "title": "Title"}}}
    assert untitled(schema) == {"properties": {"title": {"type": "string"}}}


def test_what_may_be_left_out_is_told_without_null_and_without_bounds() -> None:
    limits = {
        "anyOf": [{"exclusiveMinimum": 0, "type": "integer"}, {"type": "null"}],
        "default": None,
        "title": "Turns",
    }
    schema = {
        "$defs": {"L": {"properties": {"turns": limits}, "type": "object", "additionalProperties": False}},
        "properties": {"limits": {"anyOf": [{"$ref": "#/$defs/L"}, {"type": "null"}], "description": "at most"}},
    }
    inner = {"properties": {"turns": {"type": "integer"}}, "type": "object", "description": "at most"}
    assert given_to_clients(schema) == {"properties": {"limits": inner}}


async def test_null_and_bounds_are_taken_as_before(connected: Any) -> None:
    async with connected() as client:
        null = await client.call_tool("list_agents", {"match": "oracle"})
        below = await client.call_tool("pick", {"weights": {"speed": -1}, "constraints": None})
        unknown = await client.call_tool("pick", {"weights": {"sped": 1}})
    assert not null.is_error
    assert "weights.speed: Input should be greater than or equal to 0" in below.content[0].text
    assert "weights has no such key; it has: performance, speed, cost" in unknown.content[0].text
