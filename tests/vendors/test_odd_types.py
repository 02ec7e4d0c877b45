"""What servers count and call in types of their own: each vendor's reader takes a number for a number."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import Usage
from flatfield.vendors._counts import openai_usage, plain, tokens
from flatfield.vendors.anthropic.reader import MessageReader
from flatfield.vendors.base import arguments_object
from flatfield.vendors.gemini.reader import GeminiReader
from flatfield.vendors.ollama.reader import OllamaReader
from flatfield.vendors.openai.reader import ResponsesReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import ToolCall

ARGUMENTS = {"file_path": "in.txt"}


def take(reader: Any, *events: dict[str, Any]) -> Any:
    for event in events:
        reader.event(json.dumps(event).encode())
    return reader


def anthropic(own_id: Any, given: Any, odd: tuple[Any, ...]) -> tuple[ToolCall, Usage | None]:
    inward, outward, finish, index = odd
    block = {"type": "tool_use", "id": own_id, "name": "read_file", "input": {}}
    reader = take(
        MessageReader(),
        {"type": "message_start", "message": {"usage": {"input_tokens": inward, "cache_creation": "odd"}}},
        {"type": "content_block_start", "index": index, "content_block": block},
        {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": given}},
        {"type": "message_delta", "delta": {"stop_reason": finish}, "usage": {"output_tokens": outward}},
        {"type": "message_stop"},
    )
    assert reader.complete
    return reader.calls()[0], reader.usage


def openai(own_id: Any, given: Any, odd: tuple[Any, ...]) -> tuple[ToolCall, Usage | None]:
    inward, outward, _, index = odd
    item = {"type": "function_call", "call_id": own_id, "name": "read_file", "arguments": given}
    usage = {"input_tokens": inward, "output_tokens": outward, "input_tokens_details": []}
    reader = take(
        ResponsesReader(),
        {"type": "response.output_item.done", "output_index": index, "item": item},
        {"type": "response.completed", "response": {"status": "completed", "output": [], "usage": usage}},
    )
    reader.tell_ids_apart(1)
    return reader.calls[0], reader.usage


def gemini(own_id: Any, given: Any, odd: tuple[Any, ...]) -> tuple[ToolCall, Usage | None]:
    inward, outward, finish, index = odd
    part = {"functionCall": {"id": own_id, "name": "read_file", "args": given}}
    usage = {"promptTokenCount": inward, "candidatesTokenCount": outward}
    candidate = {"index": index, "content": {"parts": [part]}, "finishReason": finish}
    told = take(GeminiReader(), {"candidates": [candidate], "usageMetadata": usage}).told(1)
    return told.calls[0], told.usage


def ollama(own_id: Any, given: Any, odd: tuple[Any, ...]) -> tuple[ToolCall, Usage | None]:
    inward, outward, finish, _ = odd
    call = {"id": own_id, "function": {"name": "read_file", "arguments": given}}
    counts = {"prompt_eval_count": inward, "eval_count": outward}
    reader = take(
        OllamaReader(),
        {"message": {"tool_calls": [call]}},
        {"message": {}, "done": True, "done_reason": finish} | counts,
    )
    return reader.calls(1)[0], reader.usage


IDS: tuple[Any, ...] = (7, None, "", {"a": 1}, "звонок 1")
GIVEN: tuple[Any, ...] = (ARGUMENTS, json.dumps(ARGUMENTS))
ODD: tuple[tuple[Any, ...], ...] = ((100, 10, "stop", 0), ("100", "10", 1, "0"), (100.0, 10.0, "whatever", 0.0))


@pytest.mark.parametrize("read", [anthropic, openai, gemini, ollama])
def test_a_call_and_its_counts(read: Callable[..., tuple[ToolCall, Usage | None]]) -> None:
    for case in itertools.product(IDS, GIVEN, ODD):
        own_id, given, odd = case
        call, usage = read(own_id, given, odd)
        assert call.name == "read_file", case
        assert call.id, case
        assert call.id == own_id or not isinstance(own_id, str) or not own_id, case
        assert arguments_object(call.arguments) == ARGUMENTS, case
        assert usage == Usage(input_tokens=100, output_tokens=10), case


@pytest.mark.parametrize("value", [None, True, "x", "-1", -1, [], {}, 2.0**60, float("inf")], ids=str)
def test_what_is_no_count(value: Any) -> None:
    assert tokens({"n": value}, "n") is None
    assert tokens(value, "n") is None


def test_what_can_be_no_id() -> None:
    odd: tuple[Any, ...] = ("a", 7, None, True, [], {"a": 1})
    assert [plain(value) for value in odd] == ["a", "7", "", "", "", ""]


@pytest.mark.parametrize(
    ("told", "out"),
    [
        ({"output_tokens": 10, "total_tokens": 160, "output_tokens_details": {"reasoning_tokens": 50}}, 60),
        ({"output_tokens": 60, "total_tokens": 160, "output_tokens_details": {"reasoning_tokens": 50}}, 60),
        ({"completion_tokens": 60}, 60),
    ],
    ids=["beside", "inside", "chat's names"],
)
def test_the_total_tells_where_reasoning_is(told: dict[str, Any], out: int) -> None:
    usage = openai_usage({"input_tokens": 100, **told})
    assert usage is not None
    assert usage.output_tokens == out


@pytest.mark.parametrize(
    ("told", "out"),
    [
        ({"candidatesTokenCount": 10, "thoughtsTokenCount": 50, "totalTokenCount": 160}, 60),
        ({"candidatesTokenCount": 60, "thoughtsTokenCount": 50, "totalTokenCount": 160}, 60),
        ({"thoughtsTokenCount": 50, "totalTokenCount": 160}, 60),
    ],
    ids=["beside", "inside", "thoughts alone"],
)
def test_googles_total_does_too(told: dict[str, Any], out: int) -> None:
    candidate = {"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}
    reader = take(GeminiReader(), {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 100, **told}})
    assert reader.told(1).usage == Usage(input_tokens=100, output_tokens=out, reasoning_tokens=50)
