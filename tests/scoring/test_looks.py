"""Who leads, how surely, and for whom more trials are worth their price; the rounds are in tests/runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.records import AgentConfig, Check, Evaluation, Run, RunResult, Task, TrialRecord, Weights
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.looks import ALIKE, ERROR, looks_at, order_of, share

if TYPE_CHECKING:
    from collections.abc import Mapping


def played(passes: Mapping[str, int], tasks: int, repeats: int) -> RunResult:
    """Each agent passes so many of `repeats` trials of every task."""
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(repeats=repeats, weights=Weights(performance=1.0, speed=0.0, cost=0.0)),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p") for n in range(tasks)),
        agents=tuple(AgentConfig(name=name, provider="x") for name in passes),
        repeats={f"t{n}": repeats for n in range(tasks)},
    )
    trials = tuple(
        TrialRecord(
            run="r",
            agent=agent,
            task=task.id,
            repeat=repeat,
            task_digest="",
            agent_fingerprint="",
            stop="answered",
            active_seconds=1.0,
            checks=(Check(verifier="answer", label="l", score=float(repeat <= often), reason=""),),
        )
        for agent, often in passes.items()
        for task in run.tasks
        for repeat in range(1, repeats + 1)
    )
    study = study_trials(run, trials, ())
    grading = grade_drawn(run, trials, (), GradingTerms(), study)
    return RunResult(run=run, trials=trials, verdicts=(), grading=grading, study=study)


def test_looks_are_fixed_beforehand_and_share_the_error() -> None:
    for planned, most in ((1.0, 30), (2.0, 30), (3.0, 30), (5.0, 12), (3.4, 9), (10.0, 10), (12.0, 10)):
        looks = looks_at(planned, most)
        assert looks == tuple(sorted(set(looks)))
        assert sum(share(looks, look) for look in looks) == pytest.approx(ERROR)
        assert all(0.0 < share(looks, look) < ERROR + 1e-9 for look in looks)


def test_the_leader_stands_with_everybody_else() -> None:
    order = order_of(played({"low": 0, "top": 4, "near": 3}, 6, 4), 30)
    assert order.agents == ("top", "near", "low")
    assert [(pair.first, pair.second) for pair in order.pairs] == [("top", "near"), ("top", "low")]
    near, low = order.pairs
    assert low.standing == "apart"
    assert near.probability < low.probability
    assert near.regret > low.regret
    assert "low" not in order.buying


def test_more_of_the_same_makes_a_lead_surer_and_its_regret_smaller() -> None:
    pairs = [order_of(played({"a": 3 * n, "b": 2 * n}, 6, 4 * n), 40).pairs[0] for n in (1, 2, 4)]
    assert [pair.first for pair in pairs] == ["a", "a", "a"]
    assert pairs[0].probability < pairs[1].probability < pairs[2].probability
    assert pairs[0].regret > pairs[1].regret > pairs[2].regret


def test_two_that_both_always_pass_are_alike() -> None:
    (pair,) = order_of(played({"a": 3, "b": 3}, 20, 3), 30).pairs
    assert (pair.standing, pair.regret < ALIKE) == ("alike", True)


def test_at_the_most_repeats_nobody_is_bought_for() -> None:
    order = order_of(played({"a": 3, "b": 2}, 3, 4), 4)
    assert [pair.standing for pair in order.pairs] == ["at the most repeats"]
    assert order.buying == ()


def test_nothing_measured_has_no_lead() -> None:
    order = order_of(played({}, 2, 1), 30)
    assert (order.agents, order.pairs, order.buying) == ((), (), ())
