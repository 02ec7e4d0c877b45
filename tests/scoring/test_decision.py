"""Which agent: what the posterior says by weights and in money, within limits, and what may never happen."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flatfield.records import (
    AgentConfig,
    Anchors,
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
from flatfield.scoring.decision import Answered, Decision, decide
from flatfield.scoring.facts import on_device
from flatfield.scoring.grading import grade
from flatfield.scoring.measures.scales import HOLDS
from flatfield.tasks.agents import parse_agent
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

pytestmark = pytest.mark.whole

Score = float | None
Figures = tuple["Score | Callable[[int], Score]", float, float | None]
"""An agent's score on each task (None: the harness failed), its seconds and its dollars."""


@cache
def published() -> RunResult:
    imported = load()
    grading = grade(imported.run, imported.trials, ())
    return RunResult(run=imported.run, trials=imported.trials, verdicts=(), grading=grading)


def result(agents: Mapping[str, Figures], tasks: int = 6, repeats: int = 1, **wanted: Any) -> RunResult:
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p") for n in range(tasks)),
        agents=tuple(
            AgentConfig(name=name, provider="noop" if name == "noop" else "openai", model="m") for name in agents
        ),
        repeats={f"t{n}": repeats for n in range(tasks)},
    )
    trials = tuple(
        record(name, task, repeat, figures)
        for name, figures in agents.items()
        for task in range(tasks)
        for repeat in range(1, repeats + 1)
    )
    preferences = Preferences(**wanted)
    grading = grade(run, trials, (), weights=preferences.weights)
    return RunResult(run=run, trials=trials, verdicts=(), grading=grading, preferences=preferences)


def record(agent: str, task: int, repeat: int, figures: Figures) -> TrialRecord:
    given_score, seconds, usd = figures
    score = given_score(task) if callable(given_score) else given_score
    return TrialRecord(
        run="r",
        agent=agent,
        task=f"t{task}",
        repeat=repeat,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        active_seconds=seconds,
        wall_seconds=seconds,
        cost_usd=usd,
        failure=Failure(kind="provider", message="server down") if score is None else None,
        checks=() if score is None else (Check(verifier="answer", label="x", score=score, reason=""),),
    )


def reasons(found: Decision) -> dict[str, str]:
    return {one.agent: one.reason for one in found.excluded}


def test_the_published_run_has_an_answer() -> None:
    found = decide(published())
    assert (found.recommended, found.runner_up) == ("gpt-5-nano", "claude-3-haiku")
    assert {"gpt-5-nano", "claude-3-haiku", "gpt-oss-20b"} <= set(found.front)
    assert found.probability is not None
    assert 0.4 < found.probability < 0.8
    assert found.regret is not None
    assert found.regret.mean < 0.05 < found.regret.worst
    assert [one.command for one in found.next_trials] == [""] * len(found.next_trials)
    assert len(found.standings) == 9


def test_a_decision_is_made_once_for_a_result_and_anew_for_another() -> None:
    kept = replace(published(), answered=Answered())
    first = decide(kept)
    assert decide(kept) is first
    assert first == decide(published())
    other = replace(kept, preferences=Preferences(weights=Weights(performance=0.0, speed=1.0, cost=0.0)))
    assert decide(other).recommended == "claude-3-haiku"
    assert decide(kept) == first


def test_limits_leave_agents_out_with_a_probability() -> None:
    found = decide(replace(published(), preferences=Preferences(max_seconds=40.0, max_cost_usd=0.02)))
    assert found.recommended == "gpt-5-nano"
    assert reasons(found)["claude-opus-4"] == "keeps to the limits with probability <0.01"
    kept = {one.agent for one in found.standings if one.allowed}
    assert kept == {"gpt-5-nano", "gpt-5-mini", "claude-3-haiku"}
    nobody = decide(replace(published(), preferences=Preferences(max_seconds=0.1)))
    assert (nobody.recommended, nobody.runner_up, len(nobody.excluded)) == (None, None, 9)


def test_other_weights_give_another_answer() -> None:
    fast = Preferences(weights=Weights(performance=0.0, speed=1.0, cost=0.0))
    assert decide(replace(published(), preferences=fast)).recommended == "claude-3-haiku"


