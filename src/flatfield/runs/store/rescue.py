"""Keeps what the store could not take: as JSON lines in the temporary directory, taken in by a later command."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Rescue:
    """One process's file of unsaved lines; made with the first line, for its user's eyes only.

    The file stays locked while the process lives, so that no other process takes it in half-written.
    """

    def __init__(self, store: Path) -> None:
        self.path: Path | None = None
        self._store = store
        self._descriptor = -1

    def save(self, line: str) -> Path:
        """Append a line durably and say where.

        Raises:
            OSError: there is no room here either.
        """
        if self.path is None:
            self._descriptor, name = tempfile.mkstemp(prefix=_prefix(self._store), suffix=".jsonl")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self.path = Path(name)
        size_bytes = os.fstat(self._descriptor).st_size
        data = line.encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size_bytes)
            os.lseek(self._descriptor, size_bytes, os.SEEK_SET)
            raise
        return self.path

    def close(self, *, keep: bool) -> None:
        """Let go of the file; delete it unless its lines are still needed."""
        if self.path is None:
            return
        if not keep:
            with suppress(FileNotFoundError):
                self.path.unlink()
        os.close(self._descriptor)
        self.path = None


def leftovers(store: Path) -> tuple[Path, ...]:
    """Files that earlier processes left for this store."""
    return tuple(sorted(Path(tempfile.gettempdir()).glob(f"{_prefix(store)}*.jsonl")))


@contextmanager
def taken(path: Path) -> Iterator[list[str]]:
    """The lines of a leftover file, for this process alone; none when it is not ours to take or still in use.

    The temporary directory is open to all: links and other users' files are not read.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield []
        return
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield []
            return
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        lines = file.read().decode(errors="replace").split("\n") if ours else []
        yield [line for line in lines if line]


def _prefix(store: Path) -> str:
    return f"flatfield-unsaved-{hashlib.sha256(bytes(store.resolve())).hexdigest()[:12]}-"
