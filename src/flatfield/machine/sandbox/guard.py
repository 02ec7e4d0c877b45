"""Watches a running command from outside: the memory of its whole tree and what its workspace holds."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from flatfield.machine.protocols import SandboxLimits

EVERY_SECONDS = 0.05
SHARE = 10  # a look takes at most a tenth of the time, however much there is to look at
WALK_SECONDS = 5.0
WALK_BYTES = 16 * 1024**2
WALK_FILES = 1_000
"""The workspace is walked when its file system holds so much more than at the last walk, and else every 5 seconds."""
RESERVE_BYTES = 512 * 1024**2
INODE_BYTES = 1024
"""What an empty file costs in a file system in memory, rounded up."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a workspace holds: `hidden` when some of it could not be looked at."""

    bytes: int
    files: int
    hidden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """Why a command is stopped; `host_short`: for the host's sake, whoever is to blame, not for a limit of its own."""

    reason: str
    host_short: bool = False


class Guard:
    """Says when one command exceeds what no limit of the kernel on a single process can bound.

    `kept` are paths of the workspace that the command cannot change: they do not count. Sampled, so a limit is exceeded
    by as much as can be used within a twentieth of a second before it is noticed.
    """

    def __init__(
        self, workspace: Path, limits: SandboxLimits, *, private_tmp: bool, kept: Collection[str] = ()
    ) -> None:
        self._workspace = workspace
        self._kept = kept
        self._limits = limits
        self._private_tmp = private_tmp
        self._started = self._walked = os.statvfs(workspace)
        self._looks_since_walk = 0.0

    async def exceeded(self, root: int) -> Stop:
        """Watch process `root` and all below it; return why it must be stopped, once it must."""
        loop = asyncio.get_running_loop()
        pause = EVERY_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = loop.time()
            stop = await asyncio.to_thread(self._look, root, pause)
            if stop:
                return stop
            pause = max(EVERY_SECONDS, SHARE * (loop.time() - began))

    def _look(self, root: int, since: float) -> Stop | None:
        tree = tuple(descendants(root))
        limits = self._limits
        if memory_bytes(tree, limits.memory_bytes, private_tmp=self._private_tmp) > limits.memory_bytes:
            return Stop(reason=f"its processes used more than {megabytes(limits.memory_bytes)} of memory together")
        return self._disk(tree, since)

    def _disk(self, tree: Sequence[int], since: float) -> Stop | None:
        limits, disk = self._limits, os.statvfs(self._workspace)
        grown = used_bytes(disk) - used_bytes(self._started)
        # Counts everything on that disk, so it may be somebody else's doing; what matters is that room is left for us.
        if grown > WALK_BYTES and disk.f_bavail * disk.f_frsize < reserve_bytes(disk):
            return Stop(reason="the disk that the workspace lies on is nearly full", host_short=True)
        self._looks_since_walk += since
        more = used_bytes(disk) - used_bytes(self._walked)
        files = (disk.f_files - disk.f_ffree) - (self._walked.f_files - self._walked.f_ffree)
        if more < WALK_BYTES and files < WALK_FILES and self._looks_since_walk < WALK_SECONDS:
            return None
        self._walked, self._looks_since_walk = disk, 0.0
        held = workspace_holds(self._workspace, limits.workspace_files, self._kept)
        if held.files > limits.workspace_files:
            return Stop(reason=f"the workspace holds more than {limits.workspace_files:,} files and folders")
        total = held.bytes + unlinked_bytes(tree, self._workspace)
        if total > limits.workspace_bytes or (held.hidden and grown > limits.workspace_bytes):
            return Stop(reason=f"the workspace holds more than {megabytes(limits.workspace_bytes)}")
        return None


def megabytes(count: int) -> str:
    """`2,048 MB`: in units of 1024² bytes, as limits are set."""
    return f"{count / 1024**2:,.0f} MB"


def used_bytes(disk: os.statvfs_result) -> int:
    """How much of a file system is in use."""
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def reserve_bytes(disk: os.statvfs_result) -> int:
    """How much of a disk commands must leave free: 512 MB, or a twentieth of a small one."""
    return min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // 20)


# ---------------------------------------------------------------------------- processes


def descendants(root: int) -> Iterator[int]:
    """A process and all below it. Orphans in a pid namespace belong to its first process, so none is missed."""
    waiting, seen = [root], {root}
    while waiting:
        process = waiting.pop(0)
        yield process
        with suppress(OSError):  # it has ended
            for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208 - thread ids are what is asked for
                with open(f"/proc/{process}/task/{thread}/children", "rb") as stream:  # noqa: PTH123 - one of many
                    found = {int(child) for child in stream.read().split()} - seen
                waiting += sorted(found)
                seen |= found


