"""`flatfield runs`, `show` and `replay`: what is stored, as people or programs read it, and as it happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli import common
from flatfield.faces.cli.completing import trials
from flatfield.faces.cli.ending import INTERRUPTED, interruptible
from flatfield.faces.cli.speech import HeardVoice, Speak, SpeakTo, heard

if TYPE_CHECKING:
    from flatfield.records import RunResult, RunSummary


RUNS_EPILOG = common.examples("flatfield runs", "flatfield runs --json")
SHOW_EPILOG = common.examples(
    "flatfield show 20260102-101500-ab12/oracle/level-0-fact/1",
    "flatfield show 20260102/oracle/level-0-fact/1 --json     the beginning of the run's id is enough",
    "flatfield show 20260102/oracle/level-0-fact/1 --wire     what went to the API and came back",
)
TITLE_WIDTH = 80


def runs(context: typer.Context, full: common.Full = False, as_json: common.AsJson = False) -> None:
    """List the stored runs, newest first."""
    from flatfield.faces.blocks import Table

    store = common.settings(context).store()
    found = store.runs()
    if as_json:
        common.print_json(found)
    elif not found:
        common.write(f"No runs are stored in {store.path.parent} yet: start one with `flatfield eval`.\n")
    else:
        columns = ("run", "what", "agents", "tasks", "measured", "spent")
        rows = tuple(map(_row, found))
        names, cut, right = frozenset({"run"}), frozenset({"what"}), frozenset(columns[2:])
        table = Table(columns=columns, rows=rows, right=right, names=names, cut=cut, drop=("tasks", "agents"))
        common.print_table(table, full=full)


def _row(summary: RunSummary) -> tuple[str, ...]:
    from flatfield.faces.wording import UNKNOWN, dollars, one_line

    is_unknown = summary.cost_usd is None or not (summary.stored or summary.cost_usd)
    return (
        summary.id,
        one_line(summary.title, TITLE_WIDTH),
        str(len(summary.agents)),
        str(len(summary.tasks)),
        f"{summary.measured}/{summary.planned}",
        "imported" if summary.imported else UNKNOWN if is_unknown else dollars(summary.cost_usd),
    )


def show(
    context: typer.Context,
    trial: Annotated[
        str,
        typer.Argument(
            metavar="TRIAL", help="RUN/agent/task/repeat, as reports show it, or last.", autocompletion=trials
        ),
    ],
    wire: Annotated[
        bool, typer.Option("--wire", help="Print the exact bodies that were sent and received, keys removed.")
    ] = False,
    as_json: common.AsJson = False,
) -> None:
    """Print one trial: every message, tool call, timing and token."""
    from flatfield.faces.transcript import exchanges, rebuilt_of, transcript, without_exchanges

    store = common.settings(context).store()
    record = store.trial(trial)
    if wire and as_json:
        common.print_json(tuple(rebuilt_of(record)))
    elif wire:
        common.write(exchanges(record) + "\n")
    elif as_json:
        common.print_json(without_exchanges(record))
    else:
        common.write(transcript(record, store.verdicts(record.run)) + "\n")


# `flatfield replay`: a stored run as it happened, in quick motion.


EPILOG = common.examples(
    "flatfield replay                          the newest run, ten times as fast",
    "flatfield replay 20260102 --speed 1 --speak",
    "flatfield examples load nano-agent-2025-08 && flatfield replay 20250815 --speed 30",
)


def command(
    context: typer.Context,
    run: common.RunArgument = None,
    speed: Annotated[float, typer.Option(metavar="N", min=0.01, help="How many times as fast as it was.")] = 10.0,
    speak: Speak = False,
    speak_to: SpeakTo = None,
) -> None:
    """Play a stored run back: agents racing and finishing, then the report's table."""
    from flatfield.faces.drawing import open_console
    from flatfield.faces.live import BANNER
    from flatfield.faces.reports import terminal
    from flatfield.runs.results import load_result

    result = load_result(common.settings(context).store(), run)
    if not result.trials:
        raise NotFound(f"run {result.run.id} has no trials to play back: name another, see flatfield runs")
    if result.run.imported:
        common.note(BANNER)
    if asyncio.run(_play(result, speed, HeardVoice(speak, speak_to))):
        raise typer.Exit(INTERRUPTED)
    screen = open_console()
    terminal.show_ranking(result, screen)


async def _play(result: RunResult, speed: float, voice: HeardVoice) -> bool:
    """Play it, with whoever is to be heard; True when it was interrupted."""
    from flatfield.clock import SystemClock
    from flatfield.faces.drawing import open_console
    from flatfield.faces.live import FasterClock, LiveView, plans, play, timeline
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
