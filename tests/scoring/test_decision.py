"""Which agent: the best within the limits, the reasons, the honesty about certainty, and who was left out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

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
        agents=tuple(
            AgentConfig(name=name, provider="noop" if name == "noop" else "openai", model="m") for name in agents
        ),
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


def test_controls_and_unmeasured_agents_are_left_out_and_unpriced_ones_are_not() -> None:
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
    assert "unpriced" not in why
    assert found.answer.startswith("Use good, overall S")
    (said,) = found.caveats
    assert said.startswith("Cost is left out for all: no price is known for unpriced;")
    assert '[prices."openai:m"] in flatfield.toml, or on_device = true' in said


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


def without(whole: RunResult, *lost: tuple[str, str]) -> RunResult:
    """The run with some trials that the harness failed."""
    failure = Failure(kind="provider", message="server down")
    trials = tuple(
        structs.replace(each, failure=failure) if (each.agent, each.task) in lost else each for each in whole.trials
    )
    return RunResult(run=whole.run, trials=trials, verdicts=(), grading=grade(whole.run, trials, ()))


def test_an_agent_with_fewer_tasks_is_compared_on_what_is_known() -> None:
    found = decide(without(result({"a": (0.9, 1.0, 0.01), "b": (1.0, 1.0, 0.01)}), ("b", "t3")), Constraints())
    assert (found.recommended, found.runner_up, found.excluded) == ("b", "a", ())
    assert "b was not measured on t3" in found.reasons
    assert found.caveats == ("b: 5 of 6 trials measured; had the others failed, a would be first.",)


def test_what_is_not_measured_never_helps() -> None:
    """An agent that fails one task honestly, and a faster one of which the same task is not measured."""
    whole = result({"honest": (1.0, 2.0, 0.01), "lost": (1.0, 1.0, 0.01)})
    zero = (Check(verifier="answer", label="x", score=0.0, reason=""),)
    trials = tuple(
        structs.replace(each, checks=zero) if (each.agent, each.task) == ("honest", "t3") else each
        for each in whole.trials
    )
    honest = structs.replace(whole, trials=trials)
    found = without(honest, ("lost", "t3"))
    assert found.grading.order == ("honest", "lost")
    ranks = {card.agent: card.rank for card in found.grading.scorecards}
    assert (ranks["honest"], ranks["lost"]) != (None, None)
    assert (ranks["honest"] or (9, 9)) <= (ranks["lost"] or (0, 0))
    assert decide(found, Constraints()).recommended == "honest"


def test_who_failed_everything_is_not_recommended_while_another_does_the_job() -> None:
    found = decide(result({"failing": (0.0, 0.1, 0.0), "own": (1.0, 90.0, None)}), Constraints())
    assert found.recommended == "own"
    assert found.answer.startswith("Use own, overall S")
    dear = decide(result({"failing": (0.0, 0.1, 0.0), "own": (1.0, 90.0, None)}), Constraints(max_cost_usd=0.1))
    assert dear.recommended is None
    assert dear.answer == (
        "No agent within the limits does the job; left out: own: no price known, so nobody can tell whether it keeps to"
        " $0.1 per trial."
    )


def test_two_servers_of_ones_own_get_a_recommendation() -> None:
    found = decide(result({"one": (1.0, 1.0, None), "other": (0.9, 2.0, None)}), Constraints())
    assert (found.recommended, found.runner_up) == ("one", "other")
    assert "no price is known for one, other" in found.caveats[0]


def test_a_price_that_is_partly_known_is_said_with_how_far() -> None:
    whole = result({"a": (1.0, 1.0, 0.02), "b": (0.9, 2.0, 0.01)})
    trials = (structs.replace(whole.trials[0], cost_usd=None), *whole.trials[1:])
    graded = structs.replace(whole, trials=trials, grading=grade(whole.run, trials, ()))
    found = decide(graded, Constraints())
    assert found.caveats == ("a: cost known on 5 of 6 trials.",)
    assert any("($0.02 per trial, known on 5 of 6)" in line for line in found.reasons)
    assert not found.excluded
