"""Runs one child process to its end: output bounded, time bounded, everything that it started killed."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flatfield import json_text
from flatfield.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from flatfield.machine.protocols import SandboxLimits
    from flatfield.machine.sandbox.guard import Stop

CHUNK_BYTES = 64 * 1024
STATUS_BYTES = 4096
START_MARK = b"\x02\x03\n"
"""What is printed in the moment before a command starts; the first one is ours, whatever the command prints."""
MARKED = 'printf "\\002\\003\\n"; exec /bin/sh -c "$1"'
"""A shell's program that does so, and becomes the shell of the command that is its first argument."""
BEFORE_BYTES = 64 * 1024
"""So much may programs that start the command print before it."""
GRACE_SECONDS = 5.0
"""How long killed processes are waited for; the kernel needs milliseconds."""


class HeadAndTail:
    """Keeps the first and the last half of a stream within `limit_bytes`, and counts what it dropped between."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_bytes = limit_bytes // 2
        self._tail_bytes = limit_bytes - self._head_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self._cut_bytes = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._head_bytes - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        excess = len(self._tail) - self._tail_bytes
        # Trimming only when twice too long keeps a flood of small writes from copying the tail each time.
        if excess > max(self._tail_bytes, CHUNK_BYTES):
            self._drop(excess)

    def _drop(self, count: int) -> None:
        self._cut_bytes += count
        del self._tail[:count]

    def text(self) -> str:
        """What was kept, as UTF-8 with replacement characters; a cut is stated where it was made."""
        if len(self._tail) > self._tail_bytes:
            self._drop(len(self._tail) - self._tail_bytes)
        if not self._cut_bytes:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        return f"{head}\n[{self._cut_bytes:,} bytes of output are left out here]\n{tail}"


class CommandOutput(HeadAndTail):
    """What a command prints, and when it began: without the mark that tells so."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.begun: float | None = None
        self._before: bytearray | None = bytearray()

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._before is None:
            super().add(data)
            return
        self._before += data
        found = self._before.find(START_MARK)
        if found >= 0:
            self.begun = asyncio.get_running_loop().time()
            del self._before[found : found + len(START_MARK)]
        if found >= 0 or len(self._before) > BEFORE_BYTES:
            self._flush()

    def since(self, started: float) -> float:
        """When the command began; before that is known, when what starts it did."""
        return started if self.begun is None else self.begun

    def text(self) -> str:
        """What was kept; see `HeadAndTail.text`."""
        self._flush()
        return super().text()

    def _flush(self) -> None:
        before, self._before = self._before, None
        if before:
            super().add(bytes(before))


class Drain:
    """A pipe whose reading end the event loop empties, so that no writer ever blocks; close it when done."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._read_fd, self._ready)

    def _ready(self) -> None:
        data = os.read(self._read_fd, CHUNK_BYTES)
        if data:
            self._take(data)
        else:
            self._stop_reading()

    def _stop_reading(self) -> None:
        if self._read_fd >= 0:
            asyncio.get_running_loop().remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1
        self.ended.set()

    def close_writer(self) -> None:
        """Close our copy of the writing end, so that the pipe ends with its last writer."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def close(self) -> None:
        """Give both ends back."""
        self.close_writer()
        self._stop_reading()


class NamespaceWatch:
    """Reads bubblewrap's status lines: which process is the namespace's first, and how the command ended.

    A pid namespace's first process is gone only when all others in it are, so waiting for it waits for the whole tree.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._text = b""
        self._known = False
        self._pid_fd = -1

    def add(self, data: bytes) -> None:
        """Take status lines: `{"child-pid": N, …}`, then `{"exit-code": N}` if the command was really started.

        Bubblewrap writes the first line before the command runs and the last one when it is gone. Between them the
        command may write what it likes: the descriptor is open in the namespace's first process.
        """
        *lines, rest = (self._text + data).split(b"\n")
        self._text = rest[-STATUS_BYTES:]
        for line in lines:
            try:
                values = json_text.decoded(line, dict[str, int])
            except ValueError:
                continue
            self.exit_code = values.get("exit-code", self.exit_code)
            if "child-pid" in values and not self._known:
                self._known = True
                with suppress(ProcessLookupError):  # it has already ended
                    self._pid_fd = os.pidfd_open(values["child-pid"])

    async def gone(self) -> None:
        """Wait until no process of the namespace is left."""
        if self._pid_fd < 0:
            return
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pid_fd, gone.set)
        try:
            await asyncio.wait_for(gone.wait(), GRACE_SECONDS)
        finally:
            loop.remove_reader(self._pid_fd)

    def close(self) -> None:
        """Give the process's handle back."""
        if self._pid_fd >= 0:
            os.close(self._pid_fd)
            self._pid_fd = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a process ended: `exit_code` None when killed for time, 128 + n when signal n killed it.

    `inner_exit_code`: the sandboxed command's, None when it never started or was killed. `stopped`: why
    it was killed, if not for time. `seconds` are the command's own, without what started it, where it printed the mark.
    """

    exit_code: int | None
    inner_exit_code: int | None
    output: str
    seconds: float
    stopped: Stop | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a process is started: where, in which environment, with which descriptors beside the usual three.

    `end` ends, blocking, what killing the process's group does not; called when it did not come to its end by itself.
    """

    cwd: Path
    environ: Mapping[str, str]
    kept: tuple[int, ...] = ()
    end: Callable[[], None] | None = None


