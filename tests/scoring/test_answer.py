"""The decision's words: one sentence first, then what a colleague would add, in the order of what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flatfield.faces.advice import candidates
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Failure,
    Preferences,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Weights,
)
from flatfield.scoring.decision import decide
from flatfield.scoring.grading import grade

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.whole

Scores = list[list[float]]


def result(agents: Mapping[str, tuple[Scores, float, float | None]], **more: Any) -> RunResult:
    """Each agent's scores task by task, its seconds and its dollars."""
    tasks = max(len(scores) for scores, _, _ in agents.values())
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p") for n in range(tasks)),
        agents=tuple(AgentConfig(name=name, provider="openai", model="m") for name in agents),
        repeats={f"t{n}": max(len(scores[n]) for scores, _, _ in agents.values()) for n in range(tasks)},
    )
    trials = tuple(
        TrialRecord(
            run="r",
            agent=name,
            task=f"t{task}",
            repeat=repeat,
            task_digest="",
            agent_fingerprint="",
            stop="answered",
            started_at=more.get("started_at", ""),
            active_seconds=seconds,
            cost_usd=usd,
            checks=(Check(verifier="answer", label="x", score=score, reason=""),),
        )
        for name, (scores, seconds, usd) in agents.items()
        for task, each in enumerate(scores)
        for repeat, score in enumerate(each, start=1)
    )
    wanted = more.get("preferences", Preferences())
    return RunResult(
        run=run,
        trials=trials,
        verdicts=(),
        grading=grade(run, trials, (), weights=wanted.weights),
        preferences=wanted,
        read_at=more.get("read_at", ""),
    )


GOOD, HALF, BAD = [[1.0] * 3] * 6, [[1.0, 1.0, 0.0]] * 6, [[0.0, 0.0, 0.0]] * 6


def said(found: RunResult, start: str) -> str:
    (line,) = (line for line in (*decide(found).advice, *decide(found).details) if line.startswith(start))
    return line


def test_the_sentence_names_the_agent_the_probability_and_what_it_did() -> None:
    found = decide(result({"a": (GOOD, 2.0, 0.01), "b": (HALF, 4.0, 0.05)}))
    assert found.answer == (
        "Use a: it is the best of 2 agents with probability >0.99, and it did all of the work in 2.00 s and for $0.0100"
        " a trial."
    )


def test_an_agent_alone_is_the_only_one_and_may_be_compared() -> None:
    found = decide(result({"a": ([[1.0]], 2.0, 0.01)}))
    assert found.answer == (
        "Use a: it is the only agent that was measured, and it did all of the work in 2.00 s and for $0.0100 a trial"
        " (one trial)."
    )
    assert found.advice == ("To compare it with another one: flatfield eval --extend r --agents OTHER",)


def test_who_alone_does_the_job_is_the_only_one() -> None:
    found = decide(result({"a": (HALF, 2.0, 0.01), "b": (BAD, 1.0, 0.001)}))
    assert found.answer.startswith(
        "Use a: it is the only agent that does the job, and it did 67% of the work in 2.00 s"
    )
    assert "Left out: b (does not do the job)." in found.advice


def test_the_runner_up_says_what_it_is_better_at() -> None:
    work = Preferences(weights=Weights(performance=0.9, speed=0.05, cost=0.05))
    found = result({"a": (GOOD, 20.0, 0.01), "b": (HALF, 2.0, 0.001)}, preferences=work)
    line = next(line for line in decide(found).advice if "faster" in line)
    assert "it is faster (2.00 s against 20.0 s) and cheaper ($0.00100 against $0.0100)" in line


def test_equals_may_be_taken_either_way_and_no_weight_is_said_to_matter() -> None:
    found = decide(result({"a": (HALF, 2.0, 0.01), "b": (HALF, 2.0, 0.01)}))
    other = "b" if found.recommended == "a" else "a"
    (line,) = (line for line in found.advice if line.startswith(other))
    assert line.endswith(": as far as this shows, take either.")
    assert not any(line.startswith("The answer changes") for line in found.advice)


