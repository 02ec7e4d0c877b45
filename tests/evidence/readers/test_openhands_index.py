"""`openhands-index`: folders of agents with scores and single outcomes, as OpenHands lays them out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import InvalidFiles, NotFound
from flatfield.evidence.readers.openhands_index import read
from flatfield.records import ImportChoices

if TYPE_CHECKING:
    from pathlib import Path

HOW = ImportChoices(now="2026-11-30T12:00:00+00:00")


def agent(folder: Path, scores: list[dict[str, Any]], outcomes: dict[str, Any], **who: Any) -> None:
    (folder / "instance_results").mkdir(parents=True)
    about = {"agent_name": "OpenHands", "model": "Alpha-1", "openness": "closed_api_available", **who}
    (folder / "metadata.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    for name, each in outcomes.items():
        (folder / "instance_results" / f"{name}.json").write_text(json.dumps(each), encoding="utf-8")


def score(benchmark: str, share: float, usd: float | None, **more: Any) -> dict[str, Any]:
    day = "2026-03-27T08:40:20+00:00"
    return {
        "benchmark": benchmark,
        "score": share,
        "cost_per_instance": usd,
        "submission_time": day,
        "tags": [],
        **more,
    }


def outcome(resolved: bool | None, cost: float | None) -> dict[str, Any]:
    return {"resolved": resolved, "cost": cost}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    solved = {"x__x-1": outcome(True, 1.0), "x__x-2": outcome(False, 0.0), "x__x-3": outcome(None, None)}
    agent(
        tmp_path / "results" / "Alpha-1", [score("swe-bench", 74.4, 0.4, average_runtime=261.0)], {"swe-bench": solved}
    )
    agent(
        tmp_path / "alternative_agents" / "acp-b" / "Beta",
        [score("swe-bench", 73.8, 0.4), score("gaia", 60.0, None), score("new-bench", 1.0, 1.0)],
        {"swe-bench": {"x__x-1": outcome(True, 0.0), "x__x-2": outcome(True, 0.0)}},
        agent_name="Other Tool",
        model="Beta",
        openness="open_weights",
        parameter_count_b=80,
    )
    agent(
        tmp_path / "results" / "Gamma",
        [score("swe-bench", 50.0, 1.0)],
        {"swe-bench": {"x__x-1": outcome(True, 2.9), "x__x-2": outcome(False, 2.9)}},
        model="Gamma",
    )
    return tmp_path


def test_single_outcomes_are_a_run_of_trials(index: Path) -> None:
    (found,) = read(index, HOW).runs
    known = {(one.agent, one.task): one for one in found.trials}
    assert set(known) == {
        *(("Alpha-1+openhands", f"x__x-{n}") for n in (1, 2, 3)),
        *(("Beta+other-tool", f"x__x-{n}") for n in (1, 2)),
        *(("Gamma+openhands", f"x__x-{n}") for n in (1, 2)),
    }
    assert known["Alpha-1+openhands", "x__x-1"].cost_usd == 1.0
    assert known["Alpha-1+openhands", "x__x-2"].cost_usd is None  # a 0
    assert known["Alpha-1+openhands", "x__x-3"].checks == ()  # no result
    assert known["Beta+other-tool", "x__x-1"].cost_usd is None  # a column of zeros
    assert known["Gamma+openhands", "x__x-1"].cost_usd is None  # 2.9 times the published mean
    assert not found.run.timed  # seconds are means of an agent, not of a trial


def test_scores_are_figures(index: Path) -> None:
    found = {(one.model, one.benchmark): one for one in read(index, HOW).evidence}
    alpha, beta = found["Alpha-1", "swe-bench"], found["Beta", "swe-bench"]
    assert (alpha.solved, alpha.tasks, alpha.kind, alpha.scaffold) == (372, 500, "code-repair", "OpenHands")
    assert (alpha.usd, alpha.seconds, alpha.date) == (1.0, 261.0, "2026-03-27")
    assert alpha.note == "cost of 1 of 3 tasks"
    assert (beta.usd, beta.weights_b, beta.scaffold) == (0.4, 80, "Other Tool")  # zeros: the published mean
    assert found["Beta", "gaia"].usd is None
    gamma = found["Gamma", "swe-bench"]
    assert gamma.usd is None
    assert "2.9 times the published mean" in gamma.note


def test_what_kind_a_new_benchmark_is_is_not_guessed(index: Path) -> None:
    found = read(index, HOW)
    assert "new-bench" not in {one.benchmark for one in found.evidence}
    assert any(note.startswith("new-bench: ") for note in found.notes)


def test_one_benchmark_alone(index: Path) -> None:
    how = ImportChoices(only="gaia", now=HOW.now)
    assert read(index, how).runs == ()
    assert [one.benchmark for one in read(index, how).evidence] == ["gaia"]
    with pytest.raises(NotFound, match=r"'swe-bnch' is not there; did you mean 'swe-bench'\?"):
        read(index, ImportChoices(only="swe-bnch", now=HOW.now))


def test_folders_that_hold_something_else(index: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=r"there is no folder .*nowhere"):
        read(tmp_path / "nowhere", HOW)
    with pytest.raises(NotFound, match="no agents with results"):
        read(tmp_path / "empty", HOW)
    broken = index / "results" / "Gamma" / "scores.json"
    broken.write_text('[\n {"benchmark": "x"},\n oops]', encoding="utf-8")
    with pytest.raises(InvalidFiles, match=r"scores\.json:3: "):
        read(index, HOW)
    broken.write_text('[{"benchmark": "x", "score": "high"}]', encoding="utf-8")
    with pytest.raises(InvalidFiles, match=r"scores\.json:1: .*\$\[0\]\.score"):
        read(index, HOW)
