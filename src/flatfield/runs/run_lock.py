"""One process at a time carries a run out: a second one would do its trials again, and pay for them."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flatfield.errors import NotReady, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def holder(run: str, folder: Path) -> int | None:
    """The process that carries the run out now; None when none does. `folder` is the store's."""
    try:
        descriptor = os.open(folder / "claims" / f"{run}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return int(owner) if owner.isdigit() else None
    finally:
        os.close(descriptor)
    return None


@contextmanager
def claimed(run: str, folder: Path) -> Iterator[None]:
    """Hold the run; the system lets go of it when this process ends, however it ends. `folder` is the store's.

    Raises:
        NotReady: another process is carrying the run out.
        StoreError: the folder cannot be written.
    """
    path = folder / "claims" / f"{run}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}; make room or give permission there") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise NotReady(
                f"run {run} is being carried out by process {owner or '?'}; wait for it, or stop it and --resume"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
