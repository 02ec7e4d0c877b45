"""Which agent: the best within the limits, the reasons, the honesty about certainty, and who was left out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.records import (
    AgentConfig,
    Anchors,
    Check,
    Evaluation,
    Failure,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Weights,
)
from flatfield.scoring.decision import Constraints, decide, within
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load
from flatfield.testing.trials import a_trial

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
    return a_trial(
        agent,
        task,
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
    assert "imported from published figures, not measured here" in found.reasons


def test_limits_leave_agents_out_and_say_why() -> None:
    limits = Constraints(min_performance="B", max_seconds=40.0, max_cost_usd=0.1)
    found = decide(published(), limits)
    why = reasons_of(found.excluded)
    assert why["claude-3-haiku"] == "performance C (0.65) is below B"
    assert why["gpt-5"].startswith("too slow: 55.7 s active per trial on average, the limit is 40 s")
    assert set(why) | {"gpt-5-nano", "gpt-5-mini"} == {agent.name for agent in published().run.agents}
    dear = decide(published(), Constraints(min_performance="B", max_cost_usd=0.1))
    assert reasons_of(dear.excluded)["claude-opus-4"].startswith("too dear: $0.390 per trial")


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
    assert any("($0.0200 per trial, known on 5 of 6)" in line for line in found.reasons)
    assert not found.excluded


NAMES = tuple(f"t{n}" for n in range(6))
FAILING: Figures = (0.1, 1.0, None)


def test_an_unpriced_agent_that_fails_turns_nothing() -> None:
    agents: dict[str, Figures] = {"dear": (1.0, 10.0, 5.0), "cheap": (1.0, 13.0, 0.01)}
    alone = decide(result(agents), Constraints())
    whole = result({**agents, "loser": FAILING})
    beside = decide(whole, Constraints())
    assert alone.recommended == beside.recommended == "cheap"
    assert (alone.answer, alone.caveats) == (beside.answer, beside.caveats)
    assert (whole.grading.unpriced, whole.grading.weights.cost) == ((), 0.25)
    (loser,) = (card for card in whole.grading.scorecards if card.agent == "loser")
    assert (loser.overall.letter, loser.overall.note) == ("F", "no price known: cost counts 0")
    assert not any(one.agent == "loser" for one in beside.excluded)


def test_where_nobody_does_the_job_any_of_them_may_strike_cost_out() -> None:
    whole = result({"a": (0.3, 1.0, 0.01), "b": (0.2, 1.0, None)})
    assert (whole.grading.unpriced, whole.grading.weights.cost) == (("b",), 0.0)


def test_within_limits_cost_counts_again_where_all_that_are_left_have_a_price() -> None:
    whole = result({"dear": (1.0, 10.0, 5.0), "cheap": (1.0, 13.0, 0.01), "own": (0.7, 900.0, None)})
    assert decide(whole, Constraints()).recommended == "dear"
    assert whole.grading.unpriced == ("own",)
    for limits in (Constraints(min_performance="A"), Constraints(max_cost_usd=9.0)):
        found = decide(whole, limits)
        assert (found.recommended, found.caveats) == ("cheap", ())
        assert "weighted 50%/25%/25%" in found.reasons[0]
        assert decide(within(whole, limits), limits) == found


def test_weights_that_were_asked_for_hold_within_limits() -> None:
    whole = result({"dear": (1.0, 10.0, 5.0), "cheap": (1.0, 13.0, 0.01), "own": (0.7, 900.0, None)})
    weights = Weights(performance=0.0, speed=0.5, cost=0.5)
    asked = structs.replace(whole, grading=grade(whole.run, whole.trials, (), weights=weights))
    assert "weighted 0%/50%/50%" in decide(asked, Constraints(min_performance="A")).reasons[0]
    both = decide(whole, Constraints(min_performance="A", weights=weights))
    assert "weighted 0%/50%/50%" in both.reasons[0]


def test_who_scored_higher_with_gaps_is_told_and_nobody_is_called_the_best() -> None:
    lost = [("crash", f"t{n}") for n in range(2, 6)]
    found = decide(without(result({"honest": (0.7, 10.0, 0.01), "crash": (0.7, 2.0, 0.001)}), *lost), Constraints())
    assert (found.recommended, found.runner_up) == ("honest", "crash")
    assert found.reasons[0].startswith("honest stands first of 2: ")
    assert found.caveats == (
        "crash scored higher on the 2 of 6 trials that were measured; what is missing never helps.",
    )
    whole = decide(result({"honest": (0.7, 10.0, 0.01), "crash": (0.6, 20.0, 0.02)}), Constraints())
    assert whole.reasons[0].startswith("honest has the best overall score of 2: ")


def test_who_has_the_higher_overall_and_does_not_do_the_job_is_told() -> None:
    whole = result({"able": (0.52, 100.0, 0.01), "quick": (0.49, 1.0, 0.01)})
    frozen = [Anchors(task=name, measure="speed", best=1.0, worst=100.0) for name in NAMES]
    weights = Weights(performance=0.5, speed=0.5, cost=0.0)
    graded = grade(whole.run, whole.trials, (), anchors=frozen, weights=weights)
    found = decide(structs.replace(whole, grading=graded), Constraints())
    assert found.recommended == "able"
    assert found.reasons[0].startswith("able stands first of 2: ")
    assert found.caveats == ("quick has a higher overall, but does not do the job.",)


def test_missing_trials_of_the_first_two_are_never_silent() -> None:
    whole = result({"down": (1.0, 1.0, 0.01), "next": (0.9, 9.0, 0.09), "fails": (0.0, 1.0, 0.01)})
    lost = [*(("down", name) for name in NAMES[:1]), *(("next", name) for name in NAMES[:2])]
    found = decide(without(whole, *lost, ("fails", "t0")), Constraints())
    assert (found.recommended, found.runner_up) == ("down", "next")
    assert found.caveats == ("down: 5 of 6 trials measured.", "next: 4 of 6 trials measured.")


def test_beside_none_does_the_job_stands_who_was_not_measured() -> None:
    found = decide(result({"fails": (0.0, 1.0, 0.01), "down": (None, 1.0, 0.01)}), Constraints())
    assert found.answer.startswith("None does the job; the best of them is fails")
    assert found.caveats == ("Not measured: down.",)


def checked(
    seconds: float, *scores: float | None, agent: str = "a", weights: tuple[float, float] = (1.0, 1.0)
) -> TrialRecord:
    checks = tuple(
        Check(verifier="command", label=label, score=score, reason="", weight=weight)
        for label, score, weight in zip(("pytest", "lint"), scores, weights, strict=True)
    )
    return structs.replace(record(agent, "t0", (1.0, seconds, 0.01), 0), checks=checks)


def checked_result(*trials: TrialRecord) -> RunResult:
    bare = result(dict.fromkeys((each.agent for each in trials), (1.0, 1.0, 0.01)), tasks=1)
    return RunResult(run=bare.run, trials=trials, verdicts=(), grading=grade(bare.run, trials, ()))


@pytest.mark.parametrize("second", [1.0, 0.5, 0.0])
def test_an_unmeasured_check_never_beats_who_did_as_well(second: float) -> None:
    found = decide(
        checked_result(checked(5.0, 1.0, None, agent="lost"), checked(10.0, 1.0, second, agent="whole")), Constraints()
    )
    assert (found.recommended, found.runner_up) == ("whole", "lost")
    assert found.caveats[-1] == "Checks were not measured: lint of t0 on 1 of 2 trials (lost)."
    assert "lost scored higher by the checks that were measured; what is missing never helps." in found.caveats


def test_who_may_do_the_job_by_half_its_checks_is_not_known_to_do_it() -> None:
    found = decide(
        checked_result(checked(5.0, 1.0, None, agent="lost"), checked(10.0, 0.9, 0.0, agent="whole")), Constraints()
    )
    assert found.recommended == "lost"
    found = decide(
        checked_result(checked(5.0, 0.9, None, agent="lost"), checked(10.0, 0.9, 0.0, agent="whole")), Constraints()
    )
    assert found.recommended == "whole"
    assert found.answer.startswith("None is known to do the job; the best of them is whole, overall D")


def test_what_unmeasured_checks_could_turn_is_told() -> None:
    lost, whole = checked(1.0, 1.0, None, agent="lost", weights=(3, 2)), (1.0, 0.25, 1.0)
    found = decide(checked_result(lost, checked(*whole, agent="whole", weights=(3, 2))), Constraints())
    assert found.recommended == "lost"
    assert found.caveats[0] == "lost: had the checks failed that were not measured, whole would be first."


def test_checks_that_nobody_was_measured_by_are_one_sentence() -> None:
    found = decide(checked_result(checked(1.0, 1.0, None), checked(2.0, 1.0, None, agent="b")), Constraints())
    assert found.recommended == "a"
    assert found.caveats == ("Checks were not measured: lint of t0 on any trial.",)


def test_wrong_claims_of_both_are_told() -> None:
    found = decide(result({"a": (0.9, 1.0, 0.01), "b": (0.8, 2.0, 0.02)}), Constraints())
    assert "a took for done what checks say was not in 6 of 6 trials" in found.reasons
    assert "b took for done what checks say was not in 6 of 6 trials" in found.reasons


def test_an_unknown_price_is_said_once() -> None:
    found = decide(result({"one": (1.0, 1.0, None), "other": (0.9, 2.0, None)}), Constraints())
    assert found.reasons[1].endswith("cost no price known")


def test_amounts_of_any_size_are_said_as_people_say_them() -> None:
    found = decide(result({"big": (1.0, 8_642_137.0, 12_374.5), "small": (0.9, 0.004, 0.000012)}), Constraints())
    said = " ".join(found.reasons)
    assert "(100 days active per trial), cost" in said
    assert "($12,374.50 per trial)" in said
    assert "(0.00 s active per trial), cost" in said
    assert "($0.0000120 per trial)" in said
    dear = decide(result({"big": (1.0, 1.0, 12_374.5), "b": (1.0, 1.0, 1.0)}), Constraints(max_cost_usd=1_000_000.0))
    assert not dear.excluded
    left = decide(result({"big": (1.0, 1.0, 12_374_000.5)}), Constraints(max_cost_usd=1_000_000.0)).excluded
    assert left[0].reason == "too dear: $12,374,000.50 per trial on average, the limit is $1,000,000"


def test_of_many_agents_a_sentence_names_a_few() -> None:
    agents: dict[str, Figures] = {f"agent-{number:02}": (1.0, 1.0, None) for number in range(42)}
    found = decide(result(agents), Constraints())
    assert found.confidence.startswith(
        "not separable with n=6 from agent-01, agent-02, agent-03, agent-04, agent-05, agent-06 and 35 more (overall"
    )
    (cost,) = (text for text in found.caveats if text.startswith("Cost is left out"))
    assert "no price is known for agent-00, agent-01, agent-02, agent-03, agent-04, agent-05 and 36 more;" in cost


def test_nobody_is_better_at_what_is_not_known_of_the_first() -> None:
    found = decide(result({"free": (1.0, 1.0, None), "priced": (0.9, 2.0, 0.01)}), Constraints())
    assert found.recommended == "free"
    assert not any("better on cost" in line for line in found.reasons)
