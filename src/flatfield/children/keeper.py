"""Ends what a process started when that process is gone; run as a program by `flatfield.children.starting`.

Standard input is a pipe that the process holds, and the kernel closes it when the process ends, however it ends. The
first line is what the marks of the process's children begin with; each further one is JSON: a command to run at the end
(`number`, `argv`, `environ`), or the `number` of one that need not be run any more. An empty line says that the process
ends as it should. It uses the standard library alone, because nothing else is there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE = "TASK_PROCESS_MARK"
"""The variable that holds a child's mark; its name says nothing of who started it."""
ARGUMENT = "--unsetenv"
"""Bubblewrap's option that names a mark, without effect: one of its processes hides its environment."""
PAUSE_SECONDS = 0.02
END_SECONDS = 30.0
COMMAND_SECONDS = 30.0
SETTLING_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
"""What was being started when its process ended shows its mark only when its program has been loaded."""
ONCE_MORE_SECONDS = 1.0
"""A container may be in the making when its client is killed, and be there only then."""

_IN_ENVIRONMENT = b"\0" + VARIABLE.encode() + b"="
_IN_ARGUMENTS = b"\0" + ARGUMENT.encode() + b"\0"


def marked(start: str) -> Iterator[tuple[int, str]]:
    """The processes whose mark begins with `start`, and their marks; one that has ended has none any more."""
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - a look must cost little
    except OSError:
        return
    own = os.getpid()
    for name in names:
        if name.isdigit() and int(name) != own:
            mark = mark_of(int(name), start)
            if mark is not None:
                yield int(name), mark


def mark_of(process: int, start: str) -> str | None:
    """The process's mark, when it has one that begins with `start`."""
    for file, before in (("environ", _IN_ENVIRONMENT), ("cmdline", _IN_ARGUMENTS)):
        # It has ended, or is not ours to look into.
        with suppress(OSError), open(f"/proc/{process}/{file}", "rb") as stream:  # noqa: PTH123 - one of many
            _, found, rest = (b"\0" + stream.read()).partition(before + start.encode())
            if found:
                return start + rest.partition(b"\0")[0].decode("ascii", "replace")
    return None


def kill(process: int, mark: str) -> None:
    """Kill the process if it still bears the mark, and its group if it leads one."""
    if not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        handle = os.pidfd_open(process)
        try:
            # The id may have been used again since the mark was read; what the handle means does not change.
            if mark_of(process, mark) != mark:
                return
            if os.getpgid(process) == process:
                os.killpg(process, signal.SIGKILL)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def end_all(found: Callable[[], Iterator[tuple[int, str]]], seconds: float) -> tuple[int, ...]:
    """Kill what is found again and again, as it may be starting something, until nothing is; which processes it was."""
    killed: dict[int, None] = {}
    ends = time.monotonic() + seconds
    while there := list(found()):
        for process, mark in there:
            kill(process, mark)
            killed[process] = None
        if time.monotonic() > ends:
            break
        time.sleep(PAUSE_SECONDS)
    return tuple(killed)


def main() -> None:
    """Wait for the end of the process, then end what it left."""
    os.setsid()
    os.closerange(3, 1024)
    os.chdir("/")
    lines = iter(sys.stdin.readline, "")
    start = next(lines, "").strip()
    at_the_end: dict[int, dict[str, Any]] = {}
    expected = False
    for line in lines:
        expected = not line.strip()
        if not expected:
            _take(line, at_the_end)
    if start:
        _finish(start, list(at_the_end.values()), () if expected else SETTLING_SECONDS)


def _take(line: str, at_the_end: dict[int, dict[str, Any]]) -> None:
    """What a line says is to be run at the end, or no more; one that the process did not finish says nothing."""
    with suppress(ValueError):
        message = json.loads(line)
        if "argv" in message:
            at_the_end[message["number"]] = message
        else:
            at_the_end.pop(message["number"], None)


def _finish(start: str, commands: list[dict[str, Any]], pauses: tuple[float, ...]) -> None:
    end_all(lambda: marked(start), END_SECONDS)
    for command in commands:
        _run(command)
    for pause in pauses:
        time.sleep(pause)
        end_all(lambda: marked(start), END_SECONDS)
    if commands:
        time.sleep(ONCE_MORE_SECONDS)
        for command in commands:
            _run(command)


def _run(command: dict[str, Any]) -> None:
    quiet = subprocess.DEVNULL
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            command["argv"],
            env=command["environ"],
            check=False,
            timeout=COMMAND_SECONDS,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
        )


if __name__ == "__main__":
    main()