def memory_bytes(tree: Sequence[int], enough: int, *, private_tmp: bool) -> int:
    """What processes use together, exact only above `enough`: below, shared pages count once for each that shares."""
    beside = _shared_bytes(tree) + (_scratch_bytes(tree) if private_tmp else 0)
    resident = sum(_resident_bytes(process) for process in tree)
    if resident + beside <= enough:
        return resident + beside
    return sum(_proportional_bytes(process) for process in tree) + beside


def _resident_bytes(process: int) -> int:
    with suppress(OSError), open(f"/proc/{process}/statm", "rb") as stream:  # noqa: PTH123 - one of many
        _, resident, from_files, *_ = stream.read().split()
        # Pages of files are the disk's cache; those of shared memory are counted by its size.
        return (int(resident) - int(from_files)) * PAGE_BYTES
    return 0


def _proportional_bytes(process: int) -> int:
    """Private pages, and of shared ones this process's part; where that cannot be read, all that are resident."""
    with suppress(OSError), open(f"/proc/{process}/smaps_rollup", "rb") as stream:  # noqa: PTH123 - one of many
        for line in stream:
            if line.startswith(b"Pss_Anon:"):
                return int(line.split()[1]) * 1024
    return _resident_bytes(process)


def _shared_bytes(tree: Sequence[int]) -> int:
    """The size of all memory that processes share without a file; its pages stay when no process shows them."""
    sizes: dict[bytes, int] = {}
    for process in tree:
        with suppress(OSError), open(f"/proc/{process}/maps", "rb") as stream:  # noqa: PTH123 - one of many
            for line in stream:
                parts = line.split(None, 5)
                if parts[1].endswith(b"s") and parts[5:] and parts[5].startswith(b"/dev/zero"):
                    start, end = (int(part, 16) for part in parts[0].split(b"-"))
                    sizes[parts[4]] = max(sizes.get(parts[4], 0), end - start)
    return sum(sizes.values())


def _scratch_bytes(tree: Sequence[int]) -> int:
    """What is in the sandbox's own /tmp and /dev/shm, seen through the namespace's first process."""
    total = 0
    for folder in ("tmp", "dev/shm"):
        with suppress(OSError, IndexError):
            inside = Path(f"/proc/{tree[1]}/root/{folder}")
            if inside.stat().st_dev != Path("/", folder).stat().st_dev:  # else it has not left the host's root yet
                disk = os.statvfs(inside)
                total += used_bytes(disk) + (disk.f_files - disk.f_ffree) * INODE_BYTES
    return total


# ---------------------------------------------------------------------------- the workspace


def workspace_holds(root: Path, enough_files: int, kept: Collection[str] = ()) -> Held:
    """What lies in a folder beside the `kept` paths, links not followed; no further than just above `enough_files`.

    Paths may change hands while this walks. It opens no file, so a folder swapped for a link misleads its count alone.
    """
    total, count, hidden = 0, 0, False
    twice: set[int] = set()
    folders = [os.fspath(root)]
    left_out = {f"{folders[0]}/{path}" for path in kept}
    while folders and count <= enough_files:
        try:
            with os.scandir(folders.pop()) as entries:
                for info, path in _stated(entries, left_out):
                    count += 1
                    total += 0 if info.st_ino in twice else info.st_blocks * 512
                    if stat.S_ISDIR(info.st_mode):
                        folders.append(path)
                    elif info.st_nlink > 1:
                        twice.add(info.st_ino)
        except FileNotFoundError:
            continue
        except OSError:  # closed to us, or its path is too long
            hidden = True
    return Held(bytes=total, files=count, hidden=hidden)


def _stated(entries: Iterable[os.DirEntry[str]], left_out: Collection[str]) -> Iterator[tuple[os.stat_result, str]]:
    for entry in entries:
        with suppress(FileNotFoundError):
            if entry.path not in left_out:
                yield entry.stat(follow_symlinks=False), entry.path


def unlinked_bytes(tree: Sequence[int], workspace: Path) -> int:
    """The size on disk of files that have no name any more but are still open, on the workspace's file system."""
    device, sizes = workspace.stat().st_dev, dict[int, int]()
    for process in tree:
        with suppress(OSError):
            for number in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208 - numbers are what is asked for
                with suppress(OSError):
                    info = Path(f"/proc/{process}/fd/{number}").stat()
                    if stat.S_ISREG(info.st_mode) and not info.st_nlink and info.st_dev == device:
                        sizes[info.st_ino] = info.st_blocks * 512
    return sum(sizes.values())