def test_money_counts_what_is_solved_less_what_it_costs() -> None:
    agents: dict[str, Figures] = {"good": (1.0, 36.0, 0.5), "half": (lambda task: float(task % 2), 3.6, 0.0)}
    found = decide(result(agents, solved_usd=10.0, hour_usd=10.0))
    assert (found.recommended, found.unit) == ("good", "usd")
    first = next(one for one in found.standings if one.agent == "good")
    assert 10.0 * 0.7 < first.next.utility.mean + 0.5 + 0.1 < 10.0
    dear = decide(result({"a": (1.0, 36.0, 0.5), "b": (0.9, 36.0, 0.4)}, solved_usd=0.2))
    assert dear.recommended is None
    assert dear.answer.startswith("Use none of them: none pays for itself; the best, ")


def on_subscription(found: RunResult, *names: str) -> RunResult:
    agents = tuple(replace(one, subscription=one.name in names) for one in found.run.agents)
    return replace(found, run=replace(found.run, agents=agents))


def test_in_money_a_trial_that_a_subscription_pays_for_costs_nothing_more() -> None:
    agents: dict[str, Figures] = {"flat": (1.0, 36.0, 0.9), "key": (1.0, 36.0, 0.1)}
    plain = result(agents, solved_usd=2.0)
    billed, flat = decide(plain), decide(on_subscription(plain, "flat"))
    assert (billed.recommended, billed.prepaid) == ("key", ())
    assert (flat.recommended, flat.prepaid) == ("flat", ("flat",))
    before, after = ({one.agent: one.next for one in found.standings} for found in (billed, flat))
    assert after["flat"].utility.mean == pytest.approx(before["flat"].utility.mean + 0.9, abs=0.15)
    assert after["key"] == before["key"]
    assert (after["flat"].usd, after["flat"].cost) == (before["flat"].usd, before["flat"].cost), "at API prices"
    weighed = result(agents)
    assert decide(on_subscription(weighed, "flat")).prepaid == ()
    assert decide(on_subscription(weighed, "flat")).recommended == "key"


def test_a_subscription_needs_no_price_and_no_measured_trial_to_cost_nothing() -> None:
    agents: dict[str, Figures] = {"flat": (lambda task: None if task else 1.0, 36.0, None), "key": (1.0, 36.0, 0.5)}
    found = decide(on_subscription(result(agents, solved_usd=2.0), "flat"))
    utility = next(one for one in found.standings if one.agent == "flat").next.utility
    assert utility.mean > 1.0
    alone = decide(on_subscription(result({"flat": (1.0, 36.0, None)}, solved_usd=2.0), "flat"))
    assert alone.standings[0].next.utility.mean > 1.5


def test_money_recommends_nobody_who_fails_while_another_does_the_job() -> None:
    agents: dict[str, Figures] = {"cheap": (lambda task: float(task % 3 == 0), 0.1, 0.0001), "good": (1.0, 60.0, 2.0)}
    found = decide(result(agents, solved_usd=1.0))
    assert found.recommended is None
    assert reasons(found) == {"cheap": "does not do the job"}
    assert any(said.startswith("cheap would bring about $0.3") for said in found.advice)


def test_only_local_agents_may_be_chosen_where_that_is_asked_for() -> None:
    agents: dict[str, Figures] = {"api": (1.0, 2.0, 0.01), "own": (0.8, 20.0, 0.0)}
    found = decide(result(agents, local_only=True))
    assert (found.recommended, reasons(found)) == ("own", {"api": "does not run on this device"})
    none = decide(result({"api": (1.0, 2.0, 0.01)}, local_only=True))
    assert (none.recommended, none.answer) == (
        None,
        "No agent to recommend: none of those measured runs on this device.",
    )


def test_who_runs_on_the_device() -> None:
    agents = [
        AgentConfig(name="said", provider="openai", on_device=True),
        AgentConfig(name="free", provider="openai"),
        AgentConfig(name="paid", provider="openai"),
        AgentConfig(name="idle", provider="openai"),
    ]
    trials = [record("free", 0, 1, (1.0, 1.0, 0.0)), record("paid", 0, 1, (1.0, 1.0, 0.1))]
    assert on_device(agents, trials) == {"said", "free"}


