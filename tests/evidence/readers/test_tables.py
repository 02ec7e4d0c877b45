"""`csv` and `jsonl`: tables of trials with columns that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.evidence.readers import csv, jsonl
from flatfield.records import ImportChoices, Weights
from flatfield.tasks.agents import is_name

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.records import Gathered, Imported

NOW = "2026-11-30T12:00:00+00:00"
HOW = ImportChoices(agent=("who",), task="instance", score="resolved", cost="usd", now=NOW)
TABLE = """who,instance,resolved,usd,set
fast,a/1,1,0.5,x
fast,b,0,0.0,x
slow,a/1,true,,x
slow,b,,0.25,x
other,a/1,1,1,y
"""


def read(path: Path, how: ImportChoices = HOW) -> Imported:
    found: Gathered = (jsonl if path.suffix == ".jsonl" else csv).read(path, how)
    (run,) = found.runs
    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "my_results.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_a_table_is_a_run_that_was_not_measured_here(table: Path) -> None:
    run = read(table).run
    assert run.imported
    assert run.id.startswith("20261130-120000-")
    assert run.evaluation.title == "my results"
    assert run.origin == "my_results.csv"
    assert [agent.name for agent in run.agents] == ["fast", "slow", "other"]
    assert [task.id for task in run.tasks] == ["a__1", "b"]
    assert len({task.digest for task in run.tasks}) == 2


def test_other_columns_are_another_import(table: Path) -> None:
    first, named = read(table), read(table, replace(HOW, title="named", now="2026-02-02T00:00:00+00:00"))
    assert first.run.versions == named.run.versions
    for other in (replace(HOW, cost=""), replace(HOW, full_score=2.0), replace(HOW, where=(("set", "x"),))):
        assert read(table, other).run.versions != first.run.versions


@pytest.mark.parametrize("between", [";", "\t"])
def test_columns_may_be_apart_by_more_than_commas(table: Path, between: str) -> None:
    commas = read(table).trials
    table.write_text(TABLE.replace(",", between), encoding="utf-8")
    assert [(one.agent, one.task, one.checks) for one in read(table).trials] == [
        (one.agent, one.task, one.checks) for one in commas
    ]


def test_what_nobody_told_stays_unknown(table: Path) -> None:
    found = read(table)
    known = {(one.agent, one.task): one for one in found.trials}
    assert known["fast", "a__1"].cost_usd == 0.5
    assert known["fast", "b"].cost_usd is None  # a 0 beside other costs
    assert known["slow", "a__1"].cost_usd is None
    assert known["slow", "a__1"].checks[0].score == 1.0
    assert known["fast", "b"].checks[0].score == 0.0
    assert known["slow", "b"].checks == ()
    assert not found.run.timed
    assert found.run.evaluation.weights == Weights(performance=0.5, speed=0.0, cost=0.25)


def test_zeros_are_said_and_may_be_a_price(table: Path) -> None:
    (said,) = csv.read(table, HOW).notes
    assert "fast 1 of 2" in said
    free = ImportChoices(agent=("who",), task="instance", score="resolved", cost="usd", free_zeros=True, now=NOW)
    assert csv.read(table, free).notes == ()
    assert {one.cost_usd for one in read(table, free).trials} == {0.5, 0.0, None, 0.25, 1.0}


def test_a_column_of_zeros_is_no_price(tmp_path: Path) -> None:
    path = tmp_path / "zeros.csv"
    path.write_text("who,instance,resolved,usd\na,t1,1,0.0\na,t2,1,0.0\nb,t1,1,2\nb,t2,1,2\n", encoding="utf-8")
    assert {one.agent: one.cost_usd for one in read(path).trials} == {"a": None, "b": 2.0}


def test_rows_are_kept_by_what_they_hold(table: Path) -> None:
    how = ImportChoices(agent=("who",), task="instance", score="resolved", where=(("set", "y"),), now=NOW)
    assert [one.agent for one in read(table, how).trials] == ["other"]


def test_an_agents_name_may_have_parts(tmp_path: Path) -> None:
    path = tmp_path / "parts.csv"
    path.write_text("model,by,task,score,set up\nGPT 5.5,cli,t,1,a\n", encoding="utf-8")
    how = ImportChoices(agent=("model", "by"), task="task", score="score", model="model", now=NOW)
    (agent,) = read(path, how).run.agents
    assert (agent.name, agent.model) == ("GPT-5.5+cli", "GPT 5.5")
    assert is_name(agent.name)


def test_repeats_are_counted_or_read(tmp_path: Path) -> None:
    path = tmp_path / "repeats.csv"
    path.write_text("who,instance,resolved,n,usd\na,t,1,2,1\na,t,0,1,1\n", encoding="utf-8")
    counted = read(path)
    assert [one.repeat for one in counted.trials] == [1, 2]
    assert counted.run.repeats == {"t": 2}
    how = ImportChoices(agent=("who",), task="instance", score="resolved", repeat="n", now=NOW)
    assert [one.repeat for one in read(path, how).trials] == [2, 1]


def test_seconds_count_where_they_are_told(tmp_path: Path) -> None:
    path = tmp_path / "timed.csv"
    path.write_text("who,instance,resolved,took\na,t,1,12.5\nb,t,1,\n", encoding="utf-8")
    how = ImportChoices(agent=("who",), task="instance", score="resolved", seconds="took", now=NOW)
    found = read(path, how)
    assert found.run.timed
    assert [one.active_seconds for one in found.trials] == [12.5, 0.0]
    assert found.run.evaluation.weights == Weights(performance=0.5, speed=0.25, cost=0.0)


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    lines = ("who,instance,resolved,usd", "a,t,2,1", 'a,"two', 'lines",1,-3', ",t,1,1", "a,,1,cheap")
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidFiles) as caught:
        read(path)
    assert [(one.line, one.problem) for one in caught.value.mistakes] == [
        (2, "resolved: '2' is no score from 0 to 1"),
        (3, "usd: '-3' is no number of 0 or more"),
        (5, "who: no agent stands here"),
        (6, "instance: no task stands here"),
        (6, "usd: 'cheap' is no number of 0 or more"),
    ]
    assert str(caught.value).startswith(f"{path}:2: ")


def test_the_same_repeat_twice_is_told(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("who,instance,resolved,n\na,t,1,1\na,t,0,1\na,t,0,x\n", encoding="utf-8")
    how = ImportChoices(agent=("who",), task="instance", score="resolved", repeat="n", now=NOW)
    with pytest.raises(InvalidFiles) as caught:
        read(path, how)
    assert [one.problem for one in caught.value.mistakes] == [
        "repeat 1 of a on t stands in line 2 too",
        "n: 'x' is no whole number",
    ]


def test_columns_that_are_not_there_or_not_named(table: Path) -> None:
    with pytest.raises(
        InvalidFiles, match=r"my_results\.csv:1: there is no column 'resovled'; did you mean 'resolved'"
    ):
        read(table, ImportChoices(agent=("who",), task="instance", score="resovled", now=NOW))
    with pytest.raises(FlatfieldError, match=r"--score-column is not given: .* it has: who, instance, resolved, usd"):
        read(table, ImportChoices(agent=("who",), task="instance", now=NOW))
    with pytest.raises(FlatfieldError, match=r"has no row where set=z"):
        read(table, ImportChoices(agent=("who",), task="instance", score="usd", where=(("set", "z"),), now=NOW))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no file"):
        csv.read(tmp_path / "none.csv", HOW)
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    with pytest.raises(FlatfieldError, match=r"empty\.csv:1: no names of columns"):
        csv.read(tmp_path / "empty.csv", HOW)


def test_percent_counts_in_full(tmp_path: Path) -> None:
    path = tmp_path / "percent.csv"
    path.write_text("who,instance,resolved\na,t,50\n", encoding="utf-8")
    how = ImportChoices(agent=("who",), task="instance", score="resolved", full_score=100.0, now=NOW)
    assert read(path, how).trials[0].checks[0].score == 0.5


def test_json_lines_have_keys_for_columns(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_text('{"who": "a", "instance": "t", "is": {"resolved": true, "usd": 0.5}}\n\n', encoding="utf-8")
    how = ImportChoices(agent=("who",), task="instance", score="is.resolved", cost="is.usd", now=NOW)
    (trial,) = read(path, how).trials
    assert (trial.checks[0].score, trial.cost_usd) == (1.0, 0.5)


def test_lines_that_are_no_objects_are_told(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text('{"who": "a"}\n[1]\n{"who"\n', encoding="utf-8")
    with pytest.raises(InvalidFiles) as caught:
        jsonl.read(path, HOW)
    assert [(one.line, one.problem) for one in caught.value.mistakes] == [
        (2, "this is no JSON object"),
        (3, "this is no JSON object"),
    ]
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(FlatfieldError, match="is empty"):
        jsonl.read(path, HOW)


def test_the_same_import_is_known_again(table: Path) -> None:
    later = ImportChoices(
        agent=("who",), task="instance", score="resolved", cost="usd", now="2026-12-01T00:00:00+00:00"
    )
    assert read(table).run.versions == read(table, later).run.versions
    assert read(table).run.id != read(table, later).run.id
