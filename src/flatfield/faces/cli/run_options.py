"""The options that `eval`, `vary`, `try` and `plan` share, and the run that files and options ask for."""

from __future__ import annotations

import shlex
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import notes
from flatfield.faces.cli.completing import agents, tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import AgentConfig
    from flatfield.runs.order import Asked, Chosen, Ordered
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project


Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILES",
        show_default=False,
        help="LOPs, and a HOP: Markdown files, folders, suite:NAME.",
        autocompletion=tasks,
    ),
]
Agents = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B",
        help="Names, globs or PROVIDER:MODEL[@URL]; replaces every roster. Can be given several times.",
        autocompletion=agents,
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env", metavar="VARIABLE", help="The environment variable with the key for agents written with @URL."
    ),
]
LISTS = frozenset({"--agents", "--judge"})
Repeats = Annotated[int | None, typer.Option(metavar="N", min=1, help="Trials per agent and task.")]
Jobs = Annotated[int | None, typer.Option(metavar="N", min=1, help="Trials at once (8 if not given).")]
Seed = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Makes generated tasks and shuffles trials (else 0).")
]
Judge = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Agents that grade what has a rubric.", autocompletion=agents),
]
Budget = Annotated[
    float | None,
    typer.Option(metavar="N", min=0, help="Start nothing that could bring its cost above so many dollars."),
]
BudgetIgnores = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B",
        help="Agents that the dollars let go on though nobody knows what they cost.",
        autocompletion=agents,
    ),
]
BudgetSeconds = Annotated[
    float | None, typer.Option(metavar="N", min=0, help="Start nothing that would not have ended in so many seconds.")
]
SkipUnready = Annotated[
    bool, typer.Option("--skip-unready", help="Run without the agents that cannot; list them as not measured.")
]
Ungraded = Annotated[
    bool, typer.Option("--ungraded", help="Run tasks too that nothing checks: speed and cost are measured, no more.")
]
JudgeWeight = Annotated[
    float | None, typer.Option(metavar="W", min=0, max=1, help="How much judges count beside verifiers (else 0).")
]
UntilSure = Annotated[
    bool, typer.Option("--until-sure", help="Add repeats where they matter until the order of the best is settled.")
]
MaxRepeats = Annotated[
    int | None, typer.Option(metavar="N", min=3, help="With --until-sure: so many of a task at most (30 if not given).")
]
Unsafe = Annotated[bool, typer.Option("--unsafe-commands", help="Run commands that models write WITHOUT a sandbox.")]


def asked_run(
    files: Sequence[str], project: Project, access: Access, chosen: Chosen, arguments: Sequence[str]
) -> Ordered:
    """The new run that files and options ask for, and its judges.

    Raises:
        FlatfieldError: no files, no tasks in them, mistakes in them, or agents that are not configured.
        NotTrusted: a task is made by a function that may not be run.
    """
    from flatfield.clock import SystemClock
    from flatfield.runs.order import Request, ordered

    if not files:
        raise FlatfieldError("name what to evaluate: LOP files, folders, or suite:basic")
    _refuse_spaces(files, arguments, project.roster)

    def look(asked: Asked) -> None:
        notes((*project.notes, *asked.notes))
        if not asked.tasks:
            raise FlatfieldError(f"there is no LOP in {', '.join(files)}: a HOP needs at least one task to evaluate")

    command_line = shlex.join(["flatfield", *arguments])
    request = Request(files=tuple(files), folder=Path.cwd(), chosen=chosen, command=command_line, look=look)
    return ordered(request, project.roster, access, SystemClock().utc())


def most_repeats(asked: int | None, *, until_sure: bool, extending: bool) -> int | None:
    """How many repeats there may be at most when some are added; None: none are."""
    from flatfield.runs.evaluation.until_sure import MAX_REPEATS

    if not until_sure:
        if asked is not None:
            raise FlatfieldError("--max-repeats limits what --until-sure adds: give both, or --repeats alone")
        return None
    if extending:
        raise FlatfieldError(
            "--until-sure compares all agents of a run, --extend runs only the new ones: extend first, then go on with "
            "flatfield eval --resume RUN --until-sure"
        )
    return MAX_REPEATS if asked is None else asked


def _refuse_spaces(files: Sequence[str], arguments: Sequence[str], roster: Sequence[AgentConfig]) -> None:
    """`--agents a b` takes `b` for a file: say how agents are listed, where it is one and no file.

    Raises:
        FlatfieldError: a word behind a list of agents is an agent.
    """
    known = {agent.name for agent in roster}
    for option, listed, *words in (arguments[start:] for start in range(len(arguments) - 2)):
        meant = list(takewhile(lambda word: word in files and not Path(word).exists(), words))
        if option not in LISTS or not meant or not (listed.endswith(",") or meant[0] in known or _is_spec(meant[0])):
            continue
        together = ",".join([listed.rstrip(","), *(word.rstrip(",") for word in meant)])
        raise FlatfieldError(
            f"{option} {listed} {meant[0]} names one agent and a file {meant[0]!r}, which is not there: "
            f"use commas, {option} {together}, or give {option} twice"
        )


def _is_spec(word: str) -> bool:
    from flatfield import plugins

    provider, colon, _ = word.partition(":")
    return bool(colon) and provider in plugins.names("provider")
