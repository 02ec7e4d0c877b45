"""What `eval` and `plan` are asked for: files and options become a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Run
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILES", show_default=False, help="LOPs, and a HOP: Markdown files, folders, suite:NAME."),
]
Agents = Annotated[
    str | None, typer.Option(metavar="A,B", help="Names, globs or PROVIDER:MODEL[@URL]; replaces every roster.")
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Makes generated tasks and shuffles trials (else 0).")
]
Judge = Annotated[str | None, typer.Option(metavar="A,B", help="Agents that grade what has a rubric.")]


def asked_run(
    files: Sequence[str], project: Project, access: Access, chosen: dict[str, object], arguments: Sequence[str]
) -> Run:
    """The new run that files and options ask for.

    Raises:
        FlatfieldError: no files, no tasks in them, mistakes in them, or agents that are not configured.
        NotTrusted: a task is made by a function that may not be run.
    """
    from msgspec import structs

    from flatfield.clock import SystemClock
    from flatfield.records import Evaluation
    from flatfield.runs.order import new_run
    from flatfield.tasks.loading import load

    if not files:
        raise FlatfieldError("name what to evaluate: LOP files, folders, or suite:basic")
    seed = chosen.get("seed")
    loaded = load(files, Path.cwd(), seed if isinstance(seed, int) else None, access=access)
    notes((*project.notes, *loaded.notes))
    if not loaded.tasks:
        raise FlatfieldError(f"there is no LOP in {', '.join(files)}: a HOP needs at least one task to evaluate")
    evaluation = structs.replace(loaded.evaluation or Evaluation(title=", ".join(files)), **chosen, typed=tuple(chosen))
    tasks = loaded.tasks
    if "repeats" in chosen:
        tasks = tuple(structs.replace(task, repeats=None) for task in tasks)
    command_line = shlex.join(["flatfield", *arguments])
    return new_run(evaluation, tasks, project.roster, SystemClock().utc(), command=command_line)
