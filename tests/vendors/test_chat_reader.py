"""Replies of the chat wire in all the ways that servers send them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import ProviderError
from flatfield.http.replies import PassingFailure
from flatfield.records import Usage
from flatfield.vendors._counts import openai_usage
from flatfield.vendors.openai_chat.reader import ChatReader

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}


def read(*chunks: dict[str, Any] | str | bytes) -> ChatReader:
    reader = ChatReader()
    for chunk in chunks:
        data = json.dumps(chunk) if isinstance(chunk, dict) else chunk
        reader.event(data.encode() if isinstance(data, str) else data)
    return reader


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def piece(name: str | None = None, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, "function": function}


def calls(reader: ChatReader) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in reader.calls(1)]


# ---------------------------------------------------------------------------- ends and usage


@pytest.mark.parametrize(
    "chunks",
    [
        [delta(content="hi"), delta("stop"), {"choices": [], "usage": USAGE}, "[DONE]"],
        [delta(content="hi"), {"choices": [], "usage": USAGE}, delta("stop"), "[DONE]"],
        [delta(content="hi"), delta("stop") | {"usage": USAGE}],
        [delta(content="hi") | {"usage": USAGE | {"completion_tokens": 1}}, delta("stop") | {"usage": USAGE}],
        [delta(role="assistant", content=""), delta(content="hi"), {"choices": None, "usage": USAGE}, "[DONE] "],
        [{"choices": []}, {"type": "ping"}, delta(content="hi"), delta("stop") | {"usage": None}, {"usage": USAGE}],
        [delta(content="hi", tool_calls=None), delta("stop", content=None), {"usage": USAGE | {"prompt_tokens": 7.0}}],
    ],
)  # fmt: skip
def test_usage_and_the_end_come_in_any_order(chunks: list[Any]) -> None:
    reader = read(*chunks)
    assert (reader.text, reader.complete, reader.finish) == ("hi", True, "stop")
    assert reader.usage == Usage(input_tokens=7, output_tokens=3)


def test_the_end_is_over_only_when_nothing_more_can_come() -> None:
    reader = read(delta(content="hi"), delta("stop"))
    assert (reader.complete, reader.over) == (True, False)
    reader.event(b"[DONE]")
    assert reader.over


@pytest.mark.parametrize(
    "usage", [{}, [], "many", {"completion_tokens": "3"}, {"completion_tokens": None}, {"completion_tokens": -1}]
)
def test_usage_that_makes_no_sense_is_not_known(usage: Any) -> None:
    assert read(delta("stop", content="x") | {"usage": usage}).usage is None


def test_cached_and_reasoning_tokens() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 2}}
    expected = Usage(input_tokens=7, cache_read_tokens=5, output_tokens=3, reasoning_tokens=2)
    assert read({"usage": USAGE | details}).usage == expected
    nothing = {"prompt_tokens_details": None, "completion_tokens_details": None}
    assert read({"usage": USAGE | nothing | {"prompt_cache_hit_tokens": 4}}).usage == Usage(
        input_tokens=7, cache_read_tokens=4, output_tokens=3
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", "stop"), ("tool_calls", "stop"), ("eos", "stop"), ("length", "length"), ("MAX_TOKENS", "length"),
     ("content_filter", "refused"), ("SAFETY", "refused")],
)  # fmt: skip
def test_finish_reasons_of_all_servers(reason: str, finish: str) -> None:
    assert read(delta(reason, content="x")).finish == finish


def test_a_stream_that_ends_without_a_reply_is_tried_again() -> None:
    with pytest.raises(PassingFailure, match="without a reply"):
        read("[DONE]")
    with pytest.raises(PassingFailure, match="broke the reply off"):
        read(delta(content="half"), delta("error"))
    assert read(delta(role="assistant"), "[DONE]").text == ""


# ---------------------------------------------------------------------------- calls


@pytest.mark.parametrize(
    "deltas",
    [
        # OpenAI: id and name once, arguments in pieces
        [[piece("a", "", index=0, id="1")], [piece(None, '{"x"', index=0)], [piece(None, ":1}", index=0)],
         [piece("b", "", index=1, id="2")], [piece(None, "{}", index=1)]],
        # whole, in one chunk, with an index or without, counting from 1, all at the same index
        [[piece("a", '{"x":1}', index=0, id="1"), piece("b", "{}", index=1, id="2")]],
        [[piece("a", '{"x":1}', id="1"), piece("b", "{}", id="2")]],
        [[piece("a", '{"x":1}', index=1, id="1")], [piece("b", "{", index=2, id="2")], [piece(None, "}", index=2)]],
        [[piece("a", '{"x":1}', index=0, id="1")], [piece("b", "{}", index=0, id="2")]],
        # without ids; one id for all; the object itself instead of its text
        [[piece("a", '{"x":1}'), piece("b", "{}")]],
        [[piece("a", '{"x":1}', index=0, id="same")], [piece("b", "{}", index=0, id="same")]],
        [[piece("a", {"x": 1}, index=0, id="1")], [piece("b", {}, index=1, id="2")]],
        # id and name repeated with every piece
        [[piece("a", '{"x"', index=0, id="1")], [piece("a", ":1}", index=0, id="1")],
         [piece("b", "{", index=1, id="2")], [piece("b", "}", index=1, id="2")]],
        # pieces without an index, told apart by their ids and names
        [[piece("a", '{"x"', id="1")], [piece(None, ":1}", id="")], [piece("b", "{", id="2")], [piece(None, "}")]],
        # interleaved
        [[piece("a", '{"x"', index=0, id="1")], [piece("b", "{", index=1, id="2")],
         [piece(None, ":1}", index=0)], [piece(None, "}", index=1)]],
    ],
)  # fmt: skip
@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
def test_calls_come_out_the_same_however_they_are_sent(deltas: list[Any], finish: str) -> None:
    reader = read(*(delta(tool_calls=each) for each in deltas), delta(finish))
    assert calls(reader) == [("a", '{"x":1}'), ("b", "{}")]
    assert len({call.id for call in reader.calls(1)}) == 2


def test_made_up_ids_differ_between_turns_and_please_the_strictest_server() -> None:
    reader = read(delta("stop", tool_calls=[piece("a", "{}"), piece("a", "{}")]))
    ids = [call.id for call in reader.calls(3)]
    assert ids == ["call03001", "call03002"]
    assert ids == [call.id for call in reader.calls(3)]


def test_a_call_without_arguments_or_name() -> None:
    reader = read(delta("stop", tool_calls=[piece("list_directory", index=0, id="1"), {"index": 1, "id": "2"}]))
    assert calls(reader) == [("list_directory", ""), ("", "")]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_end_in_anything_but_a_reply_or_an_error_of_ours(chunks: list[bytes]) -> None:
    with suppress(PassingFailure, ProviderError):
        read(*chunks)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "tool_calls", "index", "id", "function", "usage", "error"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4))
def test_no_json_ends_in_anything_but_a_reply_or_an_error_of_ours(values: list[Any]) -> None:
    reader = ChatReader()
    with suppress(PassingFailure, ProviderError):
        for value in values:
            reader.event(json.dumps(value).encode())
        assert reader.replayed.keys() <= {"reasoning", "reasoning_content", "reasoning_details"}
        assert len({call.id for call in reader.calls(1)}) == len(reader.building)


# ---------------------------------------------------------------------------- text and reasoning


def test_content_in_parts_and_reasoning_in_fields() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    reader = read(delta(content=[thinking]), delta(content=[{"type": "text", "text": "4"}, "2"]), delta("stop"))
    assert (reader.text, reader.reasoning, reader.replayed) == ("42", "hm", {})
    both = read(delta(reasoning="a", reasoning_content="a"), delta(reasoning="b", reasoning_content="b"), delta("stop"))
    assert both.reasoning == "ab"
    assert both.replayed == {"reasoning_content": "ab", "reasoning": "ab"}


def test_reasoning_details_go_back_as_the_items_they_are_pieces_of() -> None:
    pieces = [
        {"type": "reasoning.text", "index": 0, "text": "Let me", "signature": None},
        {"type": "reasoning.text", "index": 0, "text": " see"},
        {"type": "reasoning.text", "index": 0, "signature": "abc"},
        {"type": "reasoning.encrypted", "index": 1, "data": "xyz"},
    ]
    reader = read(*(delta(reasoning_details=[each]) for each in pieces), delta("stop"))
    assert reader.replayed == {
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "Let me see", "signature": "abc"},
            {"type": "reasoning.encrypted", "index": 1, "data": "xyz"},
        ]
    }


def test_a_character_cut_into_halves_is_whole_again() -> None:
    reader = read(b'{"choices":[{"delta":{"content":"a\\ud83d"}}]}', b'{"choices":[{"delta":{"content":"\\ude42b"}}]}')
    assert reader.text == "a🙂b"
    alone = read(b'{"choices":[{"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}')
    assert alone.text == "a\ufffd"


def test_a_reply_that_is_not_streamed() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [piece("a", {"x": 1}, id="1"), piece("b", "", id="1")],
    }
    reader = ChatReader()
    reader.whole(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}).encode())
    assert [(call.id, call.name, call.arguments) for call in reader.calls(2)] == [
        ("1", "a", '{"x":1}'),
        ("call02002", "b", ""),
    ]
    for body in (b"", b"null", b"[]", b"{}", b'{"choices": []}', b"<html>", b"\xff", b"[" * 100_000):
        with pytest.raises(PassingFailure, match="server sent no"):
            ChatReader().whole(body)


# ---------------------------------------------------------------------------- errors inside


@pytest.mark.parametrize(
    "error",
    [
        "overloaded",
        {"message": "overloaded"},
        {"message": "overloaded", "code": 503},
        {"message": "slow down, overloaded", "code": "429"},
        {"type": "server_error", "message": "overloaded", "code": None},
    ],
)
def test_an_error_in_the_stream_may_pass(error: Any) -> None:
    with pytest.raises(PassingFailure, match="overloaded"):
        read(delta(content="half"), {"error": error})


@pytest.mark.parametrize(
    "error",
    [
        {"message": "bad", "code": 400},
        {"message": "bad", "code": "404"},
        {"message": "bad", "type": "invalid_request_error"},
        {"message": "bad", "code": "context_length_exceeded"},
    ],
)
def test_an_error_in_the_stream_may_be_final(error: Any) -> None:
    with pytest.raises(ProviderError, match="bad"):
        read({"error": error})


@pytest.mark.parametrize(
    ("more", "cost"),
    [
        ({"cost": 0.0125}, 0.0125),
        ({"cost": 0}, 0.0),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 5}}, 0.01),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, 0.21),
        ({"cost": 0.01, "is_byok": True}, None),
        ({"cost": {"total_cost": 1}}, None),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({}, None),
    ],
)
def test_the_cost_that_a_server_reports(more: dict[str, Any], cost: float | None) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, **more}
    reader = read({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage})
    assert reader.reported_cost_usd == (None if cost is None else pytest.approx(cost))


def test_the_service_tier_that_a_server_reports() -> None:
    end = {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}
    assert read({**end, "service_tier": "flex"}).service_tier == "flex"
    assert read({**end, "service_tier": None}).service_tier == ""
    assert read(end).service_tier == ""


# ---------------------------------------------------------------------------- what servers do


@pytest.mark.parametrize(
    ("usage", "output_tokens", "reasoning_tokens"),
    [
        ({"completion_tokens": 10, "total_tokens": 160, "completion_tokens_details": {"reasoning_tokens": 50}}, 60, 50),
        ({"completion_tokens": 60, "total_tokens": 160, "completion_tokens_details": {"reasoning_tokens": 50}}, 60, 50),
        ({"completion_tokens": 10, "total_tokens": 160}, 60, 50),  # beside the completion, and named nowhere
        ({"completion_tokens": 10, "total_tokens": 0}, 10, 0),
        ({"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 50}}, 60, 50),
        ({"completion_tokens": 60, "completion_tokens_details": {"reasoning_tokens": 50}}, 60, 50),
    ],
)
def test_reasoning_counts_once_inside_the_completion_or_beside_it(
    usage: dict[str, Any], output_tokens: int, reasoning_tokens: int
) -> None:
    found = read(delta("stop", content="hi"), {"choices": [], "usage": {"prompt_tokens": 100, **usage}}).usage
    assert found == Usage(input_tokens=100, output_tokens=output_tokens, reasoning_tokens=reasoning_tokens)


def test_what_was_written_to_a_cache_is_told_apart() -> None:
    details = {"cached_tokens": 5, "cache_write_tokens": 80}
    found = read(
        delta("stop", content="x"), {"usage": USAGE | {"prompt_tokens": 100, "prompt_tokens_details": details}}
    )
    assert found.usage == Usage(input_tokens=100, cache_read_tokens=5, cache_write_tokens=80, output_tokens=3)


@pytest.mark.parametrize(
    "told",
    [
        {
            "prompt_tokens_details": {
                "cache_creation_tokens": 80,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 60},
            }
        },
        {"cache_creation_input_tokens": 80, "cache_creation": {"ephemeral_1h_input_tokens": 60}},
    ],
    ids=["litellm", "door"],
)
def test_what_is_kept_in_the_cache_for_an_hour_is_told_apart(told: dict[str, Any]) -> None:
    found = openai_usage({"prompt_tokens": 100, "completion_tokens": 3, **told})
    assert found == Usage(input_tokens=100, cache_write_tokens=80, cache_write_1h_tokens=60, output_tokens=3)


def test_the_model_that_answered_is_kept() -> None:
    assert read(delta(content="x") | {"model": "gpt-5-mini-2025-08-07"}, delta("stop") | {"model": ""}).answered_by == (
        "gpt-5-mini-2025-08-07"
    )
    assert read(delta("stop", content="x") | {"model": 7}).answered_by == ""


WHOLE = '{"file_path": "a"}'


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("read_file", "{}", index=0, id="c"), piece(None, WHOLE, index=0)],
        [piece("read_file", "{}", index=0, id="c"), piece(None, WHOLE[:5], index=0), piece(None, WHOLE[5:], index=0)],
        [piece("read_file", WHOLE, index=0, id="c"), piece(None, WHOLE, index=0)],
        [piece("read_file", WHOLE, index=0, id="c"), piece("read_file", WHOLE, index=0, id="c")],
        [piece("read_file", WHOLE, index=0, id="c"), piece("read_file", WHOLE, index=1, id="c")],
        [piece("read_file", WHOLE[:5], index="0", id="c"), piece(None, WHOLE[5:], index="0")],
        [piece("read_file", WHOLE[:5], index=0, id=7), piece(None, WHOLE[5:], index=0)],
        [piece("read_file", WHOLE[:5], index="a", id="c"), piece(None, WHOLE[5:], index="a")],
    ],
)
def test_one_call_is_one_however_it_comes(pieces: list[dict[str, Any]]) -> None:
    reader = read(*(delta(tool_calls=[each]) for each in pieces), delta("tool_calls"))
    assert calls(reader) == [("read_file", WHOLE)]
    assert len(reader.building) == 1, "as it goes back to the server"


def test_two_calls_alike_under_ids_of_their_own_are_two() -> None:
    pieces = [piece("read_file", WHOLE, index=number, id=f"c{number}") for number in (0, 1)]
    assert len(calls(read(*(delta(tool_calls=[each]) for each in pieces)))) == 2


def test_a_reply_that_is_cut_into_two_choices_of_one_index_is_one() -> None:
    text = {"index": 0, "delta": {"content": "Let me see."}}
    call = {"index": 0, "delta": {"tool_calls": [piece("read_file", WHOLE, index=0, id="c")]}}
    other = {"index": 1, "delta": {"content": "another reply"}}
    reader = read({"choices": [text, call, other]}, delta("tool_calls"))
    assert (reader.text, calls(reader)) == ("Let me see.", [("read_file", WHOLE)])


def test_a_call_that_the_server_lost_is_asked_for_again() -> None:
    with pytest.raises(PassingFailure, match="'tool_calls' and sent no call"):
        read(delta(content=""), delta("tool_calls", tool_calls=[]))
    assert read(delta("tool_calls", content="x")).finish == "stop"


def test_an_error_without_its_wrapping_is_one() -> None:
    with pytest.raises(PassingFailure, match="upstream exploded"):
        read({"message": "upstream exploded", "code": 500})
    with pytest.raises(ProviderError, match="no such thing"):
        read({"message": "no such thing", "code": 400})
