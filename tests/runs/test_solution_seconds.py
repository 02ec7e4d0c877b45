"""What is kept of how long solutions' checks take: by task, by kind of machine, and never in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.records import Check
from flatfield.runs import witness
from flatfield.runs.witness import SolutionSeconds, slowest

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "ab" * 32


def test_it_is_kept_by_the_tasks_digest(tmp_path: Path) -> None:
    SolutionSeconds(tmp_path / "new").keep(DIGEST, 1.25)
    kept = SolutionSeconds(tmp_path / "new")
    assert kept.of(DIGEST) == 1.25
    assert kept.of("cd" * 32) is None
    kept.keep(DIGEST, 3.0)
    assert kept.of(DIGEST) == 3.0
    assert [place.name for place in (tmp_path / "new").iterdir()] == [f"{DIGEST}.json"]


def test_another_kind_of_machine_is_another_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SolutionSeconds(tmp_path)
    kept.keep(DIGEST, 1.25)
    monkeypatch.setattr(witness, "machine", lambda: "Another 1, 2 CPUs")
    assert kept.of(DIGEST) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"machine": 1}', '{"machine": "m", "seconds": "long"}'])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{DIGEST}.json").write_text(text)
    assert SolutionSeconds(tmp_path).of(DIGEST) is None


@pytest.mark.parametrize("digest", ["", "x", "../../etc/passwd"])
def test_what_is_no_digest_is_no_path(tmp_path: Path, digest: str) -> None:
    kept = SolutionSeconds(tmp_path / "in")
    kept.keep(digest, 1.0)
    assert kept.of(digest) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = SolutionSeconds(tmp_path / "file" / "solutions")
    kept.keep(DIGEST, 1.0)
    assert kept.of(DIGEST) is None


def test_the_slowest_of_those_that_came_to_a_score() -> None:
    def check(score: float | None, seconds: float | None) -> Check:
        return Check(verifier="v", label="v", score=score, reason="r", took_seconds=seconds)

    assert slowest([check(1.0, 2.0), check(0.0, 3.0), check(None, 9.0), check(1.0, None)]) == 3.0
    assert slowest([check(None, 9.0)]) is None
