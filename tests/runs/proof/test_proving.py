"""Plays of known agents: their order, how many at once, where they work, and what a missing sandbox does to them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.files.copying import plan_copy
from flatfield.errors import FlatfieldError, NotReady
from flatfield.records import AgentConfig, SolutionStep, Task, TrialRecord, VerifierSpec
from flatfield.runs import proof
from flatfield.runs.proof import Play, play
from flatfield.tasks.access import everything

if TYPE_CHECKING:
    from flatfield.runs.trial import Assignment, Ground

HOLDER = Path(__file__).parents[1] / "holding_child.py"
ORACLE = AgentConfig(name="oracle", provider="oracle")


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert temporary.is_dir()
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))


def _plays(folder: Path, *answers: str, verifiers: tuple[VerifierSpec, ...] = (), **fields: Any) -> list[Play]:
    tasks = [
        Task(
            id=f"t-{answer}",
            title="T",
            prompt="p",
            digest="d",
            solution=(SolutionStep(answer=answer),),
            verifiers=verifiers,
            **fields,
        )
        for answer in answers
    ]
    return [Play(task=task, agent=ORACLE, files=plan_copy(task, folder), repeat=2) for task in tasks]


def _left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_records_come_in_the_order_of_the_plays_and_each_is_told(tmp_path: Path, temporary: Path) -> None:
    told: list[int] = []
    records = await play(_plays(tmp_path / "none", "c", "a", "b", files={"x": "1"}), everything(), told.append)
    assert [(record.task, record.answer, record.repeat) for record in records] == [
        ("t-c", "c", 2),
        ("t-a", "a", 2),
        ("t-b", "b", 2),
    ]
    assert told == [1, 2, 3]
    assert _left(temporary) == []


async def test_no_more_are_played_at_once_than_the_machine_has_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0

    async def busy(assignment: Assignment, ground: Ground) -> TrialRecord:
        nonlocal running, most
        assert ground.scratch.stat().st_mode & 0o777 == 0o711
        running += 1
        most = max(most, running)
        await ground.clock.sleep(0)
        running -= 1
        return TrialRecord(
            run="check", agent="oracle", task=assignment.task.id, repeat=1, task_digest="d", agent_fingerprint="f",
            stop="answered",
        )  # fmt: skip

    monkeypatch.setattr(proof, "run_trial", busy)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    await play(_plays(tmp_path, *"abcdefgh", files={"x": ""}), everything(), lambda _done: None)
    assert most == 3
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    most = 0
    await play(_plays(tmp_path, *"abcdefghijkl", files={"x": ""}), everything(), lambda _done: None)
    assert most == proof.MOST_AT_ONCE


async def test_a_sandbox_is_looked_for_only_where_commands_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: Any) -> None:
        raise NotReady("there is none; install it")

    monkeypatch.setattr(proof, "find_sandbox", none)
    (record,) = await play(_plays(tmp_path, "a", files={"x": ""}), everything(), lambda _done: None)
    assert record.failure is None
    command = VerifierSpec(kind="command", options={"run": "true"})
    (record,) = await play(
        _plays(tmp_path, "a", verifiers=(command,), files={"x": ""}), everything(), lambda _done: None
    )
    assert [(check.score, check.reason) for check in record.checks] == [
        (None, "the command was not run: there is none; install it")
    ]


async def test_a_play_that_breaks_takes_its_workspaces_with_it(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_assignment: Assignment, ground: Ground) -> TrialRecord:
        (ground.scratch / "left").mkdir()
        raise FlatfieldError("it broke")

    monkeypatch.setattr(proof, "run_trial", breaks)
    with pytest.raises(ExceptionGroup) as caught:
        await play(_plays(tmp_path, "a", files={"x": ""}), everything(), lambda _done: None)
    assert caught.group_contains(FlatfieldError, match="it broke")
    assert _left(temporary) == []


async def test_no_room_for_workspaces_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(FlatfieldError, match=r"no workspace can be made in .*; set TMPDIR to another"):
        await play(_plays(tmp_path, "a", files={"x": ""}), everything(), lambda _done: None)


async def test_code_of_verifiers_waits_while_another_process_measures_a_model_here(tmp_path: Path) -> None:
    locks = tmp_path / "cache" / "locks"
    locks.mkdir(parents=True)
    (tmp_path / "checks.py").write_text("def verify(trial, files):\n    return 1.0, 'fine'\n")
    code = VerifierSpec(kind="python", options={"value": "checks.py::verify"})
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, HOLDER, locks, "local", stdin=pipe, stdout=pipe)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        holder.kill()

    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        plays = _plays(tmp_path, "a", verifiers=(code,), files={"x": ""}, path=str(tmp_path / "t.md"))
        (record,) = await play(plays, everything(), lambda _done: None, say)
    finally:
        if not said:
            holder.kill()
        await holder.communicate()
    assert said == [f"waiting for the device local: used by process {holder.pid}"]
    assert [check.score for check in record.checks] == [1.0]
