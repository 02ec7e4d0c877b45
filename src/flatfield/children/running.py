"""Runs one child process to its end: output and time bounded, and nothing of what it started left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from flatfield.children.starting import end_marked, new_mark, with_mark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

CHUNK_BYTES = 64 * 1024
OUTPUT_BYTES = 32 * 1024**2
COMPLAINT_BYTES = 64 * 1024
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

    def whole(self) -> bytes | None:
        """All of the stream as it came; None where it was longer than what is kept."""
        return None if self._cut_bytes or len(self._tail) > self._tail_bytes else bytes(self._head + self._tail)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How a process is started: where, in which environment, what it reads, with which descriptors beside the usual.

    `given` is what it reads from its standard input, `kept` the descriptors that stay open to it. `end` ends, blocking,
    what killing the process's group does not; it is told whether the process had to be killed.
    """

    environ: Mapping[str, str]
    cwd: Path | None = None
    given: bytes = b""
    kept: tuple[int, ...] = ()
    end: Callable[[bool], None] | None = None


class Finished(Struct, frozen=True, kw_only=True):
    """How a process ended: `exit_code` None when it was killed for time, -n when signal n ended it.

    `printed` and `complained`: what it wrote to its standard output and error, as far as that was kept. `whole`: its
    standard output in bytes, None where a part was left out.
    """

    exit_code: int | None
    printed: str
    complained: str
    whole: bytes | None = None


async def run_process(
    argv: Sequence[str],
    start: Start,
    *,
    seconds: float | None,
    output_bytes: int = OUTPUT_BYTES,
    complaint_bytes: int | None = COMPLAINT_BYTES,
    leaves_daemons: bool = False,
) -> Finished:
    """Run a process, in a session of its own, for at most so many seconds; None: however long it takes.

    Of both outputs the beginning and the end are kept; `complaint_bytes` None: they are one. On return and on
    cancellation its process group is gone, and (on Linux) whatever else it had started; but what it left behind in a
    session of its own stays where it `leaves_daemons` and came to its end by itself.

    Raises:
        OSError, ValueError: it could not be started.
        NotReady: nobody could be started who ends what it leaves should this process be killed.
    """
    mark = new_mark()

    def end(killed: bool) -> None:  # noqa: FBT001 - as `Start.end` asks
        if killed or not leaves_daemons:
            end_marked(mark)

    printed = HeadAndTail(output_bytes)
    complained = None if complaint_bytes is None else HeadAndTail(complaint_bytes)
    marked = replace(start, environ=with_mark(start.environ, mark), end=end)
    exit_code = None
    async with running(argv, marked, printed, complained) as process:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                exit_code = await process.wait()
    return Finished(
        exit_code=exit_code,
        printed=printed.text(),
        complained="" if complained is None else complained.text(),
        whole=printed.whole(),
    )


def blocking(work: Coroutine[Any, Any, T]) -> T:
    """What work comes to, for whoever cannot await it: in a thread, where an event loop may be busy meanwhile."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as thread:  # a loop cannot wait for another one in its own thread
        return thread.submit(asyncio.run, work).result()


@asynccontextmanager
async def running(
    argv: Sequence[str], start: Start, output: HeadAndTail, complaints: HeadAndTail | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a session of its own; on leaving, however that comes, its group is gone and its output is read.

    `complaints` None: what it writes to its standard error is output too.

    Raises:
        OSError, ValueError: it could not be started.
    """
    with ExitStack() as stack:
        drains = [stack.enter_context(closing(Drain(each.add))) for each in (output, complaints) if each is not None]
        process = await _started(argv, start, drains)
        for each in drains:
            each.close_writer()
        try:
            yield process
        finally:
            await asyncio.shield(_end(process, start.end, drains))


async def _started(argv: Sequence[str], start: Start, drains: Sequence[Drain]) -> asyncio.subprocess.Process:
    with ExitStack() as stack:
        # A file: who does not read all that is given breaks no pipe.
        told = stack.enter_context(tempfile.TemporaryFile()) if start.given else None
        if told is not None:
            told.write(start.given)
            told.seek(0)
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=told or subprocess.DEVNULL,
            stdout=drains[0].write_fd,
            stderr=drains[-1].write_fd,
            pass_fds=start.kept,
            cwd=start.cwd,
            env=start.environ,
            start_new_session=True,
        )


async def _end(
    process: asyncio.subprocess.Process, end: Callable[[bool], None] | None, drains: Sequence[Drain]
) -> None:
    """Kill the process's group and what `end` does, wait until it is gone, and read what it still had written."""
    killed = process.returncode is None
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    if end is not None:
        await asyncio.to_thread(end, killed)
    # Something that left the group may hold a pipe open: wait no longer than this.
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            for drain in drains:
                await drain.ended.wait()
