"""A project's own check on a copy of it: the environments that it needs, and its tests as they were.

A copy of a project has its sources. What its checks need beside these, such as a virtual environment, stays where it is
and is shown to commands, which cannot change it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from flatfield.agent.workspace import SANDBOX_ROOT
from flatfield.machine.protocols import SandboxLimits, Showing
from flatfield.machine.sandbox.interpreter import first_closed
from flatfield.scoring.verifying.verification import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.machine.protocols import CommandResult, Sandbox
    from flatfield.records import FileChange

CHECK_SECONDS = 600.0
"""How long such a check may take."""
SHOWN_CHARACTERS = 200
"""Of its last line."""
ENVIRONMENTS = (".venv", "venv", "node_modules", "target", "vendor", "build", ".tox", ".build", "_build", "deps")
"""Folders beside the sources in which projects keep what their checks need, and which no copy has."""
_PROGRAMS = (".venv/bin", "venv/bin", "node_modules/.bin")
_IS_TEST = re.compile(
    r"(^|/)(tests?|specs?|__tests__)/|(^|/)(test_[^/]*|[^/]*[._-](test|spec)s?\.[^/]+|conftest\.py)$", re.IGNORECASE
)
_CONFTEST = "conftest.py"


class OwnCheck(NamedTuple):
    """A project's check, ready to be run: the sandbox that shows what it needs, and the command line.

    `shown`: the names of the environments; `prefix` is what stands before the command as the user wrote it.
    """

    sandbox: Sandbox
    command: str
    shown: tuple[str, ...]
    prefix: str


def own_check(folder: Path, check: str, copied: Iterable[str], sandbox: Sandbox) -> OwnCheck:
    """The check of the project in `folder` for a copy of it, which holds the paths `copied`. Reads the disk."""
    user = sandbox.user
    shown = tuple(_environments(folder, {path.split("/")[0] for path in copied}, user))
    if shown and isinstance(sandbox, Showing):
        sandbox = sandbox.with_shown(shown)
    names = tuple(dict.fromkeys(path.name for path, _ in shown if path.parent == folder))
    prefix = _path_of(folder, shown, user)
    return OwnCheck(sandbox, f"{prefix}{check}", names, prefix)


def limits(seconds: float = CHECK_SECONDS) -> SandboxLimits:
    """What such a check may use; a second more of CPU than of time, so that it is the time that ends a busy loop."""
    return SandboxLimits(wall_seconds=seconds, cpu_seconds=int(seconds) + 1)


def ended(done: CommandResult) -> tuple[bool, str]:
    """Whether a command says that the work is good; how it ended, with its last line, which is the sum as a rule."""
    if done.exit_code is None:
        return False, f"it was stopped: {done.stopped or f'its time, {CHECK_SECONDS:g} s at most, was over'}"
    said = next((line.strip() for line in reversed(done.output.splitlines()) if line.strip()), "")
    return done.exit_code == 0, f"exit code {done.exit_code}{f': {said[:SHOWN_CHARACTERS]}' if said else ''}"


# ---------------------------------------------------------------------------- its tests


def is_test(path: str) -> bool:
    """Whether a file is one of a project's tests, by its path."""
    return _IS_TEST.search(path) is not None


def put_back(originals: Mapping[str, Path], files: ConfinedFiles, changes: Sequence[FileChange]) -> None:
    """Put test files back as they were before the work; a conftest.py that came with it goes.

    Raises:
        OSError: a file cannot be read or written.
    """
    for change in changes:
        if change.kind == "added" and posixpath.basename(change.path) == _CONFTEST:
            files.remove(change.path)
    if originals:
        place(originals, files, [change.path for change in changes])


# ---------------------------------------------------------------------------- what it needs beside the sources


def _environments(folder: Path, copied: set[str], user: int | None) -> Iterator[tuple[Path, str]]:
    """What is shown to the check, and where: at its own path, for what names it, and in the place where it belongs."""
    for name in ENVIRONMENTS:
        path = folder / name
        # A link may lead to anything of the user's: a folder that says so is not to be believed.
        if name in copied or path.is_symlink() or not path.is_dir() or first_closed(path, user) is not None:
            continue
        yield path, str(path)
        yield path, f"{SANDBOX_ROOT}/{name}"
        yield from _interpreter(path, user)


def _interpreter(venv: Path, user: int | None) -> Iterator[tuple[Path, str]]:
    """The Python that a virtual environment stands on, where it is not the system's."""
    python = venv / "bin" / "python"
    if not (venv / "pyvenv.cfg").is_file() or not python.exists():
        return
    prefix = python.resolve().parent.parent
    is_python = any((prefix / "lib").glob("python3*"))
    if is_python and not prefix.is_relative_to("/usr") and first_closed(prefix, user) is None:
        yield prefix, str(prefix)


def _path_of(folder: Path, shown: Sequence[tuple[Path, str]], user: int | None) -> str:
    """What stands before the check, so that programs of the environments are found first.

    Of a virtual environment whose Python the sandbox's user cannot reach, the packages can be imported all the same.
    """
    there = {path for path, _ in shown}
    places = [folder / part for part in _PROGRAMS if folder / part.split("/")[0] in there]
    found = [str(place) for place in places if place.is_dir() and _runs(place, user)]
    packages = [
        str(each)
        for place in places
        if not _runs(place, user)
        for each in sorted(place.parent.glob("lib/python3*/site-packages"))
    ]
    path = f"PATH={shlex.quote(':'.join(found))}:$PATH; " if found else ""
    return path + (f"export PYTHONPATH=$PYTHONPATH:{shlex.quote(':'.join(packages))}; " if packages else "")


def _runs(programs: Path, user: int | None) -> bool:
    """Whether the folder's programs can start: those of a virtual environment whose Python can be seen inside."""
    python = programs / "python"
    if not python.is_symlink():
        return True
    prefix = python.resolve().parent.parent
    return python.exists() and (prefix.is_relative_to("/usr") or first_closed(prefix, user) is None)
