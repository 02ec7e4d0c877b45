"""Runs a helper process to its end: input in, bounded output out, its whole process group gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.children.starting import with_mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

OUTPUT_LIMIT_BYTES = 256 * 1024
_PIPES_SECONDS = 5.0


_PASSED_ON = re.compile(
    r"(PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LANGUAGE|TMPDIR|TMP|TEMP|VIRTUAL_ENV|SYSTEMROOT|COMSPEC|PATHEXT)"
    r"|(LC|LD|DYLD|PYTHON|XDG|CONDA)_?\w*",
    re.IGNORECASE,
)


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What a program needs to run at all; keys may stand in variables of any name, so nothing else is passed on."""
    return {name: value for name, value in environ.items() if _PASSED_ON.fullmatch(name)}


class ChildResult(Struct, frozen=True, kw_only=True):
    """How a process ended; `exit_code` None when it was ended for time, negative when a signal ended it."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes


class _Watch(asyncio.SubprocessProtocol):
    """Keeps the output, and tells the end of the process from the end of its pipes, which a descendant may hold."""

    def __init__(self) -> None:
        self.kept = {1: bytearray(), 2: bytearray()}
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what there is room for; the rest is dropped."""
        self.kept[fd] += data[: OUTPUT_LIMIT_BYTES - len(self.kept[fd])]

    def process_exited(self) -> None:
        """The process itself is gone."""
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The process and all its pipes are gone."""
        self.closed.set()


async def run_child(
    arguments: Sequence[str], data: bytes, *, timeout_seconds: float, folder: Path | None = None
) -> ChildResult:
    """Start `arguments` in `folder`, feed it `data` on stdin, and wait at most `timeout_seconds` for it to end.

    Each of stdout and stderr is kept up to OUTPUT_LIMIT_BYTES; what comes after is read and dropped.

    Raises:
        OSError: the process could not be started.
    """
    loop = asyncio.get_running_loop()
    environ = with_mark(passed_on(os.environ))
    transport, watch = await loop.subprocess_exec(_Watch, *arguments, cwd=folder, env=environ, start_new_session=True)
    stdin = transport.get_pipe_transport(0)
    timed_out = False
    try:
        if isinstance(stdin, asyncio.WriteTransport):
            stdin.write(data)
            stdin.write_eof()
        async with asyncio.timeout(timeout_seconds):
            await watch.exited.wait()
    except TimeoutError:
        timed_out = True
    finally:
        # What the process itself started goes too: nobody else would end it, and it may hold the pipes open.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        # A descendant in a session of its own can still hold them: it must not hold us.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PIPES_SECONDS):
                await watch.closed.wait()
        if isinstance(stdin, asyncio.WriteTransport) and not watch.closed.is_set():
            stdin.abort()
        transport.close()
        await watch.closed.wait()
    exit_code = None if timed_out else transport.get_returncode()
    return ChildResult(exit_code=exit_code, stdout=bytes(watch.kept[1]), stderr=bytes(watch.kept[2]))
