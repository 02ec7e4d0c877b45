"""The store of a project's runs, as the server's tools and resources read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from flatfield.tasks.project import Project


def store_of(project: Project) -> Store:
    """The store beside the project's flatfield.toml."""
    return Store(project.folder / ".flatfield")
