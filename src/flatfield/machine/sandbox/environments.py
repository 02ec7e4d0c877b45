"""Copies what a project's environment has installed, for sandboxed commands to import: as files, nothing is run."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.errors import FlatfieldError, NotFound
from flatfield.machine.sandbox.interpreter import LIMIT_BYTES, LIMIT_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

BESIDE = (".venv", "venv", "env")
"""What environments are called that lie beside a repository's files."""
MARK = "pyvenv.cfg"
NODE = "node_modules"
_VERSION = re.compile(r"python(\d+)\.(\d+)")
_LEFT_OUT = re.compile(
    r"__pycache__|__editable__.*|.*\.pth|.*\.egg-link|_virtualenv\.py|_distutils_hack|(?:pip|uv|wheel)(?:-.*\.dist-info)?"
    r"|bin"
)
"""What an environment has for itself; links to a project's own files are obeyed by nobody that imports the copy."""
_UNSTEADY = frozenset({"randomly", "random_order", "random-order"})
"""Plugins of pytest, by their own names, that change the order of cases from one run to the next."""


_REQUIRES = re.compile(r"(?m)^Requires-Dist: *([\w.-]+)(.*)$")


class CopiedPackages(Struct, frozen=True, kw_only=True):
    """What was copied: the Python that it was installed for, "" where nothing says, and pytest's plugins, by module."""

    python: str = ""
    plugins: tuple[str, ...] = ()


def find_packages(named: Path | None, top: Path) -> Path | None:
    """The folder of packages of an environment: the one that is named, else one that lies beside the repository.

    Raises:
        NotFound: what is named is no environment, and no folder of packages either.
    """
    if named is None:
        there = (top / name for name in BESIDE)
        return next((site for each in there if (each / MARK).is_file() and (site := _site(each))), None)
    folder = named.expanduser()
    if not folder.is_dir():
        raise NotFound(f"there is no folder {named}; name an environment (.venv) or a folder of packages with --env")
    site = _site(folder)
    if site is None and (folder / MARK).is_file():
        raise NotFound(f"the environment {named} holds no packages; install what the tests need into it")
    return site or folder


def _site(folder: Path) -> Path | None:
    """The packages of an environment; None where the folder is none."""
    found = [path for path in folder.glob("lib/python*/site-packages") if _VERSION.fullmatch(path.parent.name)]
    return max(found, key=lambda path: _python(path) or (), default=None)


def _python(site: Path) -> tuple[int, int] | None:
    version = _VERSION.fullmatch(site.parent.name)
    return (int(version[1]), int(version[2])) if version else None


