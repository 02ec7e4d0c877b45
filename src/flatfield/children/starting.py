"""Marks what we are about to start, and sees to it that it ends with us; ends what dead processes of ours left.

A mark names the process that started its bearer, so that nobody else is taken for it: the user, the pid namespace, the
process's id and when it began. Before a process gives out its first mark, it starts a keeper (see `keeper`), which
outlives it by a second. Should the keeper be gone too, `reap` ends what is left when the next run starts.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children import keeper
from flatfield.children.keeper import ARGUMENT, VARIABLE, end_all, marked
from flatfield.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REAP_SECONDS = 5.0
UNKNOWN = "0"
_WORD = "task-process"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_FIRST_KEEPER = threading.Lock()
_RUN = "'ends what its process leaves'; import json, sys; exec(json.loads(sys.stdin.readline()))"


def new_mark() -> str:
    """A mark for what is about to be started, of its own; from now on a keeper watches over all that bear one of ours.

    Raises:
        NotReady: the keeper cannot be started.
    """
    _lifeline()
    return f"{_ours(os.getpid())}{secrets.token_hex(8)}"


def with_mark(environ: Mapping[str, str], mark: str | None = None) -> dict[str, str]:
    """The environment for a child: with this mark, or one of its own.

    Raises:
        NotReady: the keeper cannot be started.
    """
    return {**environ, VARIABLE: mark or new_mark()}


def mark_arguments() -> tuple[str, ...]:
    """A mark as arguments of bubblewrap's.

    Raises:
        NotReady: the keeper cannot be started.
    """
    return ARGUMENT, new_mark()


def end_marked(mark: str, seconds: float = REAP_SECONDS) -> None:
    """Kill all that bear the mark, blocking, until none is left; on Linux."""
    end_all(lambda: marked(mark), seconds)


@contextmanager
def at_the_end(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile, should this process end, the keeper runs `argv`, and once more a second later.

    Raises:
        NotReady: the keeper cannot be started.
    """
    lifeline = _lifeline()
    number = secrets.randbits(53)
    _tell(lifeline, {"number": number, "argv": list(argv), "environ": dict(environ)})
    try:
        yield
    finally:
        _tell(lifeline, {"number": number})


def reap() -> tuple[int, ...]:
    """Kill what processes of this user's that are no more have started and left; which processes it was."""
    start = f"{_place()}-"
    return end_all(lambda: ((pid, mark) for pid, mark in marked(start) if _left(mark, start)), REAP_SECONDS)


def began(process: int) -> str | None:
    """When a process began, in the kernel's ticks, as its id may be used again; None when it is no more.

    UNKNOWN where the kernel does not say.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return UNKNOWN if not Path("/proc/self").exists() and _exists(process) else None
    except ProcessLookupError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_over(process: int, since: str) -> bool:
    """Whether the process of this id that began then has ended, for sure."""
    return began(process) not in {since, UNKNOWN}


@lru_cache(maxsize=1)
def _place() -> str:
    """What all marks of this user's begin with, as far as process ids mean the same."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{_WORD}-{os.geteuid()}-{namespace}"


@lru_cache(maxsize=1)
def _ours(process: int) -> str:
    """What the marks of this process's children begin with."""
    return f"{_place()}-{process}-{began(process)}-"


def _left(mark: str, start: str) -> bool:
    """Whether the process that a mark names has ended."""
    parts = mark.removeprefix(start).split("-")
    return len(parts) == 3 and parts[0].isdigit() and is_over(int(parts[0]), parts[1])


def _lifeline() -> int:
    """The descriptor that tells the keeper of our end.

    Raises:
        NotReady: there is no keeper yet, and it cannot be started.
    """
    with _FIRST_KEEPER:
        try:
            return _keeper(os.getpid())
        except OSError as error:
            raise NotReady(
                f"the process that ends what we start cannot be started: {error.strerror}; end some processes"
            ) from error


@lru_cache(maxsize=1)
def _keeper(process: int) -> int:
    """Start the keeper of this process, which must be `process`; its lifeline.

    It has none of our environment and is no child of ours: the shell that starts it ends within a millisecond or two.
    Its program comes over the pipe: who ends all processes whose arguments name this package means us, not what cleans
    up behind us.
    """
    python = os.path.realpath(sys.executable)
    read, lifeline = os.pipe()
    try:
        silent = ((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2))
        shell = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", '"$@" <&3 &', "sh", python, "-I", "-S", "-B", "-c", _RUN],
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, read, 3), *silent],
            setpgroup=0,
            setsigmask=_SIGNALS,
        )
        os.waitpid(shell, 0)
        program = json.dumps(Path(keeper.__file__).read_text(encoding="utf-8"))
        os.write(lifeline, f"{program}\n{_ours(process)}\n".encode())
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(read)
    atexit.register(_leave, process, lifeline)
    return lifeline


def _leave(process: int, lifeline: int) -> None:
    if os.getpid() == process:
        with suppress(OSError):
            os.write(lifeline, b"\n")


def _tell(lifeline: int, message: Mapping[str, object]) -> None:
    # Without its keeper, what is left is ended when the next run starts.
    with suppress(OSError):
        os.write(lifeline, json.dumps(message).encode() + b"\n")
