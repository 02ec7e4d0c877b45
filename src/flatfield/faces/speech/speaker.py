"""Speaks sentences one after the other, in the background or in a process that outlives who asked."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from flatfield.children.running import Start, run_process
from flatfield.faces.speech.sentences import plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


# Which voices this machine has, and how each is asked to speak or to write a WAV file; the text is never a shell's.


_POWERSHELL = (
    "Add-Type -AssemblyName System.Speech; $s = New-Object System.Speech.Synthesis.SpeechSynthesizer; "
    "{target}$s.Speak([Console]::In.ReadToEnd())"
)
_NOTIFY = 'on run argv\ndisplay notification (item 1 of argv) with title "flatfield"\nend run'
_SPOKEN = {
    "say": ("--",),
    "spd-say": ("--wait", "--"),
    "espeak-ng": ("--",),
    "notify-send": ("--app-name=flatfield", "--", "flatfield"),
    "osascript": ("-e", _NOTIFY),
}
_WRITTEN = {
    "say": ("--file-format=WAVE", "--data-format=LEI16@22050", "-o"),
    "espeak-ng": ("-w",),
}


class Words(Struct, frozen=True, kw_only=True):
    """How a program is started: its arguments, and what it reads from its standard input."""

    arguments: tuple[str, ...]
    given: str = ""


class Voice(Struct, frozen=True, kw_only=True):
    """One program that speaks; `writes` says whether it can write a WAV file, `shows` that it only shows the text."""

    name: str
    program: str
    writes: bool = True
    shows: bool = False

    def speak(self, text: str) -> Words:
        """How it is asked to say something aloud, or to show it."""
        if self.name == "powershell":
            return _powershell(self.program, _POWERSHELL.format(target=""), text)
        return Words(arguments=(self.program, *_SPOKEN[self.name], text))

    def write(self, text: str, path: Path) -> Words:
        """How it is asked to write a WAV file."""
        if self.name == "powershell":
            target = f"$s.SetOutputToWaveFile('{str(path).replace(chr(39), chr(39) * 2)}'); "
            return _powershell(self.program, _POWERSHELL.format(target=target), text)
        return Words(arguments=(self.program, *_WRITTEN[self.name], str(path), "--", text))


def find_voice(*, to_file: bool = False, which: Callable[[str], str | None] = shutil.which) -> Voice | None:
    """The first voice that is installed, else what can show a text; with `to_file`, the first that can write.

    None: there is none.
    """
    for name, writes in (("say", True), ("spd-say", False), ("espeak-ng", True), ("powershell", True)):
        program = _found(name, which)
        if program is not None and (writes or not to_file):
            return Voice(name=name, program=program, writes=writes)
    if to_file:
        return None
    for name in ("notify-send", "osascript"):
        program = which(name)
        if program is not None:
            return Voice(name=name, program=program, writes=False, shows=True)
    return None


def _found(name: str, which: Callable[[str], str | None]) -> str | None:
    if name != "powershell":
        return which(name)
    return which("powershell.exe") or which("powershell")


def _powershell(program: str, script: str, text: str) -> Words:
    return Words(arguments=(program, "-NoProfile", "-NonInteractive", "-Command", script), given=text)


SENTENCE_SECONDS = 30.0
"""A voice that takes longer than this for a sentence hangs, and is ended."""
LAST_WORDS_SECONDS = 20.0
"""How long the end of a command waits for what is still to be said."""
WAITING_SENTENCES = 20
"""What is to be said beyond this many is left out: it would be old news."""
_ASK_AGAIN_SECONDS = 0.05
MUTE = "nothing here can speak or show a notification: install espeak-ng (Debian: apt-get install espeak-ng)"
_UNWRITTEN = "nothing here can write speech to a file: install espeak-ng (Debian: apt-get install espeak-ng)"


class Speaker:
    """`say` returns at once; the sentences are spoken in order, never two at a time, also beside other processes.

    With `path`, they go into one WAV file instead, one after the other. `problems` are what could not be said, and why.
    """

    def __init__(self, voice: Voice | None, path: Path | None = None, lock: Path | None = None) -> None:
        self._voice = voice
        self._path = path
        self._lock = lock or Path(tempfile.gettempdir()) / f"flatfield-voice-{os.getuid()}.lock"
        self._waiting: asyncio.Queue[str] = asyncio.Queue(WAITING_SENTENCES)
        self.problems: list[str] = [] if voice is not None else [MUTE if path is None else _UNWRITTEN]

    def say(self, text: str) -> None:
        """Have it said some time soon."""
        if self._voice is None:
            return
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(plain(text))

    async def work(self) -> None:
        """Say what comes, until cancelled."""
        while True:
            text = await self._waiting.get()
            try:
                await self._utter(text)
            except (OSError, EOFError, wave.Error, TimeoutError) as error:
                self.problems.append(f"{text!r} could not be said: {str(error) or 'the voice hung'}")
            finally:
                self._waiting.task_done()

    async def finish(self, seconds: float = LAST_WORDS_SECONDS) -> None:
        """Wait until all is said, but not for longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waiting.join()

    async def _utter(self, text: str) -> None:
        voice = self._voice
        if voice is None:
            return
        if self._path is not None:
            await self._append(text, voice, self._path)
        else:
            async with _turn(self._lock):
                await _run(voice.speak(text))

    async def _append(self, text: str, voice: Voice, path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="speech-") as folder:
            part = Path(folder) / "part.wav"
            await _run(voice.write(text, part))
            if not part.is_file():
                raise OSError(f"{voice.name} wrote no file")
            joined = await asyncio.to_thread(_joined, path, part)
            await asyncio.to_thread(path.write_bytes, joined)


