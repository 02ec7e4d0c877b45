"""Tasks are proved with both controls: a task that the oracle fails, or noop passes, measures nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotReady
from flatfield.records import SolutionStep, Task, VerifierSpec
from flatfield.runs.checking import check_tasks

if TYPE_CHECKING:
    from pathlib import Path

WRITES = SolutionStep(tool="write_file", arguments={"file_path": "out", "content": "1"})


def file(**options: Any) -> VerifierSpec:
    return VerifierSpec(kind="file", options={"path": "out"} | options)


def task(name: str, *verifiers: VerifierSpec, **fields: Any) -> Task:
    values = {"solution": (WRITES, SolutionStep(answer="done"))} | fields
    return Task(id=name, title=name, prompt=f"Do {name}.", digest=name, verifiers=verifiers, **values)


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert temporary.is_dir()
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))


async def test_what_holds_and_what_does_not(tmp_path: Path) -> None:
    tasks = [
        task("good", file(equals="1"), repeats=3),
        task("wrong", file(equals="2")),
        task("void", file(absent=True)),
        task("stuck", file(equals="1"), solution=(SolutionStep(tool="read_file", arguments={"file_path": "gone"}),)),
        task("judged", VerifierSpec(kind="rubric", options={"value": ["nice"]})),
        task("open", file(equals="1"), solution=()),
    ]
    found = {finding.task: finding for finding in await check_tasks(tasks, tmp_path)}
    assert [name for name, finding in found.items() if finding.holds] == ["good", "open"]
    assert (found["good"].oracle, found["good"].noop, found["good"].summary) == (1.0, 0.0, "oracle 1, noop 0")
    assert "oracle scores 0.00, not 1 (file out: equals 0:" in found["wrong"].summary
    assert "noop scores 1.00, not 0" in found["void"].summary
    assert "solution of task 'stuck' does not work" in found["stuck"].summary
    assert "no verifier but a rubric" in found["judged"].summary
    assert found["open"].summary == "has no solution: not proved"


async def test_wording_of_the_harness_is_warned_of(tmp_path: Path) -> None:
    wordy = Task(id="w", title="w", prompt="Respond with your entire JSON response structure.")
    assert (await check_tasks([wordy], tmp_path))[0].warnings


async def test_nothing_to_prove_asks_nobody(tmp_path: Path) -> None:
    assert await check_tasks([], tmp_path) == ()


async def test_without_a_sandbox_a_command_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> None:
        raise NotReady("bubblewrap is not installed")

    monkeypatch.setattr("flatfield.runs.evaluate.find_sandbox", none)
    command = VerifierSpec(kind="command", options={"run": "grep 1 out"})
    (finding,) = await check_tasks([task("c", command)], tmp_path)
    assert not finding.holds
    assert "was not measured" in finding.summary
    assert "bubblewrap is not installed" in finding.summary
