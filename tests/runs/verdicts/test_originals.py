from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import FileChange
from flatfield.runs.judging import MOST_BYTES, with_originals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Run, TrialRecord


def test_what_modified_files_held_is_read_from_the_workspace_and_from_nowhere_else(
    make_run: Callable[..., Run], make_record: Callable[..., TrialRecord], tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("not yours")
    (folder / "sub" / "a.py").write_text("old")
    (folder / "same.py").write_text("untouched")
    (folder / "link.py").symlink_to(tmp_path / "secret.txt")
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "huge").write_bytes(b"x" * (MOST_BYTES + 1))
    names = ("sub/a.py", "link.py", "../secret.txt", "binary", "huge", "gone.py", "a\0b", "\ud800", "inline.py")
    changes = tuple(FileChange(path=name, kind="modified", text="new") for name in names)
    run = make_run(tasks=("read", "write"))
    tasks = (structs.replace(run.tasks[0], workspace=str(folder), files={"inline.py": "inline"}), run.tasks[1])
    found = with_originals(structs.replace(run, tasks=tasks), [make_record(changes=changes)])
    assert found.tasks[0].files == {"sub/a.py": "old", "inline.py": "inline"}
    assert found.tasks[1] == tasks[1]
