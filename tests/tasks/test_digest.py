"""A task's digest changes with everything the task names, and with nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOP = """---
workspace: ws
verify:
  - command: {run: python -m pytest -q, hidden: hidden/}
  - python: checks.py::verify
solution:
  - copy: done
---
## Variables
PROMPT: "x"
"""
NAMED = ("t.md", "ws/a.txt", "hidden/test_a.py", "checks.py", "done/b.txt")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "first"
    texts = (LOP, "a", "def test_a(): pass\n", "def verify(trial, files): ...\n", "b")
    for name, text in zip(NAMED, texts, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", NAMED)
def test_it_changes_with_each_file_that_the_task_names(task: Path, name: str) -> None:
    before = read_task(task / "t.md").digest
    with (task / name).open("a") as file:
        file.write("\n")
    assert read_task(task / "t.md").digest != before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "ws/new.txt").write_text(""),
        lambda folder: (folder / "ws/empty").mkdir(),
        lambda folder: (folder / "ws/a.txt").rename(folder / "ws/b.txt"),
        lambda folder: (folder / "ws/link").symlink_to("a.txt"),
    ],
)
def test_it_changes_with_the_workspaces_tree(task: Path, change: Callable[[Path], object]) -> None:
    before = read_task(task / "t.md").digest
    change(task)
    assert read_task(task / "t.md").digest != before


def test_it_is_the_same_elsewhere_and_whatever_lies_beside_it(task: Path, tmp_path: Path) -> None:
    before = read_task(task / "t.md").digest
    shutil.copytree(task, tmp_path / "second")
    (tmp_path / "second/notes.txt").write_text("not named")
    (tmp_path / "second/hidden/__pycache__").mkdir()
    (tmp_path / "second/hidden/__pycache__/x.pyc").write_text("left by a run")
    assert read_task(tmp_path / "second/t.md").digest == before


def test_a_link_out_of_the_workspace_is_not_followed(task: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (task / "ws/out").symlink_to(tmp_path / "outside")
    before = read_task(task / "t.md").digest
    (tmp_path / "outside/secret").write_text("x")
    assert read_task(task / "t.md").digest == before
