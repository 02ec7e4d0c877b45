"""What the finished turns of trials in flight have used: on the disk when a turn ends, until the trial's record is.

`underway/` beside the store has a file for each process that runs trials, with a lock that the kernel lets go of when
the process ends, however it ends. It grows by a line with every turn. A line is one write and no more: it survives the
process, and costs the event loop some microseconds.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from flatfield.agent.loop import Outcome
from flatfield.records import Run, Sent, ToolCall, TrialRecord, Turn
from flatfield.runs.store.codec import decode, encode
from flatfield.runs.store.totals import with_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

LOST = "its process ended while the agent was working; what finished turns used is counted, their texts are lost"
"""What the failure of an attempt says of which nothing but these lines is left."""
LONGEST_BYTES = 256 * 1024
"""A file that is longer is written anew, without the attempts that are stored."""


class Begun(Struct, frozen=True, kw_only=True):
    """What is known of an attempt before its first turn.

    `trial`: its record, if it were to end now. `run`: the run, where nobody has stored it yet.
    """

    trial: TrialRecord
    usd_per_hour: float | None = None
    run: Run | None = None


class Lost(Struct, frozen=True, kw_only=True):
    """An attempt that has no record yet: `trial` is one of what its finished turns used."""

    trial: TrialRecord
    run: Run | None = None


class _Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a line says of an attempt: that it began, what a turn used, or that its record is stored."""

    attempt: str
    begun: Begun | None = None
    turn: Turn | None = None
    stored: bool = False


class Underway:
    """What one process has in flight; nothing is made before the first turn has ended."""

    def __init__(self, folder: Path, run: Run | None = None) -> None:
        self._path = folder / "underway" / f"{secrets.token_hex(8)}.jsonl"
        self._run = run
        self._descriptor = -1
        self._size_bytes = 0
        self._lines: dict[str, bytes] = {}

    def add(self, attempt: str, begun: Callable[[], Begun], turn: Turn) -> None:
        """Keep what a turn used. A disk that takes no more costs no trial: its record is stored when it ends.

        Args:
            attempt: the name of the attempt.
            begun: what is known of it; asked for with its first turn.
            turn: the turn; its texts are not kept.
        """
        with suppress(OSError, msgspec.MsgspecError):
            lines = _at_once(_Line(attempt=attempt, turn=_slim(turn)))
            if attempt not in self._lines:
                lines = _encoded(_Line(attempt=attempt, begun=structs.replace(begun(), run=self._run))) + lines
            if self._descriptor < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._begin()
            self._append(lines)
            self._lines[attempt] = self._lines.get(attempt, b"") + lines

    def forget(self, attempt: str) -> None:
        """The attempt's record is stored."""
        if self._lines.pop(attempt, None) is None:
            return
        with suppress(OSError):
            self._append(_encoded(_Line(attempt=attempt, stored=True)))
            if self._size_bytes > LONGEST_BYTES + 2 * sum(map(len, self._lines.values())):
                self._begin()

    def close(self) -> None:
        """Let go of the file; what has no record yet stays for the next process that stores something."""
        if self._descriptor >= 0:
            if not self._lines:
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self) -> None:
        """A file that holds what is in flight, in the place of the one before; nobody sees it before it is locked."""
        draft, before = self._path.with_suffix(".draft"), self._descriptor
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._descriptor, self._size_bytes = descriptor, 0
        self._append(b"".join(self._lines.values()))
        draft.rename(self._path)
        if before >= 0:
            os.close(before)

    def _append(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written < len(data):  # half a line would spoil the next one too
            os.ftruncate(self._descriptor, self._size_bytes)
            raise OSError(f"{self._path} takes no more")
        self._size_bytes += written


def in_flight(folder: Path) -> tuple[Lost, ...]:
    """All attempts that are kept beside the store, whether their processes live or not."""
    found: list[Lost] = []
    for path in files(folder):
        with suppress(OSError):
            found += _read(path.read_bytes())
    return tuple(found)


def files(folder: Path) -> tuple[Path, ...]:
    """The files of all processes that have, or had, trials in flight."""
    return tuple(sorted((folder / "underway").glob("*.jsonl")))


@contextmanager
def left(path: Path) -> Iterator[tuple[Lost, ...] | None]:
    """The attempts in one process's file, for us alone; None when that process lives."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(descriptor), path.stat())
        except OSError:  # it is at work, or somebody else was first
            same = False
        yield tuple(_read(file.read())) if same else None


def _encoded(line: _Line) -> bytes:
    return encode(line).encode() + b"\n"


def _at_once(line: _Line) -> bytes:
    """The same for what is written with every turn: not read back, as whoever reads it mends what cannot be."""
    try:
        return msgspec.json.encode(line, enc_hook=repr) + b"\n"
    except UnicodeEncodeError:
        return _encoded(line)


def _slim(turn: Turn) -> Turn:
    """The turn without what was said."""
    calls = tuple(ToolCall(id="", name=call.name, arguments="") for call in turn.reply.calls)
    reply = structs.replace(turn.reply, text="", reasoning="", request=Sent(), wire=(), calls=calls)
    return structs.replace(turn, reply=reply, results=())


def _read(data: bytes) -> Iterator[Lost]:
    """The attempts that have no record yet; a line that was being written when the process ended is passed over."""
    begun: dict[str, Begun] = {}
    turns: dict[str, list[Turn]] = {}
    for line in _lines(data):
        if line.begun is not None:
            begun[line.attempt] = line.begun
        if line.turn is not None:
            turns.setdefault(line.attempt, []).append(line.turn)
        if line.stored:
            begun.pop(line.attempt, None)
    for attempt, known in begun.items():
        yield _lost(known, turns.get(attempt, ()))


def _lines(data: bytes) -> Iterator[_Line]:
    for text in data.split(b"\n")[:-1]:
        with suppress(msgspec.MsgspecError, ValueError):
            yield decode(text.decode(), _Line)


def _lost(begun: Begun, turns: Iterable[Turn]) -> Lost:
    trial = with_sums(begun.trial, Outcome(stop="cancelled", turns=tuple(turns)), begun.usd_per_hour)
    seconds = trial.active_seconds + trial.queue_seconds + trial.retry_seconds
    return Lost(trial=structs.replace(trial, wall_seconds=seconds), run=begun.run)
