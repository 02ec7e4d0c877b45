"""What one agent's own calls changed in a user's own folder; others work there too, and theirs is not among it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from flatfield.agent.files.guarding import LOOKING
from flatfield.records import FileChange

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


CACHES = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".cache"})
"""What commands leave behind without being asked: no part of an agent's work."""
TEXT_LIMIT_BYTES = 64 * 1024
ALL_TEXT_LIMIT_BYTES = 1024**2


class State(Struct, frozen=True, kw_only=True):
    """A file at one moment; `digest` is the SHA-256 of its bytes in hex, "" where nobody looked at them."""

    size_bytes: int = 0
    digest: str = ""
    text: str | None = None


class CodeWitness(Protocol):
    """Who remembers the code that an agent writes, so that nobody runs it unasked, whatever ends this process."""

    def writes(self, path: str, data: bytes) -> None:
        """A file is about to be written; `path` is relative to the workspace."""
        ...

    def begins(self) -> str:
        """A command, or a program, is about to write unseen; the mark to settle."""
        ...

    def settle(self, mark: str, paths: Collection[str]) -> None:
        """All that was written under a mark is known: these files."""
        ...


class Nobody:
    """A witness where nothing is trusted, and so nothing has to be remembered."""

    def writes(self, path: str, data: bytes) -> None:
        """Forget it."""

    def begins(self) -> str:
        """No mark."""
        return ""

    def settle(self, mark: str, paths: Collection[str]) -> None:
        """Forget it."""


class Beside:
    """What the agents of one process last wrote with calls of their own, by path: no command beside them did that."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[int, object, State | None]] = {}
        self._count = 0

    @property
    def count(self) -> int:
        """How often something was written until now."""
        return self._count

    def wrote(self, path: str, writer: object, after: State | None) -> None:
        """Somebody left a path so."""
        self._count += 1
        self._written[path] = (self._count, writer, after)

    def is_anothers(self, path: str, writer: object, since: int, now: State | None) -> bool:
        """Whether a path is as somebody else left it after so many writings."""
        number, other, after = self._written.get(path, (0, writer, None))
        if number <= since or other is writer:
            return False
        if after is None or now is None:
            return after is now
        return after.size_bytes == now.size_bytes and (not now.digest or after.digest == now.digest)


class Changed:
    """Collects what each call did to a path, and says in the end what came of all of them.

    Texts are kept up to 64 KiB each and 1 MiB together. `beside` is shared with those who work at the same time, `root`
    is the folder that paths are relative to.
    """

    def __init__(self, witness: CodeWitness | None = None, beside: Beside | None = None, root: str = "") -> None:
        self.witness = witness or Nobody()
        self._beside = beside or Beside()
        self._root = root
        self._first: dict[str, State | None] = {}
        self._last: dict[str, State | None] = {}
        self._room = ALL_TEXT_LIMIT_BYTES

    @property
    def moment(self) -> int:
        """Now, for `note_unseen`."""
        return self._beside.count

    def note(self, path: str, before: State | None, after: State | None) -> None:
        """A call of the agent's own found a path so, and left it so; None: nothing is there. Caches are left out."""
        self._beside.wrote(f"{self._root}/{path}", self, after)
        self._note(path, before, after)

    def note_unseen(self, path: str, before: State | None, after: State | None, since: int) -> None:
        """A file changed while a command ran, since that moment: noted so, if it is not what another agent wrote."""
        if not self._beside.is_anothers(f"{self._root}/{path}", self, since, after):
            self._note(path, before, after)

    def _note(self, path: str, before: State | None, after: State | None) -> None:
        if not CACHES.isdisjoint(path.split("/")):
            return
        self._first.setdefault(path, before)
        self._room += _held(self._last.pop(path, None))
        if after is not None and _held(after) > self._room:
            after = State(size_bytes=after.size_bytes, digest=after.digest)
        self._room -= _held(after)
        self._last[path] = after

    def listed(self) -> tuple[FileChange, ...]:
        """What was added, modified or deleted, by path; with the same bytes as before it is none of them."""
        found = []
        for path, after in sorted(self._last.items()):
            if kind := _kind(self._first[path], after):
                size, text = (after.size_bytes, after.text) if after else (0, None)
                shown = os.fsencode(path).decode(errors="replace")
                found.append(FileChange(path=shown, kind=kind, size_bytes=size, text=text))
        return tuple(found)


def state_of(data: bytes, *, shown: bool) -> State:
    """The state of a file with this content; with its text where it may be shown, is UTF-8 and no more than 64 KiB."""
    text = None
    if shown and len(data) <= TEXT_LIMIT_BYTES:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
    return State(size_bytes=len(data), digest=hashlib.sha256(data).hexdigest(), text=text)


def state_in(folder: int, name: str) -> State | None:
    """The state of a file in an open folder, without its text; None where nothing is."""
    try:
        descriptor = os.open(name, LOOKING, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError:
        return State()
    with open(descriptor, "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
        info = os.fstat(descriptor)
        digest = hashlib.file_digest(stream, "sha256").hexdigest() if stat.S_ISREG(info.st_mode) else ""
    return State(size_bytes=info.st_size, digest=digest)


def files_at(folder: int, name: str) -> Iterator[tuple[str, State]]:
    """What would go with a name in an open folder: the file itself, or all below, by path from the folder on."""
    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(info.st_mode):
        yield name, state_in(folder, name) or State()
        return
    for place, folders, names, descriptor in os.fwalk(name, dir_fd=folder, follow_symlinks=False):
        for inner in (*names, *folders):
            found = os.stat(inner, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                yield f"{place}/{inner}", State(size_bytes=found.st_size)


def _held(state: State | None) -> int:
    return state.size_bytes if state is not None and state.text is not None else 0


def _kind(before: State | None, after: State | None) -> Literal["added", "modified", "deleted"] | None:
    if before is None or after is None:
        return None if before is after else "deleted" if before else "added"
    return None if before.digest and before.digest == after.digest else "modified"
