"""What is said of an assistant's hook events, in the shapes that a client gives results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.schemas import Delegated, Metadata
from flatfield.faces.speech.hooks import EVENTS, REASON_CHARACTERS, hook_sentence

DONE = "gpt-5 mini: done in 12 seconds, a third of a cent"
PACKED = {
    "as JSON": json.dumps,
    "as it is": lambda result: result,
    "as text": lambda result: f"Here it is:\n{json.dumps(result)}\nand what was used.",
    "in blocks": lambda result: [{"type": "text", "text": json.dumps(result)}],
    "in content": lambda result: {"content": [{"type": "text", "text": json.dumps(result)}], "isError": False},
    "structured": lambda result: {"content": [{"type": "text", "text": "…"}], "structuredContent": result},
}


def result(*, success: bool | None = True, error: str | None = None, usd: float | None = 0.0033) -> dict[str, Any]:
    """What the tool itself returns."""
    about = Metadata(agent="gpt-5-mini", provider="p", model="m", stop="answered", cost_usd=usd, trial="r/gpt-5-mini/1")
    told = Delegated(success=success, result="Oslo", error=error, execution_time_seconds=12.3, metadata=about)
    return told.model_dump()


def said(name: str, **more: Any) -> str:
    return hook_sentence(json.dumps({"hook_event_name": name, **more}).encode())


def called(response: Any, **given: Any) -> str:
    return said("PostToolUse", tool_name="mcp__x__prompt_nano_agent", tool_input=given, tool_response=response)


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_result_is_found_however_it_is_packed(pack: Any) -> None:
    assert called(pack(result())) == DONE


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (result(usd=None), "gpt-5 mini: done in 12 seconds"),
        (result(usd=0), "gpt-5 mini: done in 12 seconds, free"),
        (result(success=None), ""),
        (
            result(success=False, error="the key was refused: set one. Then try again.", usd=0.001),
            "gpt-5 mini: failed: the key was refused: set one, after 12 seconds, a tenth of a cent",
        ),
        (
            result(success=False, error="/home/me/work/notes.txt is not there", usd=0),
            "gpt-5 mini: failed: notes.txt is not there, after 12 seconds",
        ),
        (result(success=False, error=None, usd=None), "gpt-5 mini: failed, after 12 seconds"),
    ],
)
def test_what_happened_is_said(answer: dict[str, Any], sentence: str) -> None:
    assert called(json.dumps(answer)) == sentence


@pytest.mark.parametrize(
    "answer",
    [None, 7, "", "{", "it is done", "{}", [], [[]], {"success": "yes"}, {"success": True, "result": 1}, "[" * 100],
)
def test_of_an_unknown_shape_nothing_is_claimed(answer: Any) -> None:
    assert called(answer, agent="gpt-5-mini") == "gpt-5 mini has ended"
    assert called(answer, model="gpt-5-mini") == "gpt-5 mini has ended"
    assert called(answer) == "an agent has ended"


@pytest.mark.parametrize("given", [None, "x", {}, {"agent": 3}])
def test_nor_of_an_unknown_call(given: Any) -> None:
    assert said("PostToolUse", tool_input=given) == "an agent has ended"
    assert said("PostToolUseFailure", tool_input=given) == "an agent: failed"


def test_a_call_that_failed_says_why() -> None:
    given = {"agent": "gpt-5-mini"}
    failed = said("PostToolUseFailure", tool_input=given, error="no agent is called so; list_agents names them")
    assert failed == "gpt-5 mini: failed: no agent is called so"
    cut = said("PostToolUseFailure", tool_input=given, error="Request interrupted", is_interrupt=True)
    assert cut == "gpt-5 mini was interrupted"
    refused = {"content": [{"type": "text", "text": "the budget is spent"}], "isError": True}
    assert called(refused, agent="gpt-5-mini") == "gpt-5 mini: failed: the budget is spent"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("agent 'gpt-5-mini': its key was refused", "gpt-5 mini: failed: its key was refused"),
        ("agent 'other': its key was refused", "gpt-5 mini: failed: agent 'other': its key was refused"),
        (
            "http://127.0.0.1:8080/v1 does not serve 'gpt-5-mini'",
            "gpt-5 mini: failed: 127.0.0.1 does not serve 'gpt-5-mini'",
        ),
        (
            "https://api.example.com/v1/models?x=1: it answered 503",
            "gpt-5 mini: failed: api.example.com: it answered 503",
        ),
        ("http://[::1]:9 is not there", "gpt-5 mini: failed: ::1 is not there"),
    ],
)
def test_a_reason_names_nobody_twice_and_servers_by_their_hosts(error: str, sentence: str) -> None:
    assert said("PostToolUseFailure", tool_input={"agent": "gpt-5-mini"}, error=error) == sentence


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            {"error": "rate_limit", "last_assistant_message": "Too many requests. Wait."},
            "I could not go on: Too many requests",
        ),
        ({"error": "unknown"}, "I could not go on: unknown"),
        ({}, "I could not go on"),
        (
            {
                "agent_type": "x:nano-agent-gpt-5-mini",
                "error": "model_not_found",
                "last_assistant_message": "No such model.",
            },
            "gpt-5 mini: failed: No such model",
        ),
        ({"agent_type": "reviewer", "error": "overloaded"}, "reviewer: failed: overloaded"),
    ],
)
def test_whose_model_could_not_be_asked_is_heard(event: dict[str, Any], sentence: str) -> None:
    assert said("StopFailure", **event) == sentence


def test_a_long_reason_is_cut_between_words() -> None:
    text = called(result(success=False, error="word " * 200, usd=None))
    assert len(text) < REASON_CHARACTERS + 80
    assert "word, and so on, after 12 seconds" in text


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"agent_type": "nano-agent-gpt-5-mini"}, "gpt-5 mini is done"),
        ({"agent_type": "flatfield:nano-agent-my-qwen"}, "my qwen is done"),
        ({"agent_type": "reviewer", "last_assistant_message": "Looks good."}, "reviewer is done"),
        ({}, "A sub-agent is done"),
        ({"agent_type": 4}, "A sub-agent is done"),
        ({"agent_type": "nano-agent-gpt-5-mini", "last_assistant_message": json.dumps(result())}, ""),
        (
            {"agent_type": "nano-agent-gpt-5-mini", "last_assistant_message": "I have no such tool."},
            "gpt-5 mini ended without a result",
        ),
    ],
)
def test_a_sub_agent_that_passes_a_result_on_is_heard_once(event: dict[str, Any], sentence: str) -> None:
    assert said("SubagentStop", **event) == sentence


def test_the_others() -> None:
    assert said("Stop") == "I am done"
    assert said("Notification", message="I wait for you") == "I wait for you"
    assert said("Notification", message=["?"]) == "I need you"


@pytest.mark.parametrize(
    "event", [b"", b"no json", b"\xff", b"[]", b"{}", b'{"hook_event_name": ["Stop"]}', b"[" * 9999]
)
def test_what_is_no_event_is_refused(event: bytes) -> None:
    with pytest.raises(FlatfieldError, match=r"stdin|hook_event_name"):
        hook_sentence(event)


def test_every_event_that_is_named_is_spoken_of() -> None:
    for name in EVENTS:
        assert said(name)
