"""`flatfield judge check`: is this agent fit to judge?"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.codes import GATE_FAILED, INTERRUPTED, NOT_MEASURED
from flatfield.faces.cli.common import (
    AsJson,
    environ_of,
    examples,
    note,
    notes,
    prices_of,
    print_json,
    settings,
    write,
)
from flatfield.faces.cli.interrupts import interruptible
from flatfield.faces.cli.trusting import Trust, access_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import AgentConfig
    from flatfield.runs.verdicts.courtroom import Bar
    from flatfield.runs.verdicts.fitness import Examination
    from flatfield.scoring.judge.fitness import Fitness, Outcome
    from flatfield.scoring.judge.labelled_set import Case, LabelledSet
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.tasks.project import Project


app = typer.Typer(
    help="Measure judges before they are trusted.",
    epilog=examples("flatfield judge check claude-sonnet", "flatfield judge check smollm2-json --limit 6"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def top() -> None:
    """Keep `check` a command of its own."""


@app.command(
    "check",
    epilog=examples(
        "flatfield judge check claude-sonnet",
        "flatfield judge check smollm2-json --limit 6     a quick look, without a verdict",
        "flatfield judge check openai-chat:qwen3@http://127.0.0.1:8080/v1 --json",
        after="Exit code: 0 passed, 1 not passed, 3 not all trials were judged, 130 interrupted.",
    ),
)
def check(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="A configured name or PROVIDER:MODEL[@URL].")],
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Judge only the first N trials; six hold each letter once.")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Go on also when it cannot pass any more.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Ask again what was asked before.")] = False,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Have an agent judge trials whose letters are known, and say whether its letters mean anything.

    What it said is kept: an interrupted check goes on where it was, and eval knows whether its judge has passed.
    """
    from flatfield.clock import SystemClock
    from flatfield.runs.permission import wants_of
    from flatfield.runs.verdicts.courtroom import Bar
    from flatfield.runs.verdicts.fitness import examination
    from flatfield.scoring.judge.labelled_set import labelled_set

    project = settings(context).project()
    notes(project.notes)
    judge = _one(agent, project)
    environ = environ_of(project)
    access = access_of(project, environ, everything=trust)
    access.allow(wants_of((), (judge,), environ, access))
    bar = Bar(clock=SystemClock(), environ=environ, limits=project.lanes, access=access)
    cases = labelled_set()
    kept = examination(judge, _cache(), cases)
    if again:
        from msgspec import structs

        kept = structs.replace(kept, outcomes=(), checked_at="")
    found, stopped = asyncio.run(_examine(judge, cases.cases[:limit], kept, bar, prices_of(project), whole))
    figures = found.fitness
    if as_json:
        print_json(_shown(found, figures))
    elif figures is not None:
        _print(found, figures, cases)
    _leave(found, figures, stopped=stopped)


def _leave(found: Examination, figures: Fitness | None, *, stopped: bool) -> None:
    failed = [each for each in found.outcomes if not each.measured]
    if failed:
        note(f"{len(failed)} trials could not be judged; the first: {failed[0].reason}")
    if stopped:
        done = len(found.outcomes) - len(failed)
        note(f"interrupted: {done} of {found.total} trials are judged and kept; the same command goes on")
        raise typer.Exit(INTERRUPTED)
    if figures is None or figures.passed is None:
        raise typer.Exit(NOT_MEASURED)
    if not figures.passed:
        raise typer.Exit(GATE_FAILED)


def _one(name: str, project: Project) -> AgentConfig:
    from flatfield.tasks.agents import select_agents

    found = select_agents((name,), project.roster)
    if len(found) != 1:
        raise FlatfieldError(f"{name!r} means {len(found)} agents: name one")
    return found[0]


def _cache() -> Any:  # noqa: ANN401 - a Path, whose import waits for the command
    from flatfield.machine.models import cache_folder

    return cache_folder(os.environ)


async def _examine(
    judge: AgentConfig, chosen: Sequence[Case], kept: Examination, bar: Bar, prices: Prices, whole: bool
) -> tuple[Examination, bool]:
    """Examine with a line of progress on stderr for each trial; True when it was interrupted."""
    from flatfield.runs.verdicts.courtroom import courtroom
    from flatfield.runs.verdicts.fitness import Desk, examine

    stop = asyncio.Event()
    known = {each.case for each in kept.outcomes}
    done = sum(case.id in known for case in chosen)
    if done:
        note(f"{done} of {len(chosen)} trials were judged before; --again asks again")

    def tell(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        note(f"[{done}/{len(chosen)}] {_line(outcome)}")

    def interrupt() -> None:
        stop.set()
        note("stopping: what was judged is kept; Ctrl-C again ends at once")

    with interruptible(interrupt):
        async with courtroom((judge,), bar, note) as (pool, lanes):
            await asyncio.to_thread(prices.prepare)
            desk = Desk(
                pool=pool,
                lanes=lanes,
                prices=prices,
                clock=bar.clock,
                folder=_cache(),
                stop=stop,
                tell=tell,
                whole=whole,
            )
            found = await examine(judge, chosen, kept, desk)
    return found, stop.is_set()


def _line(outcome: Outcome) -> str:
    from flatfield.faces.wording import one_line, seconds

    said = outcome.letter or "no letter"
    mark = "" if outcome.letter == outcome.wanted else f", known is {outcome.wanted}"
    why = "" if outcome.letter else f": {one_line(outcome.reason, 90)}"
    return f"{outcome.case.partition('/')[0]}, {outcome.category}: {said}{mark} · {seconds(outcome.seconds)}{why}"


def _shown(found: Examination, figures: Fitness | None) -> dict[str, Any]:
    return {
        "agent": found.agent,
        "fingerprint": found.fingerprint,
        "labelled_set": found.set_digest,
        "checked_at": found.checked_at,
        "passed": figures.passed if figures else None,
        "fitness": figures,
        "outcomes": found.outcomes,
    }


def _print(found: Examination, figures: Fitness, cases: LabelledSet) -> None:
    from flatfield.faces.drawing import draw, open_console
    from flatfield.faces.fitness import fitness_sections

    console = open_console()
    for section in fitness_sections(found, figures, cases):
        draw(section, console)
    write("\n")
    if figures.passed is False and figures.n < figures.total:
        write("Stopped: too many trials are without a letter for it to pass; --all goes on.\n")
    verdict = {
        True: f"{found.agent} passed: it can be a judge.",
        False: f"{found.agent} did not pass: its letters are not worth asking for.",
        None: f"No verdict: {figures.n} of {figures.total} trials are judged.",
    }
    write(verdict[figures.passed] + "\n")