def copy_packages(
    site: Path, target: Path, *, words: Collection[str], without: Collection[str], project: str
) -> CopiedPackages:
    """Copy to a new folder the packages that `words` name, and what these require.

    `words` are all those of the project's files: a package is named by what it is called, or by one of its modules.
    Neither the modules `without` are copied, nor what says that `project` is installed.

    Raises:
        FlatfieldError: they are too large, or cannot be read.
    """
    python = _python(site)
    own = frozenset(_own(site, project))
    wanted = _wanted(site, words)
    names = [name for name in sorted(path.name for path in site.iterdir()) if not _LEFT_OUT.fullmatch(name)]
    names = [name for name in names if wanted(name)]
    kept = [name for name in names if name not in own and name.partition(".")[0] not in without]
    try:
        _check_size(site, kept)
        target.mkdir(parents=True)
        for name in kept:
            if (site / name).is_dir() and not (site / name).is_symlink():
                shutil.copytree(site / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            elif (site / name).is_file() and not (site / name).is_symlink():
                shutil.copyfile(site / name, target / name)
    except (OSError, shutil.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)[:200]
        raise FlatfieldError(f"the packages of {site} cannot be copied: {why}; mend that, or name others") from error
    version = f"{python[0]}.{python[1]}" if python else ""
    return CopiedPackages(python=version, plugins=tuple(_plugins(target)))


class _Installed(Struct, frozen=True, kw_only=True):
    """One distribution: what lies in the folder of packages because of it, and what it requires, by normal names."""

    entries: frozenset[str]
    requires: frozenset[str]


def _wanted(site: Path, words: Collection[str]) -> Callable[[str], bool]:
    """Which entries of the folder are needed: those of named distributions and of what they require, and named ones."""
    named = frozenset(words)
    normal = frozenset(map(_normal, words))
    there = {_named(about): _installed(about) for about in site.glob("*.dist-info")}
    waiting = [name for name, one in there.items() if name in normal or named & set(map(_module, one.entries))]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in there and name not in reached:
            reached.add(name)
            waiting += there[name].requires
    kept = frozenset(entry for name in reached for entry in there[name].entries)
    known = frozenset(entry for one in there.values() for entry in one.entries)
    return lambda entry: entry in kept or (entry not in known and _module(entry) in named)


def _named(about: Path) -> str:
    return _normal(about.name.removesuffix(".dist-info").rpartition("-")[0])


def _module(entry: str) -> str:
    """The module that an entry of a folder of packages is; of what describes one, no module."""
    return "" if entry.endswith(("-info", ".data", ".libs")) else entry.partition(".")[0]


def _installed(about: Path) -> _Installed:
    entries = {about.name}
    with suppress(OSError):
        lines = (about / "RECORD").read_text(errors="replace").splitlines()
        tops = (line.partition(",")[0].partition("/")[0].strip('"') for line in lines)
        entries.update(top for top in tops if top not in {"", "..", "__pycache__", "bin"})
    requires: set[str] = set()
    with suppress(OSError):
        head = (about / "METADATA").read_text(errors="replace").partition("\n\n")[0]
        requires = {_normal(match[1]) for match in _REQUIRES.finditer(head) if "extra" not in match[2]}
    return _Installed(entries=frozenset(entries), requires=frozenset(requires))


def _own(site: Path, project: str) -> Iterator[str]:
    """What says of itself that it is the project, by its name, or that it was installed from a folder to be edited."""
    for about in site.glob("*.dist-info"):
        name = about.name.removesuffix(".dist-info").rpartition("-")[0]
        if _normal(name) == _normal(project) or _is_editable(about):
            yield about.name
    for about in site.glob("*.egg-info"):
        if _normal(about.name.removesuffix(".egg-info").partition("-")[0]) == _normal(project):
            yield about.name


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_editable(about: Path) -> bool:
    try:
        return bool(json.loads((about / "direct_url.json").read_text()).get("dir_info", {}).get("editable"))
    except (OSError, ValueError, AttributeError):
        return False


def _check_size(site: Path, names: list[str]) -> None:
    size, count, largest = 0, 0, ("", 0)
    for name in names:
        own = 0
        for parent, _, files in os.walk(site / name):
            own += sum(Path(parent, file).lstat().st_size for file in files)
            count += len(files)
        size += own
        largest = max(largest, (name, own), key=lambda each: each[1])
    if size > LIMIT_BYTES or count > LIMIT_FILES:
        raise FlatfieldError(
            f"the packages of {site} are more than {LIMIT_BYTES / 1e6:,.0f} MB or {LIMIT_FILES:,} files (the largest: "
            f"{largest[0]}); make an environment of what the tests need, and name it with --env DIR"
        )


def _plugins(folder: Path) -> Iterator[str]:
    """The modules of pytest's plugins among the packages: it is told of each, because it looks for none by itself."""
    for file in sorted(folder.glob("*.dist-info/entry_points.txt")):
        parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
        try:
            parser.read_string(file.read_text(errors="replace"))
        except configparser.Error:
            continue
        if parser.has_section("pytest11"):
            named = parser.items("pytest11")
            yield from (module.partition(":")[0].strip() for name, module in named if name not in _UNSTEADY)


def describe_project(target: Path, name: str, version: str, points: Mapping[str, Mapping[str, str]]) -> None:
    """Say in a folder of packages that a project is installed, as its code asks for its version and its entry points.

    Raises:
        OSError: it cannot be written.
    """
    about = target / f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = (line for group, entries in points.items() for line in (f"[{group}]", *map(" = ".join, entries.items())))
    (about / "entry_points.txt").write_text("".join(f"{line}\n" for line in lines))
