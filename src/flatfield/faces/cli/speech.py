"""`flatfield speak`, and the options that let other commands be heard."""

from __future__ import annotations

import asyncio
import json
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
    "flatfield speak --hook < event.json     what an assistant's hook tells: Stop, SubagentStop, Notification",
)
HOOK_FAILED = 1
"""Assistants take a hook's exit code 2 for an order: a Stop hook that fails with it keeps them from stopping."""
_HOOKS = {"Stop": "I am done", "SubagentStop": "A sub-agent is done", "Notification": "I need you"}


class Voice(NamedTuple):
    """Whether a command is to be heard, and the WAV file that it speaks to, if any."""

    aloud: bool
    path: Path | None = None


@asynccontextmanager
async def heard(voice: Voice, *, last_words_seconds: float | None = None) -> AsyncIterator[Speaker | None]:
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
        asyncio.run(_say(hook_sentence(sys.stdin.read()), to))
    except FlatfieldError as error:
        note(str(error))
        raise typer.Exit(HOOK_FAILED) from None


def hook_sentence(event: str) -> str:
    """What is said of an assistant's hook event.

    Raises:
        FlatfieldError: it is no hook event.
    """
    try:
        told = json.loads(event)
    except ValueError:
        raise FlatfieldError("stdin holds no JSON: --hook reads what an assistant hands to its hooks") from None
    if not isinstance(told, dict):
        raise FlatfieldError("stdin holds no hook event: a JSON object with hook_event_name")
    name = str(told.get("hook_event_name", ""))
    if name not in _HOOKS:
        raise FlatfieldError(f"hook_event_name {name!r} is not one that is spoken of; there are: {', '.join(_HOOKS)}")
    if name == "SubagentStop" and (agent := told.get("agent_type")):
        from flatfield.faces.speech.sentences import spoken_name

        return f"{spoken_name(str(agent))} is done"
    return str(told.get("message") or _HOOKS[name]) if name == "Notification" else _HOOKS[name]


async def _say(text: str, path: Path | None) -> None:
    async with heard(Voice(aloud=True, path=path)) as speaker:
        if speaker is not None:
            speaker.say(text)
