"""What a run holds on the disk while it is carried out: the lock of its one process, and its workspaces' folder."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.agent.files.openat import discard
from flatfield.children.starting import reap
from flatfield.errors import FlatfieldError, NotReady, StoreError
from flatfield.machine.sandbox.finding import sweep_containers

if TYPE_CHECKING:
    from collections.abc import Iterator


LOOKS, LOOK_SECONDS = 3, 0.005
# One process at a time carries a run out: a second one would do its trials again, and pay for them.


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
            _lock(descriptor)
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


def _lock(descriptor: int) -> None:
    """Take the lock; who only looks (`holder`) has it for microseconds, and is not taken for somebody at work."""
    for _ in range(LOOKS):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOOK_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


# The folder that a run's workspaces are made in; what a killed run left, processes too, the next one clears away.


PREFIX = "trials-"
LOCK = ".lock"
OPEN_LOCK = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for workspaces; the sandbox's user can pass through it, not list it. Enter it in a thread: it sweeps.

    Raises:
        FlatfieldError: none can be made.
    """
    sweep()
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _locked(folder)
    except OSError as error:
        where = error.filename or "the temporary directory"
        raise FlatfieldError(f"no workspace can be made in {where}: {error.strerror}; set TMPDIR to another") from error
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        discard(folder)
        os.close(lock)


def sweep() -> tuple[Path, ...]:
    """End the processes and containers and delete the folders of runs that were killed; which folders it was.

    It never keeps a run from starting.

    A run holds a lock on a file in its folder, and the kernel lets go of it when the process ends, however it ends. So
    only folders of ours whose lock nobody holds are deleted; without the file, a folder may just be about to get it.
    """
    reap()
    deleted = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            info = folder.lstat()
            if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
                continue
            lock = os.open(folder / LOCK, OPEN_LOCK)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                discard(folder)
                deleted.append(folder)
            finally:
                os.close(lock)
    if deleted:  # asking takes a moment, so only where there is something that may have left some
        sweep_containers(os.environ)
    return tuple(deleted)


def _locked(folder: Path) -> int:
    """A lock on the folder, which appears in it only when it is held."""
    draft = folder / f"{LOCK}-draft"
    lock = os.open(draft, OPEN_LOCK | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft.rename(folder / LOCK)
    return lock
