"""What plays show about a task: each kind of fault is found, and named so that its author can mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.records import Check, Failure, Reply, Sabotage, SolutionStep, Task, ToolResult, TrialRecord, Turn
from flatfield.runs.proof import Played, assess

if TYPE_CHECKING:
    from collections.abc import Callable

TASK = Task(id="t", title="T", prompt="Do it.", solution=(SolutionStep(tool="write_file"), SolutionStep(answer="x")))


@pytest.fixture
def scored(make_record: Callable[..., TrialRecord]) -> Callable[..., TrialRecord]:
    """A record whose checks `one`, `two` … have these scores; None: not measured."""

    def make(*scores: float | None, failure: str = "", results: tuple[ToolResult, ...] = ()) -> TrialRecord:
        checks = tuple(
            Check(verifier="file", label=label, score=score, reason=f"because {score}")
            for label, score in zip(("one", "two", "three"), scores, strict=False)
        )
        return make_record(
            checks=checks,
            failure=Failure(kind="harness", message=failure) if failure else None,
            turns=(Turn(reply=Reply(text="", finish="stop"), results=results),) if results else (),
        )

    return make


def test_a_task_that_holds(scored: Callable[..., TrialRecord]) -> None:
    none = scored(0.0, 0.0)
    found = assess(Played(task=TASK, oracle=(scored(1.0, 1.0),), noop=none, echo=none, copy=none))
    assert (found.holds, found.warnings, found.runs) == (True, (), 1)
    assert (found.oracle, found.noop, found.echo, found.copy) == (1.0, 0.0, 0.0, 0.0)
    assert found.summary == "oracle 1, noop 0, echo 0, copy 0"


def test_a_task_without_a_solution_holds_unless_idlers_pass(scored: Callable[..., TrialRecord]) -> None:
    assert assess(Played(task=TASK)).summary == "has no solution: not proved"
    found = assess(Played(task=TASK, noop=scored(1.0)))
    assert (found.holds, found.oracle, found.runs) == (False, None, 0)
    assert found.summary == "noop scores 1.00, not 0 (one 1: because 1.0)"


@pytest.mark.parametrize(
    ("scores", "failure", "problem"),
    [
        ((1.0, 0.5), "", "oracle scores 0.75, not 1 (two 0.5: because 0.5)"),
        ((1.0, None), "", "oracle: two was not measured: because None"),
        ((), "it broke", "oracle was not measured: it broke"),
        ((), "", "oracle has no score: the task has no verifier but a rubric"),
    ],
)
def test_an_oracle_that_fails(
    scored: Callable[..., TrialRecord], scores: tuple[float | None, ...], failure: str, problem: str
) -> None:
    found = assess(Played(task=TASK, oracle=(scored(*scores, failure=failure),)))
    assert (found.holds, found.summary) == (False, problem)


def test_an_oracle_that_differs_between_its_runs(scored: Callable[..., TrialRecord]) -> None:
    again = (scored(1.0), scored(1.0), scored(0.0))
    summary = assess(Played(task=TASK, oracle=again)).summary
    assert summary == "oracle scores 1 in run 1 and differs in run 3: one 1, then 0 (because 0.0)"
    broken = (scored(1.0), scored(failure="the disk was full"))
    assert "only one of them was measured (the disk was full)" in assess(Played(task=TASK, oracle=broken)).summary
    alike = assess(Played(task=TASK, oracle=(scored(1.0), scored(1.0))))
    assert (alike.holds, alike.summary) == (True, "oracle 1; alike in 2 runs")


def test_idlers_that_pass_are_a_fault_and_such_that_get_points_a_warning(scored: Callable[..., TrialRecord]) -> None:
    some, whole, none = scored(0.5, 0.0), scored(1.0, 1.0), scored(0.0, 0.0)
    found = assess(Played(task=TASK, oracle=(whole,), echo=some, copy=whole, noop=none))
    assert not found.holds
    assert found.summary == "a copy of the workspace passes: it scores 1.00 (one 1: because 1.0; two 1: because 1.0)"
    assert found.warnings == ("an echo of the prompt gets points: it scores 0.25 (one 0.5: because 0.5)",)


def test_an_idler_that_could_not_be_played_is_a_warning(scored: Callable[..., TrialRecord]) -> None:
    found = assess(Played(task=TASK, oracle=(scored(1.0),), echo=scored(failure="no room")))
    assert (found.holds, found.warnings) == (True, ("an echo of the prompt was not measured: no room",))


def test_sabotages_are_noticed_check_by_check(scored: Callable[..., TrialRecord]) -> None:
    spoilt = (
        (Sabotage(name="a", skip=(0,), breaks=(0,)), scored(0.0, 1.0, 1.0)),
        (Sabotage(name="b", skip=(0,), breaks=(0, 1)), scored(1.0, 0.5, 1.0)),
        (Sabotage(name="c", answer="no"), scored(1.0, 1.0, 1.0)),
        (Sabotage(name="d", answer="no"), scored(1.0, 1.0, None)),
        (Sabotage(name="e", answer="no"), scored(failure="lost")),
    )
    played = Played(task=TASK, oracle=(scored(1.0, 1.0, 1.0),), sabotages=spoilt, declared=True)
    found = assess(played)
    assert [(each.name, each.failed) for each in found.sabotages] == [
        ("a", ("one",)), ("b", ("two",)), ("c", ()), ("d", ()), ("e", ()),
    ]  # fmt: skip
    assert found.unbroken == ("three",)
    assert found.summary.split("; ") == [
        "sabotage 'b' does not break one",
        "sabotage 'd': three was not measured: because None",
        "sabotage 'e' was not measured: lost",
        "sabotage 'c' still scores 1: no check notices it",
        "no sabotage makes three fail",
    ]


def test_holes_that_derived_sabotages_show_are_warnings(scored: Callable[..., TrialRecord]) -> None:
    spoilt = (
        (Sabotage(name="without write_file", skip=(0,)), scored(1.0)),
        (Sabotage(name="an empty answer", answer=""), scored(1.0)),
    )
    found = assess(Played(task=TASK, oracle=(scored(1.0),), sabotages=spoilt))
    assert found.holds
    assert found.warnings == (
        "sabotage 'without write_file' still scores 1: no check notices it",
        "no sabotage makes one fail; write `sabotages:` that do",
    )
    assert [each.name for each in found.sabotages] == ["without write_file"]


def test_a_step_of_a_sabotage_that_does_not_work_is_named(scored: Callable[..., TrialRecord]) -> None:
    results = (
        ToolResult(call_id="1", name="write_file", text="written"),
        ToolResult(call_id="2", name="edit_file", text="old_str was not found", ok=False),
    )
    own = SolutionStep(tool="edit_file")
    spoilt = ((Sabotage(name="a", steps=(own,)), scored(0.0, results=results)),)
    found = assess(Played(task=TASK, oracle=(scored(1.0),), sabotages=spoilt, declared=True))
    assert found.summary == "step 1 of sabotage 'a' does not work: old_str was not found"
