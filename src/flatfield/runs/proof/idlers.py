"""Agents that do no work: what a task gives away to them, it gives away to everybody."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import SolutionStep
from flatfield.scoring.verifying.verification import wanted_paths
from flatfield.tasks.solution import writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.records import Task

COPIED_BYTES = 1024**2
"""No more of a workspace's text than this is answered and rewritten."""


def echoing(task: Task) -> Task:
    """The task as done by an agent that answers with the prompt."""
    return structs.replace(task, solution=(SolutionStep(answer=task.prompt),))


def copying(task: Task, plan: CopyPlan) -> Task:
    """The task as done by an agent that rewrites every text of the workspace as it is, and answers with all of them.

    It guesses well which files are wanted: those that a check names and the workspace has not are written too, empty.
    """
    texts = dict(_texts(plan))
    guessed = {path: "" for path in _guesses(task) if path not in plan.files}
    steps = (writing(path, text) for path, text in (texts | guessed).items())
    return structs.replace(task, solution=(*steps, SolutionStep(answer="\n".join(texts.values()))))


def _guesses(task: Task) -> Iterator[str]:
    """The files that checks look for; of a folder, some file in it."""
    for path in wanted_paths(task):
        yield posixpath.normpath(f"{path}empty" if path.endswith("/") else path)


def _texts(plan: CopyPlan) -> Iterator[tuple[str, str]]:
    room = COPIED_BYTES
    for path in plan.files:
        if path in plan.inline:
            continue
        file = Path(plan.source, path)
        try:
            text = file.read_bytes().decode() if file.stat().st_size <= room else None
        except (OSError, UnicodeDecodeError):  # not readable or no text: nothing to answer with
            continue
        if text is not None:
            room -= len(text.encode())
            yield path, text
    yield from ((path, text) for path, text in plan.inline.items() if len(text.encode()) <= room)