async def run_to_end(
    argv: Callable[[int], Sequence[str]],
    start: Start,
    limits: SandboxLimits,
    exceeded: Callable[[int], Coroutine[None, None, Stop]] | None = None,
) -> Ended:
    """Run one process, in a session of its own, for at most `limits.wall_seconds`.

    Args:
        argv: makes the arguments, given the number of the descriptor to which bubblewrap writes its status.
        start: what it is started with.
        limits: `wall_seconds` and `output_bytes` are kept here; the others are the arguments' and the guard's business.
        exceeded: given the process's id, returns when it must be stopped, with the reason.

    On return and on cancellation its process group, and the namespace reported by bubblewrap, are gone.

    Raises:
        NotReady: it could not be started.
    """
    loop = asyncio.get_running_loop()
    output, watch = CommandOutput(limits.output_bytes), NamespaceWatch()
    with ExitStack() as stack:
        stack.callback(watch.close)
        news, drain = Drain(watch.add), Drain(output.add)
        for each in (news, drain):
            stack.callback(each.close)
        started = loop.time()
        process = await _start(argv(news.write_fd), start, drain.write_fd, news.write_fd)
        news.close_writer()
        drain.close_writer()
        try:
            exit_code, stopped = await _wait(process, lambda: output.since(started) + limits.wall_seconds, exceeded)
            ended = loop.time()
        finally:
            await _end(process, start.end, watch, (news, drain))
        code = 128 - exit_code if exit_code is not None and exit_code < 0 else exit_code
        seconds = max(0.0, ended - output.since(started))
    return Ended(
        exit_code=code, inner_exit_code=watch.exit_code, output=output.text(), seconds=seconds, stopped=stopped
    )


async def _wait(
    process: asyncio.subprocess.Process,
    due: Callable[[], float],
    exceeded: Callable[[int], Coroutine[None, None, Stop]] | None,
) -> tuple[int | None, Stop | None]:
    """The exit code, None when it must be ended; and why, None when that is time alone.

    `due` is when its time is over, by the loop's clock: later than it was, once the command has begun.
    """
    now = asyncio.get_running_loop().time
    ended = asyncio.create_task(process.wait())
    guard = asyncio.create_task(exceeded(process.pid)) if exceeded else None
    try:
        awaited = {ended, guard} if guard else {ended}
        while (left_seconds := due() - now()) > 0:
            done, _ = await asyncio.wait(awaited, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        if ended.done():
            return ended.result(), None
        return None, guard.result() if guard and guard.done() else None
    finally:
        ended.cancel()
        if guard:
            guard.cancel()


async def _start(argv: Sequence[str], start: Start, output_fd: int, status_fd: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd,
            pass_fds=(status_fd, *start.kept),
            cwd=start.cwd,
            env=start.environ,
            start_new_session=True,
        )
    except OSError as error:
        raise NotReady(f"{argv[0]} cannot be started: {error.strerror}") from error


async def _end(
    process: asyncio.subprocess.Process,
    end: Callable[[], None] | None,
    watch: NamespaceWatch,
    drains: Sequence[Drain],
) -> None:
    """Kill the process's group, wait until its tree is gone, and read what it still had written."""
    killed = process.returncode is None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    if killed and end is not None:
        await asyncio.shield(asyncio.to_thread(end))
    # Something that left the group (possible only without a namespace) may hold a pipe open: wait no longer than this.
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            await drains[0].ended.wait()
            await watch.gone()
            await drains[1].ended.wait()
