"""Finds the one file that adds a provider, tool, verifier, report, importer or wire of the test kit, by its name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from flatfield.errors import NotFound, NotReady
from flatfield.records import ReportTraits, ToolTraits, Traits, VerifierTraits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint
    from types import ModuleType

KINDS = {
    "provider": "flatfield.vendors",
    "tool": "flatfield.agent.tools",
    "verifier": "flatfield.scoring.verifiers",
    "report": "flatfield.faces.reports",
    "importer": "flatfield.tasks.importers",
    "reader": "flatfield.evidence.readers",
    "wire": "flatfield.testing.wires",
}


SHARED = "base"
"""The file that a folder's others share; no name of anything."""


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind, our own files and third parties' entry points, sorted, without importing any of them.

    They are looked up once in a process: what is installed while it runs may need a restart, of an MCP server too.
    """
    return tuple(known(kind))


def load(kind: str, name: str) -> ModuleType:
    """The module that implements `name`.

    That there is none is never remembered: a name which is not among those of the first look is looked up again.

    Raises:
        NotFound: there is none; the message lists what there is.
        NotReady: a third party's cannot be imported, or a library that one of ours needs is not installed.
    """
    if name not in known(kind):
        look_again()
    if name not in known(kind):
        called = provider_called(name) if kind == "provider" else None
        meant = called or next(iter(get_close_matches(name, known(kind), n=1)), None)
        hint = f" (did you mean {meant!r}?)" if meant else ""
        raise NotFound(f"there is no {kind} {name!r}{hint}; there are: {', '.join(known(kind))}")
    return _imported(kind, name)


@cache
def _imported(kind: str, name: str) -> ModuleType:
    """The module of a known name. Remembered: the import system takes 4 µs, and each turn asks several times."""
    point = known(kind)[name]
    try:
        module: ModuleType
        module = point.load() if point else importlib.import_module(f"{KINDS[kind]}.{name.replace('-', '_')}")
    except (ImportError, AttributeError) as error:
        place = f" of {point.value}" if point else ""
        raise NotReady(f"the {kind} {name!r}{place} cannot be imported: {error}; install what it needs") from error
    return module


def traits_of(provider: str) -> Traits:
    """What the vendor behind a provider's name states about itself; of one that states nothing, what holds for most.

    Raises:
        NotFound: there is no such provider.
        NotReady: it cannot be imported.
    """
    found = getattr(load("provider", provider), "TRAITS", None)
    return found if isinstance(found, Traits) else Traits(name=provider)


def traits_or_usual(provider: str) -> Traits:
    """What a vendor states about itself; of one that is not there, or cannot be imported, what holds for most.

    A record may name such a one: what was measured with it stays readable.
    """
    return traits_of(provider) if vendor_if_there(provider) is not None else Traits(name=provider)


def vendor_if_there(provider: str) -> ModuleType | None:
    """The package of a vendor, found by its provider's name; None where there is none, or it cannot be imported."""
    if provider not in known("provider"):
        return None
    try:
        return load("provider", provider)
    except NotReady:
        return None


def all_traits() -> tuple[Traits, ...]:
    """What each vendor that can be imported states about itself, in the order of their names."""
    found: list[Traits] = []
    for provider in names("provider"):
        with suppress(NotReady):
            found.append(traits_of(provider))
    return tuple(found)


def provider_called(name: str) -> str | None:
    """The provider that is also called so, by its vendor's own word; None when none is."""
    return next((traits.name for traits in all_traits() if name.strip().lower() in traits.other_names), None)


def tool_traits(name: str) -> ToolTraits:
    """What a tool states about itself; the same as of one that states nothing where it is not there."""
    found = _stated("tool", name)
    return found if isinstance(found, ToolTraits) else ToolTraits()


def verifier_traits(kind: str) -> VerifierTraits:
    """What a verifier states about itself; the same as of one that states nothing where it is not there.

    Stored checks name verifiers which may have been taken away since: grading asks for each of them.
    """
    found = _stated("verifier", kind)
    return found if isinstance(found, VerifierTraits) else VerifierTraits()


def report_traits(name: str) -> ReportTraits:
    """What a report format states about itself; the same as of one that states nothing where it is not there."""
    found = _stated("report", name)
    return found if isinstance(found, ReportTraits) else ReportTraits()


@cache
def default_tools() -> tuple[str, ...]:
    """The tools of a task that names none, in their order.

    Only our own: what somebody happens to have installed changes no task for them.

    Raises:
        NotReady: one of ours cannot be imported; none is left out for that.
    """
    own = [name for name, point in known("tool").items() if point is None]
    for name in own:
        load("tool", name)
    placed = [(place, name) for name in own if (place := tool_traits(name).default_place) is not None]
    return tuple(name for _, name in sorted(placed))


@cache
def file_writer() -> str:
    """The tool that writes a whole file, which solutions are played with."""
    return next(name for name in default_tools() if tool_traits(name).content_argument)


@cache
def command_runner() -> str:
    """Our own tool that runs commands, which solutions do with what no text is."""
    own = (name for name, point in known("tool").items() if point is None)
    return next(name for name in own if tool_traits(name).command_argument)


def look_again() -> None:
    """Forget what was found: the next call looks at what is installed by then."""
    for remembered in (known, _imported, _stated, default_tools, file_writer, command_runner):
        remembered.cache_clear()
    importlib.invalidate_caches()  # what was installed a moment ago is found in its folder, too


@cache
def _stated(kind: str, name: str) -> object:
    """The traits of a part's module, None where it has none.

    Remembered, also that there is no such part: a look at all that is installed takes milliseconds.
    """
    if name not in known(kind):
        return None
    try:
        return getattr(load(kind, name), "TRAITS", None)
    except Exception:  # noqa: BLE001 - a third party's file may raise anything; what is stored stays readable all the same
        return None


@cache
def known(kind: str) -> Mapping[str, EntryPoint | None]:
    """Each name of a kind, sorted, with the entry point that adds it; None stands for a file of our own.

    A package of our own whose name is not the one that users write has an entry point that gives that.

    Cached, because `entry_points` reads what all installed distributions say of themselves: some milliseconds, which
    every trial would pay on the event loop that times the others. `look_again()` makes the next call look again.
    """
    theirs: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"flatfield.{kind}s"):
        theirs.setdefault(point.name, point)
    renamed = {point.value for point in theirs.values()}
    package = importlib.util.find_spec(KINDS[kind])
    folders = package.submodule_search_locations if package else None
    separator = "_" if kind == "tool" else "-"
    found: dict[str, EntryPoint | None] = {}
    for module in pkgutil.iter_modules(folders):
        is_shared = module.name.startswith("_") or module.name == SHARED
        if not is_shared and f"{KINDS[kind]}.{module.name}" not in renamed:
            found[module.name.replace("_", separator)] = None
    return MappingProxyType(dict(sorted((found | theirs).items())))
