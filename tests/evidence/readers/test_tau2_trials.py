"""What tau2-bench saved of its runs: whole files, runs in parts, and what no outcome came of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import InvalidFiles, NotFound
from flatfield.evidence.readers.tau2_trials import read
from flatfield.records import ImportChoices

if TYPE_CHECKING:
    from pathlib import Path

NOW = ImportChoices(now="2026-11-30T10:00:00+00:00")


def trial(task: str | int, reward: float | None, **more: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "task_id": task,
        "trial": 0,
        "duration": 12.5,
        "agent_cost": 0.02,
        "user_cost": 0.01,
        "termination_reason": "user_stop",
        "reward_info": None if reward is None else {"reward": reward, "db_check": None},
        "messages": [{"role": "user", "content": "hello"}],
        **more,
    }


def saved(domain: str, model: str, trials: list[dict[str, Any]], **more: Any) -> str:
    info = {
        "git_commit": "abc",
        "agent_info": {"implementation": "llm_agent", "llm": model, "llm_args": {"reasoning_effort": "high"}},
        "user_info": {"implementation": "user_simulator", "llm": "customer-1"},
        "environment_info": {"domain_name": domain, "policy": "…"},
    }
    return json.dumps({"timestamp": "t", "info": info, "tasks": [], "simulations": trials, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first = [trial("1", 1.0), trial("1", 0.0), trial(2, 1.0, agent_cost=0.0)]
    first.append(trial("3", None, termination_reason="infrastructure_error"))
    (tmp_path / "first.json").write_text(saved("retail", "openai/best-1", first))
    (tmp_path / "second.json").write_text(saved("retail", "other", [trial("1", 0.5)]))
    parts = tmp_path / "parts"
    (parts / "simulations").mkdir(parents=True)
    (parts / "results.json").write_text(saved("airline", "best-1", []))
    (parts / "simulations" / "a.json").write_text(json.dumps(trial("7", 1.0)))
    indexed = tmp_path / "indexed"
    indexed.mkdir()
    entry = {"id": "a", "task_id": "8", "trial": 0, "reward": 0.0, "agent_cost": 0.1, "duration": 3.0}
    (indexed / "results.json").write_text(saved("airline", "best-1", [], simulation_index=[entry]))
    (tmp_path / "submission.json").write_text('{"model_name": "best-1"}')
    return tmp_path


def test_trials_are_runs_by_domain(folder: Path) -> None:
    found = read(folder, NOW)
    runs = {each.run.evaluation.title: each for each in found.runs}
    assert set(runs) == {"tau2-retail", "tau2-airline"}
    retail = [
        (one.agent, one.task, one.repeat, [check.score for check in one.checks], one.cost_usd, one.active_seconds)
        for one in runs["tau2-retail"].trials
    ]
    assert retail == [
        ("openai-best-1-high", "retail-1", 1, [1.0], 0.02, 12.5),
        ("openai-best-1-high", "retail-1", 2, [0.0], 0.02, 12.5),
        ("openai-best-1-high", "retail-2", 1, [1.0], None, 12.5),
        ("openai-best-1-high", "retail-3", 1, [], 0.02, 12.5),
        ("other-high", "retail-1", 1, [0.5], 0.02, 12.5),
    ]
    airline = runs["tau2-airline"].trials
    assert {(one.task, one.checks[0].score) for one in airline} == {("airline-7", 1.0), ("airline-8", 0.0)}
    said = "\n".join(found.notes)
    assert "1 other file passed over" in said
    assert "retail: the customer was played by customer-1" in said
    assert "1 trial without an outcome of the agent's" in said
    assert all(each.run.imported for each in found.runs)


def test_one_domain_or_one_file(folder: Path) -> None:
    only = ImportChoices(now=NOW.now, only="airline")
    assert [each.run.evaluation.title for each in read(folder, only).runs] == ["tau2-airline"]
    (alone,) = read(folder / "second.json", NOW).runs
    assert len(alone.trials) == 1


def test_what_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(NotFound, match="'telecom' is not there; there are: "):
        read(folder, ImportChoices(now=NOW.now, only="telecom"))
    with pytest.raises(NotFound, match=r"there is no .*nowhere"):
        read(folder / "nowhere", NOW)
    with pytest.raises(InvalidFiles):
        read(folder / "submission.json", NOW)
    (folder / "empty").mkdir()
    with pytest.raises(NotFound, match="holds no file"):
        read(folder / "empty", NOW)
