"""What files held before agents changed them, so that a judge can be shown what was changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Run, Task, TrialRecord

MOST_BYTES = 64 * 1024


def with_originals(run: Run, trials: Sequence[TrialRecord]) -> Run:
    """The run, whose tasks' `files` hold also what modified files of their workspace folders were before.

    Files that are no UTF-8 text or larger than MOST_BYTES are left out, and so are folders that are gone: where the
    text before is not known, a judge sees the file as it is now. Reads files; raises nothing.
    """
    changed: dict[str, set[str]] = {}
    for trial in trials:
        changed.setdefault(trial.task, set()).update(each.path for each in trial.changes if each.kind == "modified")
    return structs.replace(run, tasks=tuple(_with_originals(task, changed.get(task.id, set())) for task in run.tasks))


def _with_originals(task: Task, paths: set[str]) -> Task:
    if task.workspace is None:
        return task
    return structs.replace(task, files=dict(_texts(Path(task.workspace).resolve(), paths)) | task.files)


def _texts(folder: Path, paths: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(paths):
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file() and path.stat().st_size <= MOST_BYTES:
                yield name, path.read_text(encoding="utf-8")
        except (OSError, ValueError):  # ValueError: a name with a NUL, or no UTF-8
            continue
