"""`flatfield speak`, and the options that let other commands be heard."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import examples, note, notes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flatfield.faces.speech.speaker import Speaker


Speak = Annotated[bool, typer.Option("--speak", help="Say aloud when an agent is done and when the run is graded.")]
SpeakTo = Annotated[Path | None, typer.Option(metavar="FILE", help="Write what would be said to a WAV file instead.")]
EPILOG = examples(
    'flatfield speak "the tests are green"',
    'flatfield speak "the tests are green" --to said.wav',
    "flatfield speak --hook < event.json     what an assistant's hook tells, from its result",
)


class HeardVoice(NamedTuple):
    """Whether a command is to be heard, and the WAV file that it speaks to, if any."""

    aloud: bool
    path: Path | None = None


@asynccontextmanager
async def heard(voice: HeardVoice, *, last_words_seconds: float | None = None) -> AsyncIterator[Speaker | None]:
    """A speaker where one was asked for; what it could not say is noted, and fails nothing.

    Raises:
        FlatfieldError: the file to speak to cannot be one.
    """
    if not voice.aloud and voice.path is None:
        yield None
        return
    from flatfield.faces.speech.speaker import LAST_WORDS_SECONDS, speaking

    if voice.path is not None and (voice.path.is_dir() or not voice.path.parent.is_dir()):
        raise FlatfieldError(f"{voice.path} cannot be a WAV file: name a file in a folder that exists")
    patience = LAST_WORDS_SECONDS if last_words_seconds is None else last_words_seconds
    async with speaking(voice.path, last_words_seconds=patience) as speaker:
        known = tuple(speaker.problems)
        notes(known)
        yield speaker
    notes([problem for problem in speaker.problems if problem not in known])


def command(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", show_default=False, help="What to say.")] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a WAV file instead.")] = None,
    hook: Annotated[bool, typer.Option("--hook", help="Read an assistant's hook event (JSON) from stdin.")] = False,
) -> None:
    """Say one sentence with this machine's voice, or show it where there is none."""
    if hook == (text is not None):
        raise FlatfieldError("give either the text to say, or --hook with an event on stdin")
    if text is not None:
        asyncio.run(_say(text, to))
        return
    try:
        _tell(to)
    except (FlatfieldError, OSError) as error:
        note(str(error))


def _tell(to: Path | None) -> None:
    """Say what the event on stdin tells, in a process that outlives the assistant's own end.

    An assistant reads a hook's stdout and takes its exit code 2 for an order: there is neither, whatever happens.

    Raises:
        FlatfieldError: it is no event that is spoken of, or cannot be said.
        OSError: no process can be started for it.
    """
    from flatfield.faces.speech.hooks import hook_sentence
    from flatfield.faces.speech.speaker import MUTE, find_voice, say_aside

    text = hook_sentence(sys.stdin.buffer.read())
    if to is not None and text:
        asyncio.run(_say(text, to))
    elif text and find_voice() is None:
        note(MUTE)
    elif text:
        say_aside(text)


async def _say(text: str, path: Path | None) -> None:
    async with heard(HeardVoice(aloud=True, path=path)) as speaker:
        if speaker is not None:
            speaker.say(text)