def test_controls_and_unmeasured_agents_are_left_out_and_unpriced_ones_are_not() -> None:
    agents: dict[str, Figures] = {
        "good": (1.0, 1.0, 0.01),
        "noop": (0.0, 0.1, 0.0),
        "down": (None, 1.0, 0.0),
        "unpriced": (1.0, 1.0, None),
    }
    found = decide(result(agents))
    assert {one.agent for one in found.standings} == {"good", "unpriced"}
    assert list(reasons(found)) == ["down"]


def test_a_price_that_nobody_knows_counts_for_nobody_and_is_estimated_in_money() -> None:
    agents: dict[str, Figures] = {"good": (1.0, 1.0, 9.0), "cheap": (0.8, 1.0, 0.01), "unpriced": (0.7, 1.0, None)}
    made = result(agents, tasks=12)
    found = decide(made)
    assert found.recommended == made.grading.order[0] == "good"
    assert any("Cost is left out for all: no price is known for unpriced" in line for line in found.advice)
    money = decide(replace(made, preferences=Preferences(solved_usd=1.0, hour_usd=0.0)))
    assert any("Cost is only estimated: no price is known for unpriced" in line for line in money.advice)


def test_what_is_missing_is_said_first_where_it_matters() -> None:
    agents: dict[str, Figures] = {"a": (lambda task: 1.0 if task < 2 else None, 1.0, 0.01), "b": (0.8, 2.0, 0.02)}
    found = decide(result(agents))
    assert (found.recommended, found.if_missing_fail) == ("a", "b")
    assert found.advice[0] == (
        "This may change: 4 of 12 trials are missing (a 4). If all of them had failed, the answer would be: use b."
    )
    missing = found.next_trials[0]
    assert missing.kind == "missing"
    assert (missing.command, missing.trials) == ("flatfield eval --resume r", 4)


def test_more_repeats_come_with_their_command() -> None:
    agents: dict[str, Figures] = {
        "a": (lambda task: float(task % 3 > 0), 1.0, 0.01),
        "b": (lambda task: float(task % 3 > 0), 1.1, 0.01),
    }
    found = decide(result(agents, tasks=3, repeats=2))
    more = {one.kind: one for one in found.next_trials}
    assert more
    for one in more.values():
        agents_named = ",".join(one.agents)
        wanted = {
            "repeats": f"flatfield eval --resume r --repeats {2 + one.each} --agents {agents_named}",
            "tasks": f"flatfield eval NEW-TASK.md --agents {agents_named}",
        }
        assert one.command == wanted[one.kind]


def test_agents_that_were_named_on_the_spot_are_named_so_for_another_run() -> None:
    names = ("x:org-m@127.0.0.1:8080", "x:org-n@127.0.0.1:8080")
    agents: dict[str, Figures] = {name: (lambda task: float(task % 3 > 0), 1.0, 0.01) for name in names}
    made = result(agents, tasks=3, repeats=2)
    specs = {name: f"x:org/{name[6]}@http://127.0.0.1:8080/v1" for name in names}
    configs = tuple(replace(parse_agent(specs[agent.name]), name=agent.name) for agent in made.run.agents)
    found = decide(replace(made, run=replace(made.run, agents=configs)))
    for one in found.next_trials:
        typed = one.agents if one.kind == "repeats" else [specs[name] for name in one.agents]
        assert one.command.replace(" --agents ", ",").endswith(",".join(typed))
    assert "tasks" in {one.kind for one in found.next_trials}


def test_frozen_scales_are_those_of_the_decision() -> None:
    """On a scale that ends far below, both are as slow as can be, and speed tells nobody apart."""
    agents: dict[str, Figures] = {"slow": (1.0, 90.0, 0.01), "quick": (1.0, 30.0, 0.01)}
    own = result(agents, weights=Weights(performance=0.0, speed=1.0, cost=0.0))
    assert decide(own).recommended == "quick"
    ends = tuple(Anchors(task=f"t{n}", measure="speed", best=0.01, worst=0.1) for n in range(6))
    found = decide(replace(own, frozen=ends))
    assert max(one.next.utility.mean for one in found.standings) < 0.05


