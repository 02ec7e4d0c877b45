"""`flatfield replay`: a stored run as it happened, in quick motion."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli.common import RunArgument, examples, note, settings
from flatfield.faces.cli.ending import INTERRUPTED, interruptible
from flatfield.faces.cli.speech import HeardVoice, Speak, SpeakTo, heard

if TYPE_CHECKING:
    from flatfield.records import RunResult

EPILOG = examples(
    "flatfield replay                          the newest run, ten times as fast",
    "flatfield replay 20260102 --speed 1 --speak",
    "flatfield examples load nano-agent-2025-08 && flatfield replay 20250815 --speed 30",
)


def command(
    context: typer.Context,
    run: RunArgument = None,
    speed: Annotated[float, typer.Option(metavar="N", min=0.01, help="How many times as fast as it was.")] = 10.0,
    speak: Speak = False,
    speak_to: SpeakTo = None,
) -> None:
    """Play a stored run back: agents racing and finishing, then the report's table."""
    from flatfield.faces.drawing import open_console
    from flatfield.faces.replaying import BANNER
    from flatfield.faces.reports import terminal
    from flatfield.runs.results import load_result

    result = load_result(settings(context).store(), run)
    if not result.trials:
        raise NotFound(f"run {result.run.id} has no trials to play back: name another, see flatfield runs")
    if result.run.imported:
        note(BANNER)
    if asyncio.run(_play(result, speed, HeardVoice(speak, speak_to))):
        raise typer.Exit(INTERRUPTED)
    screen = open_console()
    terminal.show_ranking(result, screen)


async def _play(result: RunResult, speed: float, voice: HeardVoice) -> bool:
    """Play it, with whoever is to be heard; True when it was interrupted."""
    from flatfield.clock import SystemClock
    from flatfield.faces.drawing import open_console
    from flatfield.faces.live import LiveView
    from flatfield.faces.replaying import FasterClock, plans, play, timeline
    from flatfield.faces.speech.sentences import Announcer, graded, letters
    from flatfield.records import Event

    clock = FasterClock(SystemClock(), speed)
    view = LiveView(open_console(stderr=True), plans(result), clock)
    async with heard(voice) as speaker:
        say = speaker.say if speaker is not None else lambda _: None
        announcer = Announcer(plans(result), say, letters(result))

        def observe(event: Event) -> None:
            view.observe(event)
            announcer.observe(event)

        with view:
            playing = asyncio.ensure_future(play(timeline(result), observe, clock))
            with interruptible(playing.cancel):
                await asyncio.wait([playing])
        if playing.cancelled():
            return True
        playing.result()
        if speaker is not None:
            speaker.say(graded(result))
    return False
