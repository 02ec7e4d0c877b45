"""`flatfield judge check`: is this agent fit to judge?"""

from __future__ import annotations

import asyncio
import os
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common
from flatfield.faces.cli.completing import agents
from flatfield.faces.cli.ending import GATE_FAILED, INTERRUPTED, NOT_MEASURED, interruptible
from flatfield.faces.cli.trust import Trust, access_of

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.records import AgentConfig
    from flatfield.runs.judge_check import Examination
    from flatfield.runs.world import Outside
    from flatfield.scoring.judge.fitness import Case, Graded, LabelledSet
    from flatfield.tasks.project import Project


app = typer.Typer(
    help="Measure judges before they are trusted.",
    epilog=common.examples("flatfield judge check claude-sonnet", "flatfield judge check smollm2-json --limit 6"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def top() -> None:
    """Keep `check` a command of its own."""


@app.command(
    "check",
    epilog=common.examples(
        "flatfield judge check claude-sonnet",
        "flatfield judge check smollm2-json --limit 6     a quick look, without a verdict",
        "flatfield judge check openai-chat:qwen3@http://127.0.0.1:8080/v1 --json",
        after="Exit code: 0 passed, 1 not passed, 3 not all trials were judged, 130 interrupted.",
    ),
)
def check(
    context: typer.Context,
    agent: Annotated[
        str,
        typer.Argument(metavar="AGENT", help="A configured name or PROVIDER:MODEL[@URL].", autocompletion=agents),
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Judge only N trials, each way; six hold each letter once.")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Go on also when it cannot pass any more.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Ask again what was asked before.")] = False,
    trust: Trust = False,
    full: common.Full = False,
    as_json: common.AsJson = False,
) -> None:
    """Have an agent judge trials whose letters are known, and say whether its letters mean anything.

    It is asked about each by itself, and about all of a task in one request, in two orders, as by rubrics that compare.
    What it said is kept: an interrupted check goes on where it was, and eval knows whether its judge has passed.
    """
    from flatfield.runs.judge_check import examination
    from flatfield.runs.permission import wants_of
    from flatfield.scoring.judge.fitness import labelled_set

    project = common.settings(context).project()
    common.notes(project.notes)
    judge = _one(agent, project)
    environ = common.environ_of(project)
    access = access_of(project, environ, everything=trust)
    access.allow(wants_of((), (judge,), environ, access))
    outside = common.outside_of(project, environ, access)
    cases = labelled_set()
    kept = examination(judge, _cache(), cases)
    if again:
        from msgspec import structs

        kept = structs.replace(kept, outcomes=(), listed=(), checked_at="")
    questions = _Questions(cases=cases.cases[:limit], lists=_within(cases.lists, limit))
    found, stopped = asyncio.run(_examine(judge, questions, kept, outside, whole))
    if as_json:
        common.print_json(_shown(found))
    elif found.fitness or found.list_fitness:
        _print(found, cases, full=full)
    _leave(found, stopped=stopped)


class _Questions(NamedTuple):
    """What is asked: about trials by themselves, and about lists of them."""

    cases: tuple[Case, ...]
    lists: tuple[tuple[Case, ...], ...]

    @property
    def total(self) -> int:
        """How many letters there are to come."""
        return len(self.cases) + sum(map(len, self.lists))

    def known(self, kept: Examination) -> int:
        """How many of them came before."""
        alone, listed = ({each.case for each in outcomes} for outcomes in (kept.outcomes, kept.listed))
        return sum(case.id in alone for case in self.cases) + sum(case.id in listed for case in chain(*self.lists))


def _within(lists: tuple[tuple[Case, ...], ...], limit: int | None) -> tuple[tuple[Case, ...], ...]:
    """As many whole lists as hold no more trials than the limit."""
    sums = accumulate(map(len, lists))
    return lists if limit is None else tuple(group for group, most in zip(lists, sums, strict=True) if most <= limit)


def _leave(found: Examination, *, stopped: bool) -> None:
    every = (*found.outcomes, *found.listed)
    failed = [each for each in every if not each.measured]
    if failed:
        common.note(f"{len(failed)} trials could not be judged; the first: {failed[0].reason}")
    if stopped:
        done, total = len(every) - len(failed), found.total + found.lists_total
        common.note(f"interrupted: {done} of {total} letters are there and kept; the same command goes on")
        raise typer.Exit(INTERRUPTED)
    if found.passed is None:
        raise typer.Exit(NOT_MEASURED)
    if not found.passed:
        raise typer.Exit(GATE_FAILED)


def _one(name: str, project: Project) -> AgentConfig:
    from flatfield.tasks.agents import select_agents

    found = select_agents((name,), project.roster)
    if len(found) != 1:
        raise FlatfieldError(f"{name!r} means {len(found)} agents: name one")
    return found[0]


def _cache() -> Path:
    from flatfield.machine.models import cache_folder

    return cache_folder(os.environ)


async def _examine(
    judge: AgentConfig, questions: _Questions, kept: Examination, outside: Outside, whole: bool
) -> tuple[Examination, bool]:
    """Examine both ways with a line of progress on stderr for each letter; True when it was interrupted."""
    from flatfield.runs.judge_check import ExaminationDesk, examine, examine_lists
    from flatfield.runs.judging import courtroom

    stop = asyncio.Event()
    done = questions.known(kept)
    if done:
        common.note(f"{done} of {questions.total} letters were given before; --again asks again")

    def tell(outcome: Graded) -> None:
        nonlocal done
        done += 1
        common.note(f"[{done}/{questions.total}] {_line(outcome)}")

    def interrupt() -> None:
        stop.set()
        common.note("stopping: what was judged is kept; Ctrl-C again ends at once")

    with interruptible(interrupt):
        async with courtroom((judge,), outside, common.note) as world:
            await asyncio.to_thread(outside.prices.prepare, (judge,))
            desk = ExaminationDesk(world=world, folder=_cache(), stop=stop, tell=tell, whole=whole)
            found = await examine(judge, questions.cases, kept, desk)
            if not stop.is_set():
                found = await examine_lists(judge, questions.lists, found, desk)
    return found, stop.is_set()


def _line(outcome: Graded) -> str:
    from flatfield.faces.wording import one_line, seconds

    said = outcome.letter or "no letter"
    mark = "" if outcome.letter == outcome.wanted else f", known is {outcome.wanted}"
    why = "" if outcome.letter else f": {one_line(outcome.reason, 90)}"
    orders = f", in a list: {' and '.join(each.letter for each in outcome.placed)}" if outcome.placed else ""
    return f"{outcome.task}, {outcome.category}: {said}{mark}{orders} · {seconds(outcome.seconds)}{why}"


def _shown(found: Examination) -> dict[str, Any]:
    return {
        "agent": found.agent,
        "fingerprint": found.fingerprint,
        "labelled_set": found.set_digest,
        "checked_at": found.checked_at,
        "passed": found.passed,
        "fitness": found.fitness,
        "outcomes": found.outcomes,
        "labelled_lists": found.lists_digest,
        "list_fitness": found.list_fitness,
        "listed": found.listed,
    }


def _print(found: Examination, cases: LabelledSet, *, full: bool) -> None:
    from flatfield.faces.drawing import draw, open_console
    from flatfield.faces.judges import fitness_sections, verdict

    console = open_console()
    for section in fitness_sections(found, cases):
        draw(section, console, full=full)
    common.write("\n")
    ways = [(found.fitness, found.total), (found.list_fitness, found.lists_total)]
    if any(figures and figures.passed is False and figures.n < total for figures, total in ways):
        common.write("Stopped: too many trials are without a letter for it to pass; --all goes on.\n")
    common.write(f"{verdict(found)}\n")