def test_the_weights_that_would_change_the_answer_are_told() -> None:
    found = result(
        {"a": (GOOD, 60.0, 0.01), "b": (HALF, 2.0, 0.01)}, preferences=Preferences(weights=Weights(speed=0.0))
    )
    assert "speed counts more than" in said(found, "The answer changes if ")
    assert said(found, "Asked for: ") == "Asked for: performance 67%, cost 33%."


def test_money_says_what_it_counts_and_loses_dollars() -> None:
    money = Preferences(profile="day", solved_usd=5.0, hour_usd=80.0)
    found = decide(result({"a": (GOOD, 2.0, 0.01), "b": (HALF, 4.0, 0.05)}, preferences=money))
    assert ", it brings about $4." in found.answer
    assert (
        "Profile day: a solved task (all its checks passed) is worth $5, an hour of waiting costs $80." in found.advice
    )
    assert any(line.startswith("Next is b") and " a task behind" in line for line in found.advice)


def test_money_says_from_which_worth_another_one_is_the_answer() -> None:
    agents = {"strong": (GOOD, 2.0, 0.5), "cheap": (HALF, 2.0, 0.001)}
    found = decide(result(agents, preferences=Preferences(solved_usd=20.0)))
    assert found.recommended == "strong"
    low = next(one.low for one in found.reaches if one.weight == "solved_usd")
    assert 0.5 < low < 10.0
    assert f"The answer changes if a solved task is worth less than ${low:.2g} (now $20): then cheap." in found.advice
    assert decide(result(agents, preferences=Preferences(solved_usd=0.95 * low))).recommended == "cheap"


def test_a_subscription_is_marked_in_money_and_only_there() -> None:
    agents = {"flat": (GOOD, 2.0, 0.8), "key": (HALF, 2.0, 0.05)}

    def subscribed(preferences: Preferences) -> RunResult:
        found = result(agents, preferences=preferences)
        own = tuple(replace(one, subscription=one.name == "flat") for one in found.run.agents)
        return replace(found, run=replace(found.run, agents=own))

    found = subscribed(Preferences(solved_usd=1.0))
    decision = decide(found)
    assert decision.answer.endswith("in 2.00 s and for $0 (subscription) a trial.")
    line = "A subscription pays for flat (at the API $0.800 a trial): one more trial costs nothing, so each counts $0."
    assert line in decision.advice
    (table,) = candidates(decision, found).tables
    paid = {row[0]: row[-1] for row in table.rows}
    assert paid == {"flat": "subscription", "key": "$0.0500"}
    weighed = subscribed(Preferences())
    assert "subscription" not in repr(decide(weighed)) + repr(candidates(decide(weighed), weighed))


def test_limits_are_kept_with_a_probability() -> None:
    limits = Preferences(max_seconds=10.0, min_performance="C")
    found = decide(result({"a": (HALF, 2.0, 0.01), "b": (GOOD, 90.0, 0.05)}, preferences=limits))
    assert found.answer.startswith("Use a: it is the only agent within the limits, and it did 67%")
    assert "Left out, with the probability to keep to the limits: b (<0.01)." in found.advice
    kept = "a keeps to the limits (performance C or better, at most 10 s for a typical trial) with probability "
    assert any(line.startswith(kept) for line in found.advice)
    nobody = decide(result({"a": (HALF, 2.0, 0.01)}, preferences=Preferences(max_cost_usd=0.001)))
    assert nobody.answer == (
        "No agent to recommend: none keeps to the limits (at most $0.001 for a typical trial); a comes nearest,"
        " with probability <0.01."
    )


def test_limits_that_leave_only_failing_ones_name_who_would_do_it() -> None:
    limits = Preferences(max_seconds=10.0)
    found = decide(result({"bad": (BAD, 2.0, 0.01), "slow": (GOOD, 90.0, 0.05)}, preferences=limits))
    assert found.recommended is None
    assert found.answer == (
        "No agent within the limits does the job: slow would, but keeps to the limits with probability <0.01."
    )


