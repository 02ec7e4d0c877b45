"""`packages:` of a LOP: a folder beside it, part of the task's digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.errors import InvalidFiles
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from pathlib import Path


def _lop(folder: Path, packages: str) -> Path:
    path = folder / "task.md"
    path.write_text(f'---\npackages: {packages}\n---\n## Variables\n\nPROMPT: "go"\n')
    return path


def test_they_are_named_and_change_the_digest(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "one.py").write_text("1")
    before = read_task(_lop(tmp_path, "wheels/"))
    assert before.packages == str(tmp_path / "wheels")
    (tmp_path / "wheels" / "one.py").write_text("2")
    assert read_task(tmp_path / "task.md").digest != before.digest


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("wheels", r"task.md:2.*packages folder 'wheels' is not there.*pip install --target wheels NAME"),
        ("/usr/lib", "leave the LOP's folder; name a folder beside task.md"),
        ("..", "leave the LOP's folder"),
        (".", "leave the LOP's folder"),
    ],
)
def test_another_place_is_a_mistake(tmp_path: Path, written: str, problem: str) -> None:
    with pytest.raises(InvalidFiles, match=problem):
        read_task(_lop(tmp_path, written))
