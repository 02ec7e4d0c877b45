"""`flatfield vary`: one agent against itself with one setting otherwise: which of them makes the difference."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.faces.cli import common, completing
from flatfield.faces.cli.run_options import (
    Budget,
    BudgetIgnores,
    BudgetSeconds,
    Jobs,
    Judge,
    JudgeWeight,
    MaxRepeats,
    Repeats,
    Seed,
    SkipUnready,
    Ungraded,
    Unsafe,
    UntilSure,
    asked_run,
    most_repeats,
)
from flatfield.faces.cli.speech import HeardVoice, Speak, SpeakTo
from flatfield.faces.cli.trust import Trust, access_of
from flatfield.faces.cli.view import View
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import RunResult
    from flatfield.runs.varying import Varied
    from flatfield.tasks.project import Project

EPILOG = common.examples(
    "flatfield vary gpt-5-mini suite:basic --over reasoning_effort=low,high --repeats 3",
    "flatfield vary qwen3 tasks/ --over base_url=http://127.0.0.1:8081/v1 --over protocol=native,json",
    "flatfield vary claude-sonnet tasks/ --over scaffold=nano,cli:claude-code --budget-usd 5",
    "flatfield vary mine tasks/ --over system_prompt=short.md,none --over tools=read_file+write_file",
    "flatfield vary qwen tasks/ --over model=q4.gguf,q8.gguf --over context_tokens=4096,16384",
    "flatfield vary --of 20260102             what that run found, read again",
    after="""\b
A value is written as in flatfield.toml. Beside it there are:
  system_prompt=FILE,FILE       files that hold the prompts; none: no prompt at all
  tools=read_file+write_file    tools with + between them; none: no tools
  scaffold=nano,cli:PROGRAM     the same model in another agent's loop
  NAME=default                  the setting left out""",
)


AgentArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="AGENT",
        show_default=False,
        help="Whose settings are varied: a name, or PROVIDER:MODEL[@URL].",
        autocompletion=completing.agents,
    ),
]
TaskFiles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILES",
        show_default=False,
        help="LOPs, and a HOP, as eval takes them.",
        autocompletion=completing.tasks,
    ),
]
Over = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE,VALUE",
        help="A setting of the agent, or scaffold, and its values; one option a setting.",
        autocompletion=completing.factors,
    ),
]
Of = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="Run nothing: read again what RUN found.", autocompletion=completing.runs),
]


def command(
    context: typer.Context,
    agent: AgentArgument = None,
    files: TaskFiles = None,
    over: Over = None,
    of: Of = None,
    repeats: Repeats = None,
    jobs: Jobs = None,
    seed: Seed = None,
    judge: Judge = None,
    judge_weight: JudgeWeight = None,
    budget_usd: Budget = None,
    budget_ignores: BudgetIgnores = None,
    budget_seconds: BudgetSeconds = None,
    until_sure: UntilSure = False,
    max_repeats: MaxRepeats = None,
    skip_unready: SkipUnready = False,
    ungraded: Ungraded = False,
    unsafe_commands: Unsafe = False,
    trust: Trust = False,
    view: View = False,
    speak: Speak = False,
    speak_to: SpeakTo = None,
    full: common.Full = False,
    as_json: common.AsJson = False,
) -> None:
    """Find out what makes the difference: the model, the prompt, the tools, the harness, the host.

    One setting at a time is tried otherwise, against the same agent as it is configured, on the same tasks in the same
    shuffled order. The baseline runs once for all. What comes of it is a run like any other.
    """
    from msgspec import structs

    from flatfield.faces.cli.carry_out import CarriedOut, Told, carried_out
    from flatfield.runs.order import Chosen, ungradable

    project = common.settings(context).project()
    show = partial(_show, project=project, full=full, as_json=as_json)
    if of is not None:
        _read_again(of, [*([agent] if agent else []), *(files or []), *(over or [])], project, show)
        return
    varied = _varied(agent, over or [], project)
    chosen = Chosen(
        agents=tuple(one.name for one in varied.agents),
        repeats=repeats,
        jobs=jobs,
        seed=seed,
        judge=common.comma_list(judge, "--judge"),
        judge_weight=judge_weight,
        budget_usd=budget_usd,
        budget_ignores=common.comma_list(budget_ignores, "--budget-ignores"),
        budget_seconds=budget_seconds,
    )
    most = most_repeats(max_repeats, until_sure=until_sure, extending=False)
    project = _with(varied, project)
    environ = common.environ_of(project)
    access = access_of(project, environ, everything=trust)
    run, judges = asked_run(files or [], project, access, chosen, common.settings(context).arguments)
    if not ungraded and (mistakes := ungradable(run)):
        raise InvalidFiles(mistakes)
    how = CarriedOut(
        project=project,
        outside=common.outside_of(project, environ, access),
        judges=judges,
        skip_unready=skip_unready,
        unsafe_commands=unsafe_commands,
        until_sure=most,
        view=view,
    )
    voice, told = HeardVoice(speak, speak_to), Told(show=partial(show, stored=True), say=_spoken)
    asyncio.run(carried_out(structs.replace(run, variations=varied.variations), store_of(project), how, voice, told))


def _varied(agent: str | None, over: Sequence[str], project: Project) -> Varied:
    """The agent and its variations.

    Raises:
        FlatfieldError: no agent is named, or values that cannot be, are not taken, or change nothing.
    """
    from flatfield.runs.varying import baseline_of, parse_factors, vary

    if agent is None:
        raise FlatfieldError("name the agent whose settings are to be varied: flatfield vary AGENT FILES --over …")
    factors = parse_factors(over)
    baseline = baseline_of(agent, project.roster)
    varied = vary(baseline, factors, project.roster, Path.cwd(), common.environ_of(project))
    common.notes(varied.notes)
    return varied


def _with(varied: Varied, project: Project) -> Project:
    """The project whose roster has the variations too."""
    from flatfield.tasks.agents import Roster

    own = {one.name for one in varied.agents}
    others = tuple(one for one in project.roster if one.name not in own)
    return replace(project, roster=Roster((*varied.agents, *others), project.roster.unread))


def _read_again(of: str, beside: Sequence[str], project: Project, show: partial[None]) -> None:
    from flatfield.runs.results import load_result

    if beside:
        raise FlatfieldError(f"--of reads a run that is stored: leave {beside[0]} out")
    show(load_result(store_of(project), of))


def _spoken(result: RunResult) -> str:
    from flatfield.faces.varied import found_in, sentence

    return " ".join(map(sentence, found_in(result)))


def _show(result: RunResult, *, project: Project, full: bool, as_json: bool, stored: bool = False) -> None:
    """Show what was found; of a run that was just done (`stored`), write its report too."""
    from flatfield.faces.cli.carry_out import write_markdown
    from flatfield.faces.drawing import draw, open_console, wrapped
    from flatfield.faces.varied import as_data, sections

    if as_json:
        common.print_json(as_data(result))
    else:
        screen, found = open_console(), sections(result)
        wrapped(f"run {result.run.id}: {result.run.evaluation.title}", screen, style="dim")
        for section in found:
            draw(section, screen, full=full)
    path = write_markdown(result, project) if stored else None
    if path is not None and not as_json:
        common.note(f"\nReport: {os.path.relpath(path)}")
