"""Answers that a server's parser may have made of something else are pointed out, others are left alone."""

from __future__ import annotations

import pytest

from flatfield.records import Reply, Sent, ToolCall, TrialRecord, Turn
from flatfield.scoring.fairness.received import AS_TEXT, IN_REASONING, REPEATS, oddities, oddity
from flatfield.testing.trials import a_trial


def ended(text: str, reasoning: str = "", **fields: object) -> tuple[Turn, ...]:
    request = Sent(tools=("read_file", "write_file"))
    return (Turn(reply=Reply(text=text, reasoning=reasoning, request=request, **fields)),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "read_file", "arguments": {"file_path": "a"}}\n</tool_call>',
        '```json\n{"name": "read_file", "arguments": {"file_path": "a"}}\n```',
        '{"name": "functions.read_file", "parameters": {"file_path": "a"}}',
        '<function=read_file>{"file_path": "a"}</function>',
        '[TOOL_CALLS][{"name": "read_file", "arguments": {}}]',
        '<|channel|>commentary to=functions.read_file<|message|>{"file_path": "a"}',
    ],
)
def test_a_call_written_as_text(text: str) -> None:
    assert oddity(ended(text)) == AS_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "",
        '{"name": "Ada", "arguments": [1]}',
        "I called read_file.",
        '{"tool": "hammer", "input": {"n": 1}}',
    ],
)
def test_an_answer_is_an_answer(text: str) -> None:
    assert oddity(ended(text)) == ""


def test_an_answer_that_is_reasoning_alone() -> None:
    assert oddity(ended(" ", reasoning="It is 42.")) == IN_REASONING
    assert oddity(ended("42", reasoning="It is 42.")) == ""
    assert oddity(ended("", reasoning="cut", finish="length")) == ""
    assert oddity(()) == ""
    call = ToolCall(id="c", name="read_file", arguments="{}")
    assert oddity(ended("", reasoning="hm", calls=(call,))) == ""


def test_a_reply_that_was_ended_is_told_where_it_had_no_end() -> None:
    assert oddity(ended("again again again", finish="repeats")) == REPEATS
    for finish in ("length", "time", "context"):
        assert oddity(ended("<tool_call>", finish=finish)) == ""


def test_they_are_counted_agent_by_agent() -> None:
    def trial(agent: str, repeat: int, turns: tuple[Turn, ...]) -> TrialRecord:
        return a_trial(agent, "t", repeat, turns=turns)

    odd = ended("<tool_call>")
    found = list(oddities([trial("a", 1, odd), trial("a", 2, odd), trial("b", 1, odd), trial("c", 1, ended("42"))]))
    assert found == [f"a, in 2 trials: {AS_TEXT}", f"b, in 1 trial: {AS_TEXT}"]
