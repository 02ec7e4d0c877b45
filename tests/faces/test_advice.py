"""A decision in words: what to use, how sure that is, who was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.faces.advice import advice, candidates, counted, in_short
from flatfield.records import Failure
from flatfield.scoring.decision import Constraints, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import RunResult

    MakeResult = Callable[..., RunResult]
    MakeTrial = Callable[..., Any]


def test_in_short_two_sentences(published: RunResult) -> None:
    first, second = in_short(published)
    assert first == "Use gpt-5-nano, overall A (n=5, ≥ D). Runner-up: claude-3-haiku, overall B (n=5, ≥ D)."
    assert second.startswith("Confidence: not separable with n=5 from claude-3-haiku")


def test_one_agent_has_no_runner_up(make_result: MakeResult, trial: MakeTrial) -> None:
    assert in_short(make_result([trial()])) == (
        "Use a, overall S (one trial).",
        "Confidence: no comparison: a is the only agent left (n=1).",
    )


def test_without_prices_the_reason_stands_once(make_result: MakeResult, trial: MakeTrial) -> None:
    result = make_result([trial(agent=name, more={"cost_usd": None}) for name in "ab"])
    (only,) = in_short(result)
    assert only.startswith("No agent to recommend: a, b: no price known")


def test_the_advice_names_the_limits_that_left_agents_out(published: RunResult) -> None:
    decision = decide(published, Constraints(min_performance="A", max_cost_usd=0.1))
    said = advice(decision, published)
    assert said.title == "Use gpt-5-nano, overall A (n=5, ≥ D)"
    assert said.points[0] == "runner-up: gpt-5"
    assert said.points[1].startswith("confidence: ")
    (left,) = (point for point in said.points if point.startswith("left out: "))
    assert "claude-opus-4: too dear: $0.39" in left
    assert "gpt-5-mini: performance B" in left


def test_controls_are_no_contenders_and_are_not_listed(make_result: MakeResult, trial: MakeTrial) -> None:
    result = make_result([trial(), trial(agent="oracle")], controls=("oracle",))
    decision = decide(result, Constraints())
    assert "oracle" not in "".join(advice(decision, result).points)
    (table,) = candidates(decision, result).tables
    assert [row[0] for row in table.rows] == ["a"]
    assert table.rows[0][-2:] == ("2.00 s", "$0.0100")


def test_nobody_left_is_said(published: RunResult) -> None:
    said = advice(decide(published, Constraints(max_seconds=0)), published)
    assert said.title == "No agent of run 20250815-000000-2025 can be recommended"
    assert said.points[0] == "no agent is left: relax a limit, or measure more"


def test_the_front_is_named(published: RunResult) -> None:
    said = advice(decide(published, Constraints()), published)
    assert "beaten on everything by none: gpt-5-nano, claude-3-haiku" in said.points


def test_counted(published: RunResult, make_result: MakeResult, trial: MakeTrial) -> None:
    assert counted(published) == "9 agents × 5 tasks, 45 of 45 trials measured"
    assert counted(make_result([trial()])) == "1 agent × 1 task, 1 of 1 trial measured"


def test_the_first_of_those_that_cannot_do_the_job_is_not_recommended(
    make_result: MakeResult, trial: MakeTrial
) -> None:
    result = make_result([trial(score=0.3)])
    assert in_short(result)[0] == "None does the job; the best of them is a, overall D (one trial)."
    assert advice(decide(result, Constraints()), result).title.startswith("None does the job")


def test_an_unfinished_run_recommends_nobody_yet(make_result: MakeResult, trial: MakeTrial) -> None:
    failure = Failure(kind="interrupted", message="stopped")
    result = make_result([trial(agent="a"), trial(agent="b", more={"failure": failure})])
    assert in_short(result) == ("No recommendation yet: b has done 0 of 1 trial.",)
