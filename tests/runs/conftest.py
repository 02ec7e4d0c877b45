"""Runs, trials and plans to try the room's parts on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.records import AgentConfig, Evaluation, Run, Task, TrialPlan, TrialRecord

if TYPE_CHECKING:
    from pathlib import Path

RunMaker = Callable[..., Run]
RecordMaker = Callable[..., TrialRecord]
RUN = "20260101-000000-0000"


def _make_run(
    agents: tuple[str, ...] = ("fast", "slow"),
    tasks: tuple[str, ...] = ("read", "write"),
    **fields: Any,
) -> Run:
    run = Run(
        id=RUN,
        created_at="2026-01-01T00:00:00+00:00",
        evaluation=Evaluation(title="Which one reads best?", repeats=2, seed=7),
        tasks=tuple(Task(id=task, title=task, prompt=f"Do {task}.", digest=f"digest-{task}") for task in tasks),
        agents=tuple(AgentConfig(name=agent, provider="noop", model=agent) for agent in agents),
        repeats=dict.fromkeys(tasks, 2),
    )
    return structs.replace(run, **fields)


def _make_record(plan: TrialPlan | None = None, **fields: Any) -> TrialRecord:
    plan = plan or TrialPlan(run=RUN, agent="fast", task="read", repeat=1)
    record = TrialRecord(
        run=plan.run,
        agent=plan.agent,
        task=plan.task,
        repeat=plan.repeat,
        task_digest=f"digest-{plan.task}",
        agent_fingerprint=f"print-{plan.agent}",
        stop="answered",
    )
    return structs.replace(record, **fields)


@pytest.fixture
def make_run() -> RunMaker:
    return _make_run


@pytest.fixture
def make_record() -> RecordMaker:
    return _make_record


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of the test's own, for what the store could not take."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder
