"""A check that had trouble with an agent's work, and what the task's solution says about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from flatfield.records import Check, Trouble
from flatfield.runs.witness import SolutionSeconds, Witness, with_testimony

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import TrialRecord


def check(score: float | None, trouble: Trouble = "") -> Check:
    return Check(verifier="python", label="c", score=score, reason="crashed", trouble=trouble)


@pytest.mark.parametrize(
    ("own", "solution", "score"),
    [
        (check(None, "code"), check(1.0), 0.0),
        (check(None, "data"), check(0.5), 0.0),
        (check(None, "data"), check(None, "data"), None),
        (check(None), check(1.0), None),
        (check(0.0, "time"), check(1.0), 0.0),
        (check(0.0, "time"), check(0.0, "time"), None),
        (check(0.5), check(1.0), 0.5),
    ],
)
def test_what_the_solution_says(own: Check, solution: Check, score: float | None) -> None:
    found = with_testimony((own, check(1.0)), (solution, check(1.0)))
    assert [each.score for each in found] == [score, 1.0]
    if own.score != score:
        why = "0, for on the task's solution it came to a score" if score == 0 else "not measured, for it does on"
        assert found[0].reason.startswith(f"crashed; {why}")


def test_a_solution_that_came_to_nothing_tells_nothing() -> None:
    assert with_testimony((check(None, "code"),), ()) == (check(None, "code"),)


async def test_a_solution_is_played_once(make_record: Callable[..., TrialRecord]) -> None:
    played: list[str] = []

    async def play() -> TrialRecord:
        played.append("one")
        await asyncio.sleep(0)
        return make_record(checks=(check(1.0),))

    witness = Witness()
    found = await asyncio.gather(*(witness.checks("digest", play) for _ in range(3)))
    assert (found, played) == ([(check(1.0),)] * 3, ["one"])


async def test_what_is_kept_of_a_solution_is_not_played(
    make_record: Callable[..., TrialRecord], tmp_path: Path
) -> None:
    digest, played = "0" * 64, []

    async def play() -> TrialRecord:
        played.append("one")
        slow = Check(verifier="command", label="c", score=1.0, reason="r", took_seconds=2.5)
        late = Check(verifier="command", label="d", score=None, reason="r", took_seconds=9.0)
        return make_record(checks=(slow, late))

    assert await Witness(SolutionSeconds(tmp_path)).seconds(digest, play) == 2.5
    later = Witness(SolutionSeconds(tmp_path))
    assert await later.seconds(digest, play) == 2.5
    assert played == ["one"]
    assert len(await later.checks(digest, play)) == 2
    assert played == ["one", "one"], "whose fault a crash is, what is kept does not say"
    assert await Witness().seconds(digest, play) == 2.5


async def test_a_solution_without_a_score_gives_no_time_and_is_not_kept(
    make_record: Callable[..., TrialRecord], tmp_path: Path
) -> None:
    async def play() -> TrialRecord:
        return make_record(checks=(check(None, "time"),))

    kept = SolutionSeconds(tmp_path)
    assert await Witness(kept).seconds("0" * 64, play) == 0.0
    assert kept.of("0" * 64) is None
