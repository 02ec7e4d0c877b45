"""Runs one external program to its end: prompt on stdin, output and time bounded, everything that it started killed."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.children.starting import end_marked, new_mark, with_mark
from flatfield.errors import ProviderError
from flatfield.machine.sandbox.processes import GRACE_SECONDS, Drain, HeadAndTail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

OUTPUT_BYTES = 32 * 1024**2
COMPLAINT_BYTES = 64 * 1024


class Finished(Struct, frozen=True, kw_only=True):
    """How a program ended: `exit_code` None when it was killed for time, -n when signal n ended it."""

    exit_code: int | None
    printed: str
    complained: str


async def run_program(
    argv: Sequence[str], cwd: Path, environ: Mapping[str, str], prompt: str, seconds: float
) -> Finished:
    """Run a program, in a session of its own, for at most so many seconds.

    On return and on cancellation its process group is gone, and (on Linux) whatever else it had started.

    Raises:
        ProviderError: it could not be started.
    """
    output, complaints, mark = HeadAndTail(OUTPUT_BYTES), HeadAndTail(COMPLAINT_BYTES), new_mark()
    with ExitStack() as stack:
        told = stack.enter_context(tempfile.TemporaryFile())
        told.write(prompt.encode("utf-8", "surrogateescape"))
        told.seek(0)
        drains = (Drain(output.add), Drain(complaints.add))
        for drain in drains:
            stack.callback(drain.close)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=told,
                stdout=drains[0].write_fd,
                stderr=drains[1].write_fd,
                cwd=cwd,
                env=with_mark(environ, mark),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ProviderError(f"{argv[0]} cannot be started: {error}") from None
        for drain in drains:
            drain.close_writer()
        exit_code = None
        try:
            with suppress(TimeoutError):
                exit_code = await asyncio.wait_for(process.wait(), seconds)
        finally:
            await asyncio.shield(_end(process, mark, drains))
    return Finished(exit_code=exit_code, printed=output.text(), complained=complaints.text())


async def _end(process: asyncio.subprocess.Process, mark: str, drains: Sequence[Drain]) -> None:
    """Kill the group and all that bears the mark, wait until they are gone, and read what they still had written."""
    await asyncio.to_thread(_kill, process.pid, mark)
    await process.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            for drain in drains:
                await drain.ended.wait()


def _kill(group: int, mark: str) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    end_marked(mark)
