"""Finds the one file that adds a provider, tool, verifier, report or importer, by its name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from flatfield.errors import NotFound, NotReady

if TYPE_CHECKING:
    from types import ModuleType

KINDS = {
    "provider": "flatfield.agent.providers",
    "tool": "flatfield.agent.tools",
    "verifier": "flatfield.scoring.verifiers",
    "report": "flatfield.faces.reports",
    "importer": "flatfield.tasks.importers",
}


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind, our own files and third parties' entry points, without importing any of them."""
    package = importlib.util.find_spec(KINDS[kind])
    folders = package.submodule_search_locations if package else None
    own = {module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_")}
    separator = "_" if kind == "tool" else "-"
    theirs = {point.name for point in entry_points(group=f"flatfield.{kind}s")}
    return tuple(sorted({name.replace("_", separator) for name in own} | theirs))


def load(kind: str, name: str) -> ModuleType:
    """The module that implements `name`.

    Raises:
        NotFound: there is none; the message lists what there is.
        NotReady: a third party's cannot be imported, or a library that one of ours needs is not installed.
    """
    known = names(kind)
    if name not in known:
        raise NotFound(f"there is no {kind} {name!r}; there are: {', '.join(known)}")
    point = next(iter(entry_points(group=f"flatfield.{kind}s", name=name)), None)
    try:
        module: ModuleType
        module = point.load() if point else importlib.import_module(f"{KINDS[kind]}.{name.replace('-', '_')}")
    except (ImportError, AttributeError) as error:
        place = f" of {point.value}" if point else ""
        raise NotReady(f"the {kind} {name!r}{place} cannot be imported: {error}; install what it needs") from error
    return module
