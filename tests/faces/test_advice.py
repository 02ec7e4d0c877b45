"""The decision on every face: the same sentence, the same advice, and the contenders beside it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flatfield.faces.advice import advice, beside, candidates, counted, in_short, published_of
from flatfield.faces.reports import json as json_report
from flatfield.faces.reports import markdown, terminal
from flatfield.records import Check, Failure, Preferences
from flatfield.scoring.decision import decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import RunResult

    MakeResult = Callable[..., RunResult]
    MakeTrial = Callable[..., Any]

pytestmark = pytest.mark.whole


def test_the_published_run_reads_like_advice(published: RunResult) -> None:
    said = in_short(published)
    assert said.title.startswith("Use gpt-5-nano: it is the best of 9 agents with probability 0.")
    assert said.title.endswith(", and it did 89% of the work in 27.1 s and for $0.00337 a trial.")
    assert 5 <= len(said.points) <= 10
    assert any(point.startswith("Next is claude-3-haiku, the best with probability") for point in said.points)
    assert "To be surer, measure a task of yours: flatfield try \"YOUR TASK\" --check 'pytest -q'" in said.points
    assert said.points[-1] == "Imported from published figures, not measured here."
    assert not any("separable" in point for point in said.points)


def test_how_adding_repeats_ended_is_said_in_reports(make_result: MakeResult, trial: MakeTrial) -> None:
    result = make_result([trial(agent="a"), trial(agent="b")])
    run = replace(result.run, rounds_ended=("until sure: the order of the front is settled",))
    assert in_short(replace(result, run=run)).points[-1] == "Until sure: the order of the front is settled."


def test_controls_are_no_contenders_and_are_not_listed(make_result: MakeResult, trial: MakeTrial) -> None:
    result = make_result([trial(), trial(agent="oracle")], controls=("oracle",))
    decision = decide(result)
    assert "oracle" not in "".join(advice(decision).points)
    (table,) = candidates(decision, result).tables
    assert [row[0] for row in table.rows] == ["a"]
    assert table.rows[0][-2:] == ("2.00 s", "$0.0100")


def test_contenders_that_may_not_be_chosen_have_no_probability(make_result: MakeResult, trial: MakeTrial) -> None:
    result = make_result([trial(agent="a"), trial(agent="b", score=0.0)])
    (table,) = candidates(decide(result), result).tables
    assert [row[:3] for row in table.rows] == [("a", "1", "1.00"), ("b", "1", "–")]


def test_what_others_published_stands_below_trials_of_ones_own(
    make_result: MakeResult, trial: MakeTrial, tmp_path: Path
) -> None:
    result = make_result([trial(agent="mine"), trial(agent="theirs", score=0.0)])
    agents = tuple(replace(agent, model="claude-opus-4-8") for agent in result.run.agents[:1])
    own = replace(result, run=replace(result.run, agents=(*agents, *result.run.agents[1:])))
    others = published_of(own, decide(own), tmp_path, None)
    (said,) = beside(others).points
    assert said.startswith("mine: 84% of the 500 tasks of swe-bench")
    imported = replace(own, run=replace(own.run, imported=True))
    assert published_of(imported, decide(imported), tmp_path, None) == ()


def test_counted(published: RunResult, make_result: MakeResult, trial: MakeTrial) -> None:
    assert counted(published) == "9 agents × 5 tasks, 45 of 45 trials measured"
    assert counted(make_result([trial()])) == "1 agent × 1 task, 1 of 1 trial measured"


def every_face(result: RunResult) -> dict[str, str]:
    """What each face prints of a run, white space made one."""
    decision = decide(result)
    said = {
        "terminal": terminal.render(result),
        "markdown": markdown.render(result),
        "json": json.loads(json_report.render(result))["decision"]["answer"],
        "pick": advice(decision).title,
        "pick --json, mcp": decision.answer,
    }
    said["markdown"] = re.sub(r"\\([^\w\s])", r"\1", said["markdown"])  # as it is shown
    return {face: " ".join(text.split()) for face, text in said.items()}


def test_all_faces_say_the_same_sentence(make_result: MakeResult, trial: MakeTrial) -> None:
    unpriced, failure = {"cost_usd": None}, Failure(kind="interrupted", message="stopped")
    one = "did all of the work in 2.00 s and for $0.0100 a trial (one trial)."
    runs = {
        f"Use a: it is the only agent that was measured, and it {one}": [trial(agent="a")],
        "Use own: it is the only agent that does the job, and it did all of the work in 2.00 s a trial (one trial)": [
            trial(agent="own", more=unpriced),
            trial(agent="b", score=0.0),
        ],
        f"So far, use a: it is the only agent that was measured, and it {one}": [
            trial(agent="a"),
            trial(agent="b", more={"failure": failure}),
        ],
        "None does the job: a comes nearest, it did 30% of the work in 2.00 s": [trial(agent="a", score=0.3)],
        "No agent to recommend: a: not measured: no trial.": [trial(agent="a", more={"failure": failure})],
    }
    for sentence, trials in runs.items():
        assert {face for face, text in every_face(make_result(trials)).items() if sentence not in text} == set()


def test_what_matters_is_the_same_on_all_faces(make_result: MakeResult, trial: MakeTrial) -> None:
    result = make_result([trial(agent="a"), trial(agent="b", more={"active_seconds": 9.0})])
    money = replace(result, preferences=Preferences(solved_usd=5.0, hour_usd=80.0))
    sentence = decide(money).answer
    assert " it brings about $" in sentence
    assert {face for face, text in every_face(money).items() if sentence not in text} == set()


def test_every_face_says_what_was_not_checked(make_result: MakeResult, trial: MakeTrial) -> None:
    lint = Check(verifier="command", label="lint", score=None, reason="no sandbox")
    done = Check(verifier="answer", label="answer", score=1.0, reason="")
    result = make_result([trial(more={"checks": (done, lint)})])
    assert "Checks were not measured: lint of t1 on any trial." in in_short(result).points
