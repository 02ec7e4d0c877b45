"""The store of a project's runs, the same for every face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.errors import NotFound

if TYPE_CHECKING:
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project


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