def test_wrong_claims_are_a_warning() -> None:
    found = result({"a": (HALF, 2.0, 0.01)})
    assert said(found, "Check what it tells you: ").endswith(
        "a said that it was done in 18 trials, and in 6 of them the checks say that not all was done."
    )


def test_age_and_hours_are_told_and_how_to_look_again() -> None:
    found = result(
        {"a": (GOOD, 2.0, 0.01), "b": (HALF, 4.0, 0.05)},
        started_at="2026-01-02T10:15:00+00:00",
        read_at="2026-01-22T10:15:00+00:00",
    )
    assert said(found, "Measured ") == (
        "Measured 20 days ago: 2026-01-02 10:15 UTC; hosted agents may be slower or faster at other hours."
    )
    assert said(found, "Still true?") == "Still true? flatfield eval --resume r --repeats 4 --agents a,b"
    fresh = replace(found, read_at="2026-01-02T11:15:00+00:00")
    assert said(fresh, "Measured").startswith("Measured: 2026-01-02 10:15 UTC")
    assert not any(line.startswith("Still true?") for line in decide(fresh).advice)


def stopped_early(found: RunResult, agent: str) -> RunResult:
    """The result without all but the agent's first repeats."""
    trials = tuple(
        replace(trial, failure=Failure(kind="interrupted", message="stopped"), checks=())
        if trial.agent == agent and trial.repeat > 1
        else trial
        for trial in found.trials
    )
    return replace(found, trials=trials, grading=grade(found.run, trials, ()))


def test_what_is_to_come_makes_it_an_answer_so_far() -> None:
    found = result({"a": (GOOD, 2.0, 0.01), "b": (HALF, 4.0, 0.05)})
    begun = decide(stopped_early(found, "b"))
    assert begun.answer.startswith("So far, use a: ")
    assert "Not all is done: b has done 6 of 18 trials." in begun.advice
    assert begun.advice[0].startswith("12 of 36 trials are missing (b 12); the answer is the same")


def test_who_leads_by_what_was_measured_and_would_fail_with_what_is_missing_is_told_so() -> None:
    found = result({"a": (GOOD, 2.0, 0.01), "b": (BAD, 4.0, 0.05)})
    begun = decide(stopped_early(found, "a"))
    assert begun.answer.startswith("So far, use a: ")
    assert begun.advice[0] == (
        "This may change: 12 of 36 trials are missing (a 12). If all of them had failed, a would not do the job."
    )
    assert (begun.recommended, begun.if_missing_fail) == ("a", None)


def test_unknown_prices_are_said() -> None:
    found = result({"a": (GOOD, 2.0, None), "b": (HALF, 4.0, None)})
    assert said(found, "Cost is left out for all: no price is known for a, b;")
    assert decide(found).answer.endswith("in 2.00 s a trial; its price is not known.")


def test_who_fails_is_not_named_among_those_that_nobody_beats() -> None:
    found = result({"a": (GOOD, 9.0, 0.05), "b": (GOOD, 4.0, 0.09), "quick": (BAD, 1.0, 0.01)})
    named = said(found, "Nobody beats these on work, time and money together")
    assert "a (" in named
    assert "b (" in named
    assert "quick" not in named
    alone = decide(result({"a": (GOOD, 9.0, 0.05), "quick": (BAD, 1.0, 0.01)}))
    assert not any(line.startswith("Nobody beats") for line in alone.details)


def test_below_imported_figures_the_command_names_nobody_who_is_not_here() -> None:
    found = result({"a": (GOOD, 2.0, 0.01), "b": (HALF, 4.0, 0.05)})
    advice = said(replace(found, run=replace(found.run, imported=True)), "To be surer")
    assert advice.endswith(" a task of yours: flatfield try \"YOUR TASK\" --check 'pytest -q'")
