"""The rules that the test kit's Responses server holds clients to: each one catches what it is there for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flatfield.testing.fake_server import FakeReply
from flatfield.testing.wires.openai import OpenAIWire

HEADERS = {"Content-Type": "application/json"}
USER = {"role": "user", "content": "Do it."}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
REASONS = {"model": "gpt-5"}


def answer(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "x"}


def function(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "name": "f", "parameters": CLOSED, "strict": True, **fields}]}


def form(**fields: Any) -> dict[str, Any]:
    return {"text": {"format": {"type": "json_schema", "name": "n", "schema": CLOSED, "strict": True, **fields}}}


def violation(request: dict[str, Any], wire: OpenAIWire | None = None, headers: dict[str, str] | None = None) -> str:
    whole = {"model": "m", "stream": True, "store": False, "input": [USER], **request}
    return (wire or OpenAIWire()).violation(whole, headers or HEADERS, ()) or ""


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"input": "Do it."},
        {"max_output_tokens": 16, "temperature": 0, "instructions": "Be brief."},
        {**REASONS, "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]},
        {"model": "gpt-5.4", "temperature": 0.5},
        function(),
        function(strict=False, parameters=OPEN),
        function(strict=None, parameters=OPEN),
        form(),
        form(schema=OPEN, strict=False),
    ],
)
def test_what_keeps_the_rules(request_: dict[str, Any]) -> None:
    assert violation(request_) == ""


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"json_schema": {}}, "Unknown parameter: 'json_schema'"),
        ({"model": ""}, "Missing required parameter: 'model'"),
        ({"max_output_tokens": 15}, "below minimum value"),
        ({"temperature": 3}, "Invalid 'temperature'"),
        ({"instructions": None}, "Invalid type for 'instructions'"),
        ({"input": []}, "Missing required parameter: 'input'"),
        ({"input": [{"role": "tool", "content": "x"}]}, "'tool' for 'input\\[\\].role'"),
        ({"input": [{"type": "tool_result"}]}, "'tool_result' for 'input\\[\\].type'"),
        ({**REASONS, "temperature": 0.5}, "'temperature' is not supported with this model"),
        ({"reasoning": {"effort": "huge"}}, "Invalid value: 'huge'"),
        ({"reasoning": {"summary": "auto"}}, "organization must be verified"),
        ({"model": "gpt-4.1", "reasoning": {"effort": "low"}}, "'reasoning.effort' is not supported"),
        ({"model": "gpt-4.1", "include": ["reasoning.encrypted_content"]}, "Encrypted content is not supported"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "Invalid 'tools\\[\\].name'"),
        (function(type="web"), "Invalid value: 'web'"),
        (function(parameters={"anyOf": [CLOSED]}), "schema must be of 'type: \"object\"'"),
        (function(parameters=OPEN), "'additionalProperties' is required"),
        (function(parameters={**CLOSED, "required": []}), "'required' must include every key"),
        (function(parameters={**CLOSED, "properties": {"a": {"const": "x"}}}), "must have a 'type' key"),
        (function(parameters={**CLOSED, "not": {}}), "a keyword is not permitted"),
        (form(name="a b"), "text.format.name"),
        (form(schema={"anyOf": [CLOSED]}), "Invalid schema for response_format"),
        (form(schema={**CLOSED, "properties": {"a": {"type": "array", "items": OPEN}}}), "'additionalProperties'"),
    ],
)
def test_what_breaks_them(request_: dict[str, Any], problem: str) -> None:
    assert re.search(problem, violation(request_))


def test_a_body_must_say_that_it_is_json() -> None:
    assert "Content-Type" in violation({}, headers={"Content-Type": "text/plain"})


def test_items_come_back_as_they_were_sent() -> None:
    wire = OpenAIWire()
    said = FakeReply(reasoning="hm", text="Looking.", calls=(("f", '{"a": 1}'), ("f", "{")))
    thought, message, first, second = wire.whole(said, 0)["output"]
    mended = {**second, "arguments": '{"invalid_arguments": "{"}'}
    outputs = [answer("call_0_0"), answer("call_0_1")]

    def problem(*items: dict[str, Any]) -> str:
        return violation({"input": [USER, *items]}, wire)

    assert problem(thought, message, first, mended, *outputs) == ""
    assert "no tool output" in problem(thought, message, first, mended, outputs[0]).lower()
    assert "No tool call found" in problem(*outputs)
    assert "as JSON" in problem(thought, message, first, second, *outputs)
    assert "without its required neighbours" in problem(message, first, mended, *outputs)
    assert "without its required neighbours" in problem(message, thought, first, mended, *outputs)
    changed = {**thought, "encrypted_content": "other"}
    assert "'rs_0' of type 'reasoning' is not as it was sent" in problem(changed, message, first, mended, *outputs)
    assert "not as it was sent" in problem(thought, message, {**first, "arguments": "{}"}, mended, *outputs)
    assert "'rs_9' not found" in problem({**thought, "id": "rs_9"})