@asynccontextmanager
async def speaking(
    path: Path | None = None, *, last_words_seconds: float = LAST_WORDS_SECONDS
) -> AsyncIterator[Speaker]:
    """A speaker with this machine's voice, or with what shows texts here; what is left to say is said on leaving.

    Without a voice it is silent, and says so in its `problems`: what is measured does not depend on it.
    """
    voice = await asyncio.to_thread(find_voice, to_file=path is not None)
    speaker = Speaker(voice, path)
    if path is not None and voice is not None:
        with suppress(OSError):  # whatever is there and cannot be removed cannot be written either: that is said then
            await asyncio.to_thread(path.unlink, missing_ok=True)
    work = asyncio.create_task(speaker.work())
    try:
        yield speaker
        await speaker.finish(last_words_seconds)
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


@asynccontextmanager
async def _turn(path: Path) -> AsyncIterator[None]:
    """Wait until no other process of this user speaks, and keep them waiting meanwhile."""
    with _opened(path) as descriptor:
        # A thread that waited for the lock could not be cancelled, and would hold up the end.
        while not _is_free(descriptor):  # noqa: ASYNC110 - another process has it: nobody here could set an event
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        yield


@contextmanager
def free_turn(path: Path) -> Iterator[bool]:
    """Take a turn if nobody has it, and say whether it was taken."""
    with _opened(path) as descriptor:
        yield _is_free(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    """Take the turn, if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _run(words: Words) -> None:
    """Run a voice to its end; what it prints is of no interest, its exit code proves nothing."""
    start = Start(environ=os.environ, given=words.given.encode())
    # A voice may start the server that speaks for everybody here.
    ran = await run_process(words.arguments, start, seconds=SENTENCE_SECONDS, leaves_daemons=True)
    if ran.exit_code is None:
        raise TimeoutError


def _joined(path: Path, part: Path) -> bytes:
    """The WAV file with another one behind it."""
    import io

    sources = [source for source in (path, part) if source.is_file()]
    out = io.BytesIO()
    with wave.open(out, "wb") as target:
        for number, source in enumerate(sources):
            with wave.open(str(source), "rb") as spoken:
                if not number:
                    target.setparams(spoken.getparams())
                target.writeframes(spoken.readframes(spoken.getnframes()))
    return out.getvalue()


# Says sentences in a process of its own, which nobody waits for and which outlives who asked: one queue, one
# speaker.
#
# Whoever has something to say puts it at the end of a file and starts a speaker. The first of these says all that
# is there, in its order; the others find that somebody speaks, and leave.


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
