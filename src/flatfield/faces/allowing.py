"""What a user opened to agents that work in a folder of theirs, the same for every face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.tasks.project import Project


def allowed(project: Project, given: Sequence[str]) -> tuple[str, ...]:
    """The paths of `--allow`, relative to the workspace, and the project's own, which become absolute.

    Raises:
        FlatfieldError: one of `given` names nothing, or cannot be a path.
    """
    for path in given:
        if not path.strip() or "\0" in path:
            raise FlatfieldError(f"--allow {path!r} names nothing: write a path in the workspace, such as AGENTS.md")
    return (*given, *(str(project.folder / path) for path in project.allow))
