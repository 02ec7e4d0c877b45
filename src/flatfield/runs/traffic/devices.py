"""Keeps processes from measuring two models on one device at a time: locks on files that end with their process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import tempfile
from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from flatfield.clock import Clock

POLL_SECONDS = 0.1
"""How often a lock that another process holds is asked for: a thread that waits for it could not be cancelled."""


class Devices:
    """The devices of one event loop, locked by files in `folder`, which all processes share.

    A device has two locks: `NAME.lock`, which is held alone or with others, and `NAME.next`, which whoever waits for
    the first holds meanwhile. So a process cannot take the device again and again while another waits. `tell` is told
    once for each process that is waited for.
    """

    def __init__(self, folder: Path, clock: Clock, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._told: set[tuple[str, str]] = set()
        self._order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, device: str, *, shared: bool) -> AsyncIterator[float]:
        """Hold the device alone, or `shared` with others who share it; the value is the seconds waited for it.

        First come, first served within the process; the system lets go of it when the process ends, however it ends.
        """
        asked = self._clock.now()
        lock = self._open(device, "lock")
        try:
            async with self._order[device]:
                following = self._open(device, "next")
                try:
                    await self._lock(following, fcntl.LOCK_EX, device, lock)
                    await self._lock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, device, lock)
                finally:
                    os.close(following)
            if not shared:
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
            yield self._clock.now() - asked
        finally:
            os.close(lock)

    async def _lock(self, descriptor: int, kind: int, device: str, lock: int) -> None:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(device, os.pread(lock, 32, 0).decode("ascii", "replace").strip())
                await self._clock.sleep(POLL_SECONDS)
            else:
                return

    def _say(self, device: str, owner: str) -> None:
        if owner != str(os.getpid()) and (device, owner) not in self._told:
            self._told.add((device, owner))
            self._tell(f"waiting for the device {device}: used by process {owner or '?'}")

    def _open(self, device: str, kind: str) -> int:
        path = self._folder / f"{re.sub('[^A-Za-z0-9.-]', '_', device)}.{kind}"
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


@contextmanager
def shared_devices(cache: Path, clock: Clock, tell: Callable[[str], None]) -> Iterator[Devices]:
    """The devices that all processes with the same cache folder share; where it cannot be used, this one's alone."""
    folder = cache / "locks"
    problem = _problem(folder)
    if not problem:
        yield Devices(folder, clock, tell)
        return
    tell(f"{folder} cannot hold locks ({problem}): other processes may use a device while a model on it is measured")
    with tempfile.TemporaryDirectory(prefix="locks-") as spare:
        yield Devices(Path(spare), clock, tell)


def _problem(folder: Path) -> str:
    """Why locks cannot lie in a folder; "" when they can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "probe").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.strerror or str(error)
    return ""
