"""Which agent: the best within the limits, the reasons, the honesty about certainty, and who was left out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Failure,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Weights,
)
from flatfield.scoring.decision import Constraints, decide
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Figures = tuple[float | None, float, float | None]


@cache
def published() -> RunResult:
    imported = load()
    grading = grade(imported.run, imported.trials, ())
    return RunResult(run=imported.run, trials=imported.trials, verdicts=(), grading=grading)


def result(agents: Mapping[str, Figures], tasks: int = 6) -> RunResult:
    """Each agent with the same score (None: the harness failed), seconds and dollars on every task."""
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p") for n in range(tasks)),
        agents=tuple(AgentConfig(name=name, provider="noop" if name == "noop" else "openai") for name in agents),
        repeats={},
    )
    trials = tuple(record(name, f"t{n}", figures, n) for name, figures in agents.items() for n in range(tasks))
    return RunResult(run=run, trials=trials, verdicts=(), grading=grade(run, trials, ()))


def record(agent: str, task: str, figures: Figures, n: int) -> TrialRecord:
    score, seconds, usd = figures
    return TrialRecord(
        run="r",
        agent=agent,
        task=task,
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        active_seconds=seconds,
        cost_usd=usd,
        failure=Failure(kind="provider", message="server down") if score is None else None,
        checks=(Check(verifier="answer", label="x", score=(score or 0.0) * (1 - n % 2 / 50), reason=""),),
    )


def reasons_of(decision_excluded: Sequence[object]) -> dict[str, str]:
    return {getattr(item, "agent", ""): getattr(item, "reason", "") for item in decision_excluded}


def test_the_published_run_has_an_answer_worth_reading() -> None:
    found = decide(published(), Constraints())
    assert (found.recommended, found.runner_up) == ("gpt-5-nano", "claude-3-haiku")
    assert found.front == ("gpt-5-nano", "claude-3-haiku")
    assert found.confidence.startswith("not separable with n=5 from claude-3-haiku")
    assert any("performance A (0.89)" in line and "$0.00337 per trial" in line for line in found.reasons)
    assert any("better on speed" in line for line in found.reasons)
    assert "these are published figures, not measured here" in found.reasons


def test_limits_leave_agents_out_and_say_why() -> None:
    limits = Constraints(min_performance="B", max_seconds=40.0, max_cost_usd=0.1)
    found = decide(published(), limits)
    why = reasons_of(found.excluded)
    assert why["claude-3-haiku"] == "performance C (0.65) is below B"
    assert why["gpt-5"].startswith("too slow: 55.7 active seconds per trial on average, the limit is 40")
    assert set(why) | {"gpt-5-nano", "gpt-5-mini"} == {agent.name for agent in published().run.agents}
    dear = decide(published(), Constraints(min_performance="B", max_cost_usd=0.1))
    assert reasons_of(dear.excluded)["claude-opus-4"].startswith("too dear: $0.39 per trial")


def test_other_weights_regrade() -> None:
    fast = decide(published(), Constraints(weights=Weights(performance=0.0, speed=1.0, cost=0.0)))
    assert fast.recommended == "claude-3-haiku"
    assert "weighted 0%/100%/0%" in fast.reasons[0]
    assert fast.front == ("claude-3-haiku",)


def test_when_nobody_is_left_it_says_so() -> None:
    found = decide(published(), Constraints(max_seconds=0.1))
    assert (found.recommended, found.runner_up, found.front) == (None, None, ())
    assert len(found.excluded) == 9
    assert "no agent is left" in found.reasons[0]


def test_controls_unmeasured_and_unpriced_agents_are_left_out() -> None:
    found = decide(
        result(
            {"good": (1.0, 1.0, 0.01), "noop": (0.0, 0.1, 0.0), "down": (None, 1.0, 0.0), "unpriced": (1.0, 1.0, None)}
        ),
        Constraints(),
    )
    why = reasons_of(found.excluded)
    assert found.recommended == "good"
    assert why["noop"] == "a control, not a contender"
    assert "not measured" in why["down"]
    assert "no price known" in why["unpriced"]
    assert found.confidence.startswith("no comparison")


def test_an_unknown_price_is_no_obstacle_where_cost_has_no_weight() -> None:
    agents: dict[str, Figures] = {"slow": (0.9, 9.0, 0.01), "unpriced": (0.9, 1.0, None)}
    weights = Weights(performance=0.5, speed=0.5, cost=0.0)
    assert decide(result(agents), Constraints(weights=weights)).recommended == "unpriced"
    limited = decide(result(agents), Constraints(weights=weights, max_cost_usd=1.0))
    assert "no price known" in reasons_of(limited.excluded)["unpriced"]


def test_a_clear_lead_is_called_separable() -> None:
    found = decide(result({"good": (0.97, 1.0, 0.01), "bad": (0.3, 9.0, 0.09)}), Constraints())
    assert found.recommended == "good"
    assert found.confidence.startswith("separable: no other agent's rank range reaches good's")


def test_one_trial_each_separates_nobody() -> None:
    found = decide(result({"good": (1.0, 1.0, 0.01), "bad": (0.1, 9.0, 0.09)}, tasks=1), Constraints())
    assert found.recommended == "good"
    assert found.confidence == "not separable with n=1: too few tasks and repeats for an interval"


@pytest.mark.parametrize("weights", [Weights(performance=0.0, speed=0.0, cost=0.0)])
def test_without_any_weight_nobody_is_recommended(weights: Weights) -> None:
    found = decide(published(), Constraints(weights=weights))
    assert found.recommended is None
    assert "no weight is above 0" in found.excluded[0].reason


def test_an_agent_with_fewer_tasks_is_not_compared() -> None:
    whole = result({"a": (0.9, 1.0, 0.01), "b": (1.0, 1.0, 0.01)})
    kept = tuple(trial for trial in whole.trials if (trial.agent, trial.task) != ("b", "t3"))
    found = decide(
        RunResult(run=whole.run, trials=kept, verdicts=(), grading=grade(whole.run, kept, ())), Constraints()
    )
    assert found.recommended == "a"
    assert reasons_of(found.excluded)["b"].startswith("not measured on t3")
