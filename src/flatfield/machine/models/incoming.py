"""A model file on its way into the cache: hashed as it is written, and renamed into place only when it is right."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Self

from msgspec import Struct

from flatfield.errors import NotReady
from flatfield.machine.models.places import require_gguf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from flatfield.clock import Clock


CHUNK_BYTES = 1024 * 1024
_LOCK_POLL_SECONDS = 0.2


class ExpectedFile(Struct, frozen=True, kw_only=True):
    """What a file must be; None where nobody says."""

    sha256: str | None = None
    size_bytes: int | None = None


class Incoming:
    """The part of a file that has arrived, beside the place where it will be.

    With `resume`, what an earlier process left is taken up (and hashed) again; with `milestones`, sizes and hashes that
    the file has on its way, only up to the last one that is right. `refused_bytes`: of that, what was there but wrong.
    """

    def __init__(self, part: Path, *, resume: bool = False, milestones: Sequence[ExpectedFile] = ()) -> None:
        self.part = part
        self._file: IO[bytes] = part.open("r+b" if resume and part.is_file() else "w+b")
        self._hash = hashlib.sha256()
        self._settled = (0, self._hash.copy())
        self.received_bytes = self.refused_bytes = 0
        if milestones:
            self._take_up(milestones)
        while not milestones and (chunk := self._file.read(CHUNK_BYTES)):
            self._count(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._file.write(chunk)
        self._count(chunk)

    def settle(self, milestone: ExpectedFile) -> bool:
        """Whether what has arrived is right up to here; then nothing falls back behind it."""
        if not self.matches(milestone):
            return False
        self._settled = (self.received_bytes, self._hash.copy())
        return True

    def fall_back(self) -> None:
        """Forget what has arrived since the last milestone that was right; with none, nothing is left."""
        self.received_bytes, settled = self._settled
        self._hash = settled.copy()
        self._file.seek(self.received_bytes)
        self._file.truncate()
        if not self.received_bytes:
            self.discard()

    def restart(self) -> None:
        """Forget what has arrived."""
        self._settled = (0, hashlib.sha256())
        self.received_bytes, self._hash = 0, hashlib.sha256()
        self._file.seek(0)
        self._file.truncate()

    def matches(self, expected: ExpectedFile) -> bool:
        """Whether what has arrived is the whole file and the right one."""
        if expected.size_bytes not in {None, self.received_bytes}:
            return False
        return expected.sha256 in {None, self._hash.hexdigest()}

    def commit(self, target: Path, expected: ExpectedFile) -> None:
        """Put the file in its place, with its hash beside it (`TARGET.sha256`, as sha256sum writes it).

        Raises:
            NotReady: it is not what was expected, or no GGUF file; it has been removed.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        found = self._hash.hexdigest()
        if not self.matches(expected):
            self.discard()
            raise NotReady(
                f"what was fetched for {target.name} is refused and removed: {self.received_bytes} bytes with SHA-256 "
                f"{found}, expected {expected.size_bytes or 'any number of'} bytes with {expected.sha256 or 'any'}; "
                "try again, or fetch it from another source with --from"
            )
        try:
            require_gguf(self.part)
        except NotReady:
            self.discard()
            raise NotReady(
                f"what was fetched for {target.name} is no GGUF file and was removed; check its name"
            ) from None
        hash_file(target).write_text(f"{found}  {target.name}\n", encoding="utf-8")
        self.part.replace(target)

    def discard(self) -> None:
        """Remove what has arrived."""
        self.part.unlink(missing_ok=True)

    def _take_up(self, milestones: Sequence[ExpectedFile]) -> None:
        for milestone in milestones:
            end_bytes = milestone.size_bytes or 0
            while chunk := self._file.read(min(CHUNK_BYTES, end_bytes - self.received_bytes)):
                self._count(chunk)
            if not self.settle(milestone):
                self.refused_bytes = self.received_bytes - self._settled[0] if self.received_bytes == end_bytes else 0
                break
        self.received_bytes, settled = self._settled
        self._hash = settled.copy()
        self._file.seek(self.received_bytes)
        self._file.truncate()

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.received_bytes += len(chunk)


def part_path(target: Path, expected: ExpectedFile) -> Path:
    """Where the file arrives: named by its hash, so that two versions never mix; parts of other versions go."""
    part = target.with_name(f"{target.name}.{(expected.sha256 or 'unknown')[:16]}.part")
    for other in target.parent.glob("*.part"):
        if other.name.startswith(f"{target.name}.") and other != part:
            other.unlink(missing_ok=True)
    return part


def hash_file(target: Path) -> Path:
    """Where the SHA-256 of a pulled file is written down."""
    return target.with_name(f"{target.name}.sha256")


def recorded_sha256(target: Path) -> str | None:
    """The SHA-256 that a file had when it was pulled; None when nobody wrote it down."""
    try:
        words = hash_file(target).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words else None


@asynccontextmanager
async def sole_pull(folder: Path, clock: Clock) -> AsyncIterator[None]:
    """One pull at a time into a folder, over all processes; the lock ends with the process that holds it."""
    with _lock_file(folder) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await clock.sleep(_LOCK_POLL_SECONDS)
        yield


def _lock_file(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / ".lock").open("ab")
