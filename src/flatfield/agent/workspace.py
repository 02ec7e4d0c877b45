"""Where one trial works: a fresh copy of the task's files, what was in it before, and what the agent changed."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.agent.files.changed import ALL_TEXT_LIMIT_BYTES, CACHES, TEXT_LIMIT_BYTES
from flatfield.agent.files.confined import ConfinedFiles, Entry
from flatfield.agent.files.copying import copy, plan_copy
from flatfield.errors import NotFound, ToolError
from flatfield.machine.protocols import SandboxLimits
from flatfield.records import FileChange

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flatfield.machine.protocols import Sandbox
    from flatfield.records import Task

SANDBOX_ROOT = "/workspace"  # what `pwd` prints in the sandbox, so that a model may call the root by this name
RACY_NANOSECONDS = 100_000_000  # ten ticks of the coarsest clock that file systems stamp with


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The folder that one agent works in and the ways it may touch it; `sandbox` None: no commands."""

    root: Path
    files: ConfinedFiles
    sandbox: Sandbox | None = None
    command_limits: SandboxLimits = field(default_factory=SandboxLimits)


def open_workspace(
    root: Path, *, sandbox: Sandbox | None = None, command_limits: SandboxLimits | None = None
) -> Workspace:
    """A workspace in any folder, without copying it; the caller closes its `files`.

    Raises:
        NotFound: there is no such folder.
    """
    names = (SANDBOX_ROOT,) if sandbox else ()
    try:
        files = ConfinedFiles(root, names=names, owner=sandbox.user if sandbox else None)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no folder {root}; name one that exists") from None
    return Workspace(root=root, files=files, sandbox=sandbox, command_limits=command_limits or SandboxLimits())


def prepare(task: Task, source_folder: Path, parent: Path) -> tuple[Path, tuple[str, ...]]:
    """A fresh copy of the task's files in a new folder under `parent`, and notes on what was left out.

    `source_folder` is what a plain LOP is given a copy of. Where one task has many trials, `plan_copy` it once and
    `copy` the plan for each.

    Raises:
        FlatfieldError: too large, not there, or it cannot be copied.
    """
    plan = plan_copy(task, source_folder, exclude=(parent,))
    return copy(plan, parent), plan.notes


# ---------------------------------------------------------------------------- before and after


class FileState(Struct, frozen=True, kw_only=True):
    """A file at one moment; `digest` is the SHA-256 in hex of a file, `link:TARGET` of a link, else `other`.

    `stamp`: what the file system says of it, its times among that, in nanoseconds: while it is the same, so is the
    file.
    """

    size_bytes: int
    digest: str
    stamp: tuple[int, ...] = ()


class Snapshot(Struct, frozen=True, kw_only=True):
    """All files of a workspace at one moment, by path; `taken` in Unix nanoseconds."""

    files: dict[str, FileState]
    taken: int = 0


def snapshot(files: ConfinedFiles, known: Mapping[str, str] | None = None) -> Snapshot:
    """What is in the workspace now, caches left out.

    Reads every file, about 20 µs each and 1 s per GB, but for those of which the caller knows the digest: `known`, by
    path, is of a workspace where nobody has worked yet.
    """
    taken, known = time.time_ns(), known or {}
    return Snapshot(
        files={entry.path: _state(files, entry, known.get(entry.path)) for entry in _files(files)}, taken=taken
    )


def changes(before: Snapshot, files: ConfinedFiles, *, only_looked: bool = False) -> tuple[FileChange, ...]:
    """What was added, modified or deleted since, sorted by path; a file rewritten with the same bytes is none of them.

    `only_looked`: nobody did anything since that writes, so that a file with the same stamp need not be read, however
    new it is.

    The text of an added or modified UTF-8 file is given up to 64 KiB each and 1 MiB together. Names that are not
    UTF-8 are shown with U+FFFD.
    """
    found = []
    room = ALL_TEXT_LIMIT_BYTES
    after = {entry.path: entry for entry in _files(files)}
    for path in sorted(before.files.keys() | after.keys()):
        kind = _kind(before, path, files, after.get(path), only_looked=only_looked)
        if kind is None:
            continue
        size = after[path].size_bytes if path in after else 0
        text = _text(files, after[path], min(room, TEXT_LIMIT_BYTES)) if kind != "deleted" else None
        room -= size if text is not None else 0
        found.append(FileChange(path=_shown(path), kind=kind, size_bytes=size, text=text))
    return tuple(found)


def _files(files: ConfinedFiles) -> list[Entry]:
    entries = files.walk(skip=CACHES)
    return [entry for entry in entries if entry.kind != "folder"]


def _kind(
    before: Snapshot, path: str, files: ConfinedFiles, entry: Entry | None, *, only_looked: bool
) -> Literal["added", "modified", "deleted"] | None:
    old = before.files.get(path)
    if entry is None:
        return "deleted"
    if old is None:
        return "added"
    settled = len(old.stamp) > 0 and (only_looked or old.stamp[-1] < before.taken - RACY_NANOSECONDS)
    if settled and old.stamp == entry.stamp:  # a change within the clock's tick would not show in the stamp
        return None
    return "modified" if _state(files, entry).digest != old.digest else None


def _state(files: ConfinedFiles, entry: Entry, known: str | None = None) -> FileState:
    digest = "other"
    if known is not None and entry.kind == "file":
        digest = known
    elif entry.kind == "link":
        digest = f"link:{entry.target}"
    elif entry.kind == "file":
        try:
            with open(files.open_file(entry.path), "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except (OSError, ToolError):  # locked or swapped meanwhile: known by its size only
            digest = f"unreadable:{entry.size_bytes}"
    return FileState(size_bytes=entry.size_bytes, digest=digest, stamp=entry.stamp)


def _text(files: ConfinedFiles, entry: Entry, limit_bytes: int) -> str | None:
    if entry.kind != "file" or entry.size_bytes > limit_bytes:
        return None
    try:
        return files.read_bytes(entry.path, limit_bytes=limit_bytes).decode()
    except (OSError, ToolError, UnicodeDecodeError):  # locked, swapped or binary
        return None


def _shown(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")
