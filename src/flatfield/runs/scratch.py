"""The folder that a run's workspaces are made in; what a killed run left, processes too, the next one clears away."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.agent.files.openat import discard
from flatfield.children.starting import reap
from flatfield.errors import FlatfieldError
from flatfield.machine.sandbox.finding import sweep_containers

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "trials-"
LOCK = ".lock"
OPEN_LOCK = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for workspaces; the sandbox's user can pass through it, not list it.

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
