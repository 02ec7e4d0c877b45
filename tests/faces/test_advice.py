"""A decision in words: what to use, how sure that is, who was left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flatfield.faces.advice import advice, candidates, counted, in_short
from flatfield.faces.reports import json as json_report
from flatfield.faces.reports import markdown, terminal
from flatfield.records import Check, Failure
from flatfield.scoring.decision import Constraints, decide, within

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


def test_without_prices_there_is_an_answer_and_the_reason_stands_once(
    make_result: MakeResult, trial: MakeTrial
) -> None:
    result = make_result([trial(agent=name, more={"cost_usd": None}) for name in "ab"])
    first, said, _ = in_short(result)
    assert first.startswith("Use a, overall S (one trial). Runner-up: b")
    assert said.startswith("Cost is left out for all: no price is known for a, b;")


def test_the_advice_names_the_limits_that_left_agents_out(published: RunResult) -> None:
    decision = decide(published, Constraints(min_performance="A", max_cost_usd=0.1))
    said = advice(decision, published)
    assert said.title == decision.answer == "Use gpt-5-nano, overall A (n=5, ≥ D)."
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
    assert said.title.startswith("No agent to recommend: gpt-5-nano: too slow: 27.1 s active")
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


def test_an_unfinished_run_has_an_answer_so_far(make_result: MakeResult, trial: MakeTrial) -> None:
    failure = Failure(kind="interrupted", message="stopped")
    result = make_result([trial(agent="a"), trial(agent="b", more={"failure": failure})])
    assert in_short(result)[:2] == (
        "So far, use a, overall S (one trial).",
        "Not all is done: b has done 0 of 1 trial.",
    )
    assert advice(decide(result, Constraints()), result).title == "So far, use a, overall S (one trial)."


def every_face(result: RunResult) -> dict[str, str]:
    """What each face prints of a run, white space made one."""
    decision = decide(result, Constraints())
    said = {
        "terminal": terminal.render(result),
        "markdown": markdown.render(result),
        "json": json.loads(json_report.render(result))["decision"]["answer"],
        "pick": advice(decision, result).title,
        "pick --json, mcp": decision.answer,
    }
    return {face: " ".join(text.split()) for face, text in said.items()}


def test_all_faces_say_the_same_sentence(make_result: MakeResult, trial: MakeTrial) -> None:
    unpriced, failure = {"cost_usd": None}, Failure(kind="interrupted", message="stopped")
    runs = {
        "Use a, overall S (one trial).": [trial(agent="a"), trial(agent="b", score=0.5)],
        "Use own, overall S (one trial).": [trial(agent="own", more=unpriced), trial(agent="b", score=0.0)],
        "So far, use a, overall S (one trial).": [trial(agent="a"), trial(agent="b", more={"failure": failure})],
        "None does the job; the best of them is a, overall D (one trial).": [trial(agent="a", score=0.3)],
        "No agent to recommend: a: not measured: no trial.": [trial(agent="a", more={"failure": failure})],
    }
    for sentence, trials in runs.items():
        assert {face for face, text in every_face(make_result(trials)).items() if sentence not in text} == set()


def test_the_candidates_have_the_letters_of_the_sentence_within_limits(
    make_result: MakeResult, trial: MakeTrial
) -> None:
    """Without `own`, which has no price, cost counts: `dear` was first without it."""
    result = make_result(
        [
            trial(agent="dear", more={"cost_usd": 5.0}),
            trial(agent="cheap", more={"active_seconds": 3.0}),
            trial(agent="own", score=0.7, more={"cost_usd": None, "active_seconds": 900.0}),
        ]
    )
    limits = Constraints(min_performance="A")
    assert in_short(result)[0].startswith("Use dear, overall S")
    result = within(result, limits)
    decision = decide(result, limits)
    assert decision.answer == "Use cheap, overall S (one trial)."
    (table,) = candidates(decision, result).tables
    assert [row[:2] for row in table.rows] == [("cheap", "S (one trial)"), ("dear", "B (one trial)")]


def test_every_face_says_what_was_not_checked(make_result: MakeResult, trial: MakeTrial) -> None:
    lint = Check(verifier="command", label="lint", score=None, reason="no sandbox")
    done = Check(verifier="answer", label="answer", score=1.0, reason="")
    result = make_result([trial(more={"checks": (done, lint)})])
    said = "Checks were not measured: lint of t1 on any trial."
    assert in_short(result)[1] == said
    decision = decide(result, Constraints())
    assert advice(decision, result).points[0] == said == decision.caveats[0]
    assert said in " ".join(terminal.render(result).split())
    assert json.loads(json_report.render(result))["decision"]["caveats"] == [said]
