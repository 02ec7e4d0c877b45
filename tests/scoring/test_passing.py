"""pass@k and pass^k: against counting all draws, and over tasks."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import AgentConfig, Check, Evaluation, Run, RunResult, Task, TrialRecord, VerifierSpec
from flatfield.scoring.chain import pass_at_k, pass_hat_k, passing, threshold
from flatfield.scoring.grading import grade

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.integers(1, 8), st.data())
def test_both_are_the_shares_of_all_draws(n: int, data: st.DataObject) -> None:
    passed, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations([1] * passed + [0] * (n - passed), k))
    assert pass_at_k(n, passed, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))
    assert pass_hat_k(n, passed, k) == pytest.approx(sum(all(draw) for draw in draws) / len(draws))


def result(make_trial: Callable[..., TrialRecord], scores: dict[str, list[float]]) -> RunResult:
    tasks = tuple(Task(id=t, title=t, prompt=t, verifiers=(VerifierSpec(kind="answer", options={}),)) for t in scores)
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tasks,
        agents=(AgentConfig(name="a", provider="x"),),
        repeats={},
    )
    trials = tuple(
        make_trial(task=task, repeat=number, checks=(Check(verifier="answer", label="l", score=score, reason="r"),))
        for task, each in scores.items()
        for number, score in enumerate(each, start=1)
    )
    return RunResult(run=run, trials=trials, verdicts=(), grading=grade(run, trials, ()))


def test_each_task_counts_once_and_only_where_it_was_done_often_enough(make_trial: Callable[..., Any]) -> None:
    found = {each.k: each for each in passing(result(make_trial, {"t": [1, 1, 0.9], "u": [0.0]}))}
    assert list(found) == [1, 2, 3]
    assert [found[1].at_least_once, found[1].every_time] == pytest.approx([1 / 3, 1 / 3])
    assert [found[k].tasks for k in (1, 2, 3)] == [2, 1, 1]
    assert [found[2].at_least_once, found[2].every_time] == pytest.approx([1.0, 1 / 3])
    assert (found[3].at_least_once, found[3].every_time, found[3].trials) == (1.0, 0.0, 3)


def test_nothing_measured_gives_nothing(make_trial: Callable[..., Any]) -> None:
    assert passing(result(make_trial, {"t": []})) == ()


def test_a_judged_task_passes_with_an_s_a_verified_one_with_all() -> None:
    judged = Task(id="t", title="t", prompt="p", verifiers=(VerifierSpec(kind="rubric", options={}),))
    assert threshold(judged) == 0.975
    assert threshold(Task(id="t", title="t", prompt="p", rubric="- S: short")) == 0.975
    assert threshold(Task(id="t", title="t", prompt="p", verifiers=(VerifierSpec(kind="file", options={}),))) == 0.95
