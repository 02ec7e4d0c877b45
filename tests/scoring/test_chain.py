"""The long chain: what is counted of a trial's tool calls, and how far a failing agent got."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Reply,
    Run,
    RunResult,
    SolutionStep,
    Task,
    ToolCall,
    ToolResult,
    TrialRecord,
    Turn,
    VerifierSpec,
)
from flatfield.scoring.chain import chain_of, chains, in_order
from flatfield.scoring.grading import grade

if TYPE_CHECKING:
    from collections.abc import Callable

TASK = Task(
    id="t",
    title="t",
    prompt="p",
    verifiers=(VerifierSpec(kind="answer", options={}),),
    solution=(
        SolutionStep(tool="read_file", arguments={"file_path": "a.txt"}),
        SolutionStep(tool="write_file", arguments={"file_path": "out/b.txt", "content": "right"}),
        SolutionStep(tool="list_directory", arguments={"directory_path": "."}),
        SolutionStep(answer="done"),
    ),
)


def turn(*calls: tuple[str, dict[str, Any] | str, bool | None]) -> Turn:
    """Calls as (tool, arguments, whether it worked); None: not answered."""
    made = tuple(
        ToolCall(id=str(n), name=name, arguments=what if isinstance(what, str) else json.dumps(what))
        for n, (name, what, _) in enumerate(calls)
    )
    results = tuple(
        ToolResult(call_id=str(n), name=name, text="x", ok=ok)
        for n, (name, _, ok) in enumerate(calls)
        if ok is not None
    )
    return Turn(reply=Reply(text="", calls=made), results=results)


def test_calls_are_counted_and_laid_beside_the_solution(make_trial: Callable[..., TrialRecord]) -> None:
    trial = make_trial(
        turns=(
            turn(("read_file", {"file_path": "./a.txt"}, True), ("read_file", {"file_path": "c.txt"}, False)),
            turn(("write_file", {"content": "wrong", "file_path": "out/b.txt"}, True)),
            turn(("read_file", '{"file_path":  "c.txt"}', False), ("read_file", "{broken", False)),
            turn(("list_directory", {}, None)),
        )
    )
    found = chain_of(trial, TASK)
    assert (found.turns, found.calls, found.failed, found.repeated, found.last_success) == (4, 6, 4, 1, 2)
    assert (found.oracle_calls, found.followed) == (3, 2)


def test_without_a_solution_nothing_is_said_of_one(make_trial: Callable[..., TrialRecord]) -> None:
    found = chain_of(make_trial(turns=(turn(("read_file", "[1]", True)),)), Task(id="t", title="t", prompt="p"))
    assert (found.calls, found.oracle_calls, found.followed) == (1, None, None)
    assert chain_of(make_trial(), None).calls == 0


def test_a_solution_that_only_answers_needs_no_call(make_trial: Callable[..., TrialRecord]) -> None:
    task = Task(id="t", title="t", prompt="p", solution=(SolutionStep(answer="42"),))
    assert (chain_of(make_trial(), task).oracle_calls, chain_of(make_trial(), task).followed) == (0, 0)


def longest(a: list[str], b: list[str]) -> int:
    rows = [0] * (len(b) + 1)
    for x in a:
        before = rows[:]
        for j, y in enumerate(b):
            rows[j + 1] = before[j] + 1 if x == y else max(rows[j], before[j + 1])
    return rows[-1]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_in_order_is_the_longest_common_subsequence(needed: list[str], made: list[str]) -> None:
    assert in_order(needed, made) == longest(needed, made)


def test_per_agent_means_shares_and_how_far_the_short_ones_got(make_trial: Callable[..., TrialRecord]) -> None:
    def trial(repeat: int, score: float, stop: str, *turns: Turn) -> TrialRecord:
        check = Check(verifier="answer", label="l", score=score, reason="r")
        return make_trial(repeat=repeat, checks=(check,), stop=stop, turns=turns)

    read = ("read_file", {"file_path": "a.txt"}, True)
    trials = (
        trial(1, 1.0, "answered", turn(read, ("write_file", {"file_path": "out/b.txt"}, True)), turn()),
        trial(2, 0.25, "turn_limit", turn(read), turn(read)),
    )
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=(TASK,),
        agents=(AgentConfig(name="a", provider="x"), AgentConfig(name="idle", provider="x")),
        repeats={"t": 2},
    )
    (found,) = chains(RunResult(run=run, trials=trials, verdicts=(), grading=grade(run, trials, ())))
    assert (found.trials, found.turns, found.calls, found.failed_share, found.repeated_share) == (2, 2, 2, 0, 0.25)
    assert found.oracle_calls == 3
    assert found.followed_share == pytest.approx(0.5)
    assert (found.short, found.short_score, found.short_limited) == (1, 0.25, 1)
    assert found.short_followed == pytest.approx(1 / 3)


def test_arguments_nested_without_end_are_counted_as_they_were_written(make_trial: Callable[..., TrialRecord]) -> None:
    endless = '{"a":' * 10_000 + "1" + "}" * 10_000
    found = chain_of(make_trial(turns=(turn(("read_file", endless, False), ("read_file", endless, False)),)), TASK)
    assert (found.calls, found.failed, found.repeated, found.followed) == (2, 2, 1, 0)
