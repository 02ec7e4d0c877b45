"""Speaks sentences one after the other, in the background; whatever goes wrong with a voice costs no trial."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import wave
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.children.starting import with_mark
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
    process = await asyncio.create_subprocess_exec(
        *words.arguments,
        env=with_mark(os.environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SENTENCE_SECONDS):
            await process.communicate(words.given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


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
