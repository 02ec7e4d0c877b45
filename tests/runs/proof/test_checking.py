"""Tasks are proved: what the oracle fails, what idlers pass and what no sabotage breaks measures nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotReady
from flatfield.records import Sabotage, SolutionStep, Task, VerifierSpec
from flatfield.runs.proof import check_tasks
from flatfield.runs.witness import SolutionSeconds, folder_in
from flatfield.tasks.access import everything

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

WRITES = SolutionStep(tool="write_file", arguments={"file_path": "out", "content": "1"})


def file(**options: Any) -> VerifierSpec:
    return VerifierSpec(kind="file", options={"path": "out"} | options)


def task(name: str, *verifiers: VerifierSpec, **fields: Any) -> Task:
    values = {"solution": (WRITES, SolutionStep(answer="done"))} | fields
    return Task(
        id=name, title=name, prompt=f"Do {name}.", digest=name.encode().hex().zfill(64), verifiers=verifiers, **values
    )


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
    found = {finding.task: finding for finding in await check_tasks(tasks, tmp_path, everything())}
    assert [name for name, finding in found.items() if finding.holds] == ["good", "open"]
    assert (found["good"].oracle, found["good"].noop, found["good"].summary) == (
        1.0,
        0.0,
        "oracle 1, noop 0, echo 0, copy 0",
    )
    assert "oracle scores 0.00, not 1 (file out: equals 0:" in found["wrong"].summary
    assert "noop scores 1.00, not 0" in found["void"].summary
    assert "solution of task 'stuck' does not work" in found["stuck"].summary
    assert "no verifier but a rubric" in found["judged"].summary
    assert found["open"].summary == "has no solution: not proved"
    kept = SolutionSeconds(folder_in(tmp_path / "cache"))
    seconds = {each.id: kept.of(each.digest) for each in tasks}
    assert seconds["good"] == found["good"].check_seconds
    assert seconds["good"] is not None
    assert (seconds["wrong"], seconds["void"], seconds["open"]) == (None, None, None)


async def test_wording_of_the_harness_is_warned_of(tmp_path: Path) -> None:
    wordy = Task(id="w", title="w", prompt="Respond with your entire JSON response structure.")
    assert (await check_tasks([wordy], tmp_path, everything()))[0].warnings


async def test_nothing_to_prove_asks_nobody(tmp_path: Path) -> None:
    assert await check_tasks([], tmp_path, everything()) == ()


async def test_without_a_sandbox_a_command_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> None:
        raise NotReady("bubblewrap is not installed")

    monkeypatch.setattr("flatfield.runs.proof.find_sandbox", none)
    command = VerifierSpec(kind="command", options={"run": "grep 1 out"})
    (finding,) = await check_tasks([task("c", command)], tmp_path, everything())
    assert not finding.holds
    assert "was not measured" in finding.summary
    assert "bubblewrap is not installed" in finding.summary


def answer(**options: Any) -> VerifierSpec:
    return VerifierSpec(kind="answer", options=options)


async def test_what_gives_points_for_no_work(tmp_path: Path) -> None:
    said = SolutionStep(answer="Oslo")
    tasks = [
        task("prompted", answer(contains="Do"), solution=(SolutionStep(answer="Do it"),)),
        task("lying", answer(contains="Oslo"), solution=(said,), files={"in.txt": "The capital is Oslo."}),
        task("hint", answer(contains="Oslo"), *[file(equals="1")] * 3, solution=(WRITES, said), files={"a": "Oslo"}),
        task("unsolved", file(absent=True), solution=()),
    ]
    found = {finding.task: finding for finding in await check_tasks(tasks, tmp_path, everything())}
    assert [name for name, finding in found.items() if finding.holds] == ["hint"]
    assert "an echo of the prompt passes: it scores 1.00 (answer contains 1:" in found["prompted"].summary
    assert "a copy of the workspace passes: it scores 1.00" in found["lying"].summary
    assert (found["hint"].echo, found["hint"].copy) == (0.0, 0.25)
    assert found["hint"].warnings == (
        'a copy of the workspace gets points: it scores 0.25 (answer contains 1: the answer: contains "Oslo")',
    )
    assert "noop scores 1.00, not 0" in found["unsolved"].summary


async def test_sabotages_that_hold(tmp_path: Path) -> None:
    spoilt = (
        Sabotage(name="writes two", steps=(WRITES_TWO,), breaks=(0,)),
        Sabotage(name="says nothing", answer="", breaks=(1,)),
    )
    proved = task("good", file(equals="1"), answer(contains="done"), sabotages=spoilt)
    quick, deep = [(await check_tasks([proved], tmp_path, everything(), deep=deep))[0] for deep in (False, True)]
    assert (quick.holds, quick.runs, quick.sabotages, quick.unbroken) == (True, 1, (), ())
    assert (deep.holds, deep.runs, deep.unbroken) == (True, 5, ())
    assert deep.summary == "oracle 1, noop 0, echo 0, copy 0; alike in 5 runs; 2 of 2 sabotages noticed"
    assert [(each.name, each.score, each.failed) for each in deep.sabotages] == [
        ("writes two", 0.5, ("file out: equals",)),
        ("says nothing", 0.5, ("answer contains",)),
    ]


WRITES_TWO = SolutionStep(tool="write_file", arguments={"file_path": "out", "content": "2"})


async def test_sabotages_that_show_a_hole(tmp_path: Path) -> None:
    unfit = SolutionStep(tool="edit_file", arguments={"file_path": "out", "old_str": "7", "new_str": "8"})
    spoilt = (
        Sabotage(name="unnoticed", answer="whatever"),
        Sabotage(name="misses", skip=(0,), breaks=(0, 1)),
        Sabotage(name="unfit", steps=(unfit,)),
    )
    (found,) = await check_tasks(
        [task("t", file(equals="1"), file(path="a", absent=True), sabotages=spoilt)], tmp_path, everything()
    )
    assert not found.sabotages
    checks = (file(equals="1"), answer(matches="done|whatever"))
    (found,) = await check_tasks([task("t", *checks, sabotages=spoilt)], tmp_path, everything(), deep=True)
    assert not found.holds
    for text in (
        "sabotage 'unnoticed' still scores 1: no check notices it",
        "sabotage 'misses' does not break answer matches",
        "step 1 of sabotage 'unfit' does not work",
        "no sabotage makes answer matches fail",
    ):
        assert text in found.summary
    assert found.unbroken == ("answer matches",)


async def test_without_sabotages_the_obvious_ones_are_tried(tmp_path: Path) -> None:
    other = SolutionStep(tool="write_file", arguments={"file_path": "b", "content": "1"})
    looks = SolutionStep(tool="list_directory")
    solution = (looks, WRITES, other, SolutionStep(answer="Both are written."))
    checks = (file(equals="1"), answer(matches="(?s).*"), file(path="c", absent=True), file(path="out", exists=True))
    (found,) = await check_tasks([task("t", *checks, solution=solution)], tmp_path, everything(), deep=True)
    assert [each.name for each in found.sabotages] == ["without write_file out", "without write_file b"]
    assert found.sabotages[0].failed == ("file out: equals", "file out: exists")
    assert "sabotage 'without write_file b' still scores 1: no check notices it" in found.warnings
    assert "no sabotage makes file c: absent fail; write `sabotages:` that do" in found.warnings
    assert found.unbroken == ("answer matches", "file c: absent")


async def test_a_check_that_crashes_on_a_wrong_result_is_found(tmp_path: Path) -> None:
    (tmp_path / "t.md").touch()
    (tmp_path / "checks.py").write_text("def verify(trial, files):\n    return 1.0 / len(trial.answer), 'ok'\n")
    fragile = VerifierSpec(kind="python", options={"value": "checks.py::verify"})
    solution = (WRITES, SolutionStep(answer="x"))
    one = task("t", file(equals="1"), fragile, solution=solution, path=str(tmp_path / "t.md"))
    (found,) = await check_tasks([one], tmp_path, everything(), deep=True)
    assert "sabotage 'an empty answer': python checks.py::verify was not measured" in found.summary


@pytest.mark.slow
async def test_an_oracle_that_is_graded_by_chance_is_found(tmp_path: Path) -> None:
    (tmp_path / "t.md").touch()
    (tmp_path / "checks.py").write_text(
        "import os\n\ndef verify(trial, files):\n    return 1.0, f'seen by {os.getpid()}'\n"
    )
    fickle = VerifierSpec(kind="python", options={"value": "checks.py::verify"})
    one = task("t", fickle, path=str(tmp_path / "t.md"))
    (found,) = await check_tasks([one], tmp_path, everything(), deep=True)
    assert "oracle differs in run 2 of 5: python checks.py::verify says 'seen by" in found.summary


async def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    await check_tasks(
        [task("t", file(equals="1"))], tmp_path, everything(), tell=lambda done, of: told.append((done, of))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
