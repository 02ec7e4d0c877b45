"""Lists what a folder holds: what git tracks or does not ignore, or everything."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from flatfield.children.starting import with_mark
from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GIT_SECONDS = 120
KEPT_VARIABLES = re.compile(
    r"PATH|HOME|XDG_CONFIG_HOME|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|PARAMETERS|COUNT|(KEY|VALUE)_\d+)"
)
"""Where git is, and this user's own settings: what is ignored everywhere, which folders of others are safe; also those
of `git -c`, which git hands to its hooks and aliases so, and puts before those of our own `-c`, which win. What says
where a repository is, as git's hooks are told, is not kept: it is another one."""


def in_git(folder: Path) -> bool:
    """Whether the folder, or one above it, is a git repository's."""
    return any((above / ".git").exists() for above in (folder, *folder.parents))


_NOT_CHECKED_OUT = "S"

HARMLESS = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit"),
    *("-c", "protocol.allow=never", "-c", "core.pager=cat", "--no-pager", "--no-replace-objects"),
)
CLOSED = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
}
"""The repository's own configuration is read, and may be anybody's: no program that it names is to run. A repository
with a promisor remote fetches what is missing by a program of its choice, even while it lists files: no protocol is
allowed, whatever it says. A bare repository among the files of another is none."""


def git_files(folder: Path) -> tuple[str, ...] | None:
    """What git tracks or does not ignore, sorted, submodules included; empty folders end in `/`.

    A submodule that was never fetched is such a folder; `git_missing` tells it apart. None without git or a repository.

    Raises:
        FlatfieldError: git refuses; the message is git's own, which names the fix.
    """
    listed = _git(folder, "-co")
    if listed is None:
        return None
    found: set[str] = set()
    for path in listed:
        name = path.rstrip("/")
        inner = folder / name
        if inner.is_symlink() or not inner.is_dir():
            found.add(name)
        elif (inner / ".git").exists():  # a submodule, or a repository of its own
            found.update(f"{name}/{below}" for below in git_files(inner) or ())
        else:  # a submodule that was never fetched
            found.add(f"{name}/")
    for path in _git(folder, "-o", "--directory") or ():
        if path.endswith("/") and not (folder / path / ".git").exists():
            found.update(_empty_folders(folder, path.rstrip("/")))
    return tuple(sorted(found))


def git_missing(folder: Path) -> tuple[str, ...]:
    """The submodules that were never fetched: folders with nothing in them."""
    tracked = {path for path in _git(folder, "-c") or () if (folder / path).is_dir()}
    return tuple(sorted(path for path in tracked if not any((folder / path).iterdir())))


def git_sparse(folder: Path) -> tuple[str, ...]:
    """The tracked files that are not there because the repository is checked out in part."""
    tagged = (line.partition(" ") for line in _git(folder, "-t") or ())
    return tuple(
        sorted(path for tag, _, path in tagged if tag == _NOT_CHECKED_OUT and not os.path.lexists(folder / path))
    )


def _empty_folders(folder: Path, path: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder / path):
        if not folders and not names:
            yield f"{os.path.relpath(at, folder)}/"


def git_ignored(folder: Path) -> tuple[str, ...]:
    """What git ignores, whole folders as one name ending in `/`."""
    return _git(folder, "-oi", "--directory") or ()


def all_files(folder: Path, skip: Callable[[str], bool]) -> Iterator[str]:
    """Everything below the folder, links not followed; empty folders end in `/`. What `skip` names is not entered.

    Raises:
        OSError: a folder in it cannot be read.
    """
    for at, folders, names in os.walk(folder, onerror=_unread):
        inside = os.path.relpath(at, folder)
        prefix = "" if inside == "." else f"{inside}/"
        links = [name for name in folders if (folder / prefix / name).is_symlink()]
        skipped = [name for name in folders if name not in links and skip(prefix + name)]
        folders[:] = sorted(set(folders).difference(links, skipped))
        yield from (prefix + name for name in sorted([*names, *links, *skipped]))
        if prefix and not (folders or names or links or skipped):
            yield prefix


def _unread(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # gone meanwhile
        raise error


def _git(folder: Path, *options: str) -> tuple[str, ...] | None:
    kept = {name: value for name, value in os.environ.items() if KEPT_VARIABLES.fullmatch(name)}
    command = ("git", *HARMLESS, "ls-files", *options, "--exclude-standard", "-z")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=with_mark({**kept, **CLOSED}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise FlatfieldError(f"git took more than {GIT_SECONDS} s to list {folder}; name a smaller folder") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        if "not a git repository" in said:  # something else is called .git
            return None
        raise FlatfieldError(f"git cannot list {folder} ({said}); do what git says, or give the LOP a `workspace:`")
    return tuple(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