def test_unmeasured_checks_never_beat_who_did_as_well() -> None:
    """`a` is quicker and its second check was not measured; `b` passed both."""
    both = result({"a": (1.0, 1.0, 0.01), "b": (1.0, 9.0, 0.01)})
    assert decide(both).recommended == "a"
    second = Check(verifier="answer", label="y", score=1.0, reason="")
    trials = tuple(
        replace(trial, checks=(*trial.checks, replace(second, score=1.0 if trial.agent == "b" else None)))
        for trial in both.trials
    )
    found = decide(replace(both, trials=trials, grading=grade(both.run, trials, ()), study=None))
    assert found.recommended == "b"
    assert reasons(found) == {"a": "not all of its checks were measured, and b did as well"}


def test_nothing_measured_is_no_agent() -> None:
    found = decide(result({"a": (None, 1.0, 0.0)}))
    assert (found.recommended, found.probability, found.standings) == (None, None, ())
    assert found.answer == "No agent to recommend: a: not measured: no trial."


@pytest.mark.parametrize("scores", [(0.1, 0.2), (0.0, 0.0), (0.3,)])
def test_where_all_fail_nobody_is_recommended(scores: Sequence[float]) -> None:
    found = decide(result({name: (score, 1.0, 0.01) for name, score in zip("ab", scores, strict=False)}))
    assert found.recommended is None
    assert found.answer.startswith("None does the job: ")


cells = st.sampled_from([0.0, 0.2, 0.45, 0.5, 0.8, 1.0, None])
rosters = st.lists(
    st.tuples(
        st.lists(cells, min_size=3, max_size=3),
        st.sampled_from([0.1, 3.0, 200.0]),
        st.sampled_from([None, 0.0, 0.001, 3.0]),
    ),
    min_size=1,
    max_size=4,
)
asked = st.sampled_from(
    [
        {},
        {"solved_usd": 5.0, "hour_usd": 80.0},
        {"max_seconds": 10.0},
        {"min_performance": "B"},
        {"local_only": True},
        {"weights": Weights(performance=0.0, speed=0.5, cost=0.5)},
    ]
)


@given(roster=rosters, wanted=asked, random=st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_neither_names_nor_the_order_of_agents_change_the_answer(
    roster: Sequence[tuple[list[Score], float, float | None]], wanted: dict[str, Any], random: Random
) -> None:
    """Who has the very same figures as another is told from it by name alone."""
    figures = {f"a{n}": one for n, one in enumerate(roster)}
    names = [f"z{n}" for n in range(len(roster))]
    random.shuffle(names)
    renamed = dict(zip(figures, names, strict=True))
    listed = list(figures.items())
    random.shuffle(listed)

    def answers(agents: Sequence[tuple[str, Any]]) -> list[Any]:
        given = {name: (one[0].__getitem__, *one[1:]) for name, one in agents}
        found = decide(result(given, tasks=3, **wanted))
        known = dict(agents)
        who = (found.recommended, found.runner_up, *(one.agent for one in found.standings))
        said = [(one.best, one.next) for one in found.standings]
        return [*(name and known[name] for name in who), found.probability, found.regret, *said]

    before = answers(list(figures.items()))
    assert answers(listed) == before
    assert answers([(renamed[name], one) for name, one in listed]) == before


@given(roster=rosters, wanted=asked)
@settings(max_examples=10)
def test_whatever_was_measured_nobody_who_fails_is_recommended(
    roster: Sequence[tuple[list[Score], float, float | None]], wanted: dict[str, Any]
) -> None:
    agents: dict[str, Figures] = {
        f"a{n}": (scores.__getitem__, seconds, usd) for n, (scores, seconds, usd) in enumerate(roster)
    }
    found = decide(result(agents, tasks=3, **wanted))
    scores = {one.agent: one.performance.score for one in result(agents, tasks=3).grading.scorecards}
    assert found.answer.endswith(".")
    for one in found.standings:
        assert all(0.0 <= p <= 1.0 for p in (one.best, one.share, one.front, one.within))
    if found.recommended is None:
        assert not found.answer.startswith(("Use a", "So far, use"))
    else:
        assert (scores[found.recommended] or 0.0) >= HOLDS
        assert f"se {found.recommended}: " in found.answer
        assert found.regret is not None
        assert 0.0 <= found.regret.mean <= found.regret.worst
        assert found.recommended not in reasons(found)
