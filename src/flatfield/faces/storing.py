"""What every face opens of a project: the store of its runs, what is taken over into it, and what is open to agents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError, NotFound, NotTrusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Imported
    from flatfield.runs.store.store import Store
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project


AT_ONCE = 500
"""So many trials are handed to the store at a time: those that wait together become one write."""


def store_of(project: Project) -> Store:
    """The store of a project's runs.

    Raises:
        NotFound: `.flatfield` is there, but is no folder.
    """
    from flatfield.runs.store.store import Store

    folder = project.data
    if folder.exists() and not folder.is_dir():
        raise NotFound(f"{folder} is not a folder: runs are stored in it; move it away")
    return Store(folder)


async def save_imported(store: Store, imported: Imported) -> None:
    """Store a run of others', its trials and verdicts, unless they are there already.

    Raises:
        StoreError: the store cannot be written.
    """
    async with store:
        if imported.run.id not in {summary.id for summary in store.runs()}:
            await store.save_run(imported.run)
        for start in range(0, len(imported.trials), AT_ONCE):
            await asyncio.gather(*map(store.save_trial, imported.trials[start : start + AT_ONCE]))
        await store.save_verdicts(imported.verdicts)


# What a user opened to agents that work in a folder of theirs, the same for every face.


def allowed(project: Project, given: Sequence[str], access: Access) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths of `--allow`, relative to the workspace, and those of a trusted project, absolute; and notes.

    Raises:
        FlatfieldError: one of `given` names nothing, or cannot be a path.
    """
    for path in given:
        if not path.strip() or "\0" in path:
            raise FlatfieldError(f"--allow {path!r} names nothing: write a path in the workspace, such as AGENTS.md")
    if not project.allow:
        return tuple(given), ()
    from flatfield.tasks.access import Want, project_of

    names = ", ".join(project.allow)
    want = Want(folder=str(project_of(project.folder.resolve())), what=f"open {names} to agents", detail=names)
    try:
        access.allow((want,))
    except NotTrusted as error:
        return tuple(given), (f"`allow` of flatfield.toml opens nothing: {error}",)
    return (*given, *(str(project.folder / path) for path in project.allow)), ()
