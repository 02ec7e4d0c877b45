"""Says sentences in a process of its own, which nobody waits for and which outlives who asked: one queue, one speaker.

Whoever has something to say puts it at the end of a file and starts a speaker. The first of these says all that is
there, in its order; the others find that somebody speaks, and leave.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from flatfield.faces.speech.speaker import WAITING_SENTENCES, free_turn, speaking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLD_SECONDS = 600.0
"""A sentence that nobody spoke for so long is of yesterday: a speaker was killed before it."""
PATIENT_SECONDS = 600.0
"""How long a sentence waits for others' turns to speak."""


class _Waiting(Struct, frozen=True, kw_only=True):
    text: str
    at: float


class Queue:
    """Sentences of this user that are still to be said, in a file; every process has a short turn with it."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir())
        self._path = folder / f"flatfield-queue-{os.getuid()}.json"
        self.speaker_lock = folder / f"flatfield-queue-{os.getuid()}.lock"

    def put(self, text: str, now: float) -> None:
        """Have it said some time soon; what comes beyond the most that may wait is left out.

        Raises:
            OSError: the file cannot be kept.
        """
        with self._opened() as descriptor:
            waiting = _read(descriptor, now)
            if len(waiting) < WAITING_SENTENCES:
                _write(descriptor, [*waiting, _Waiting(text=text, at=now)])

    def take(self, now: float) -> str | None:
        """The next sentence, which is then no longer there.

        Raises:
            OSError: the file cannot be kept.
        """
        with self._opened() as descriptor:
            waiting = _read(descriptor, now)
            _write(descriptor, waiting[1:])
        return waiting[0].text if waiting else None

    def is_empty(self, now: float) -> bool:
        """Whether nothing is left to say.

        Raises:
            OSError: the file cannot be kept.
        """
        with self._opened() as descriptor:
            return not _read(descriptor, now)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_uid != os.getuid():
                raise PermissionError(f"{self._path} is another user's")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def say_aside(text: str) -> None:
    """Have it said by a process in a session of its own, and return at once.

    Raises:
        OSError: it cannot be started.
    """
    Queue().put(text, time.time())
    subprocess.Popen(  # its end is of no interest: whoever started it is gone by then
        [sys.executable, "-P", "-m", __name__],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


async def speak_all(queue: Queue, clock: Callable[[], float] = time.time) -> None:
    """Say what waits, unless another process is at it; what comes meanwhile is said too."""
    async with speaking() as speaker:
        while True:
            with free_turn(queue.speaker_lock) as free:
                while free and (text := queue.take(clock())) is not None:
                    speaker.say(text)
                    await speaker.finish(PATIENT_SECONDS)
            # Who came before the turn was given back saw it taken and left: what he put there is ours to say.
            if not free or queue.is_empty(clock()):
                return


def main() -> None:
    """Speak; whatever goes wrong, there is nobody to tell."""
    with suppress(OSError):
        asyncio.run(speak_all(Queue()))


def _read(descriptor: int, now: float) -> list[_Waiting]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        waiting = msgspec.json.decode(os.read(descriptor, os.fstat(descriptor).st_size), type=list[_Waiting])
    except msgspec.DecodeError:  # new, or cut by a crash
        return []
    return [each for each in waiting if abs(now - each.at) < OLD_SECONDS]


def _write(descriptor: int, waiting: list[_Waiting]) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, msgspec.json.encode(waiting))


if __name__ == "__main__":
    main()
