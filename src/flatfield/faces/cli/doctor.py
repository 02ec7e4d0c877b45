"""`flatfield doctor`: what is there, what is not, and how to fix it; and whether servers are as flatfield believes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotReady
from flatfield.faces.cli.common import (
    AsJson,
    comma_list,
    environ_of,
    examples,
    note,
    notes,
    outside_of,
    print_json,
    settings,
    write,
)
from flatfield.faces.cli.completing import agents as complete_agents
from flatfield.faces.cli.ending import INTERRUPTED, NOT_MEASURED, interruptible
from flatfield.faces.cli.trust import Trust, access_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig
    from flatfield.runs.readiness import Examined
    from flatfield.runs.world import Outside
    from flatfield.tasks.project import Project
    from flatfield.testing.real.examining import LiveExamination, LiveReport

EPILOG = examples(
    "flatfield doctor",
    "flatfield doctor --json",
    "flatfield doctor --live --budget-usd 0.05 --out differences.md",
    "flatfield doctor --live --agents claude-haiku-4-5,openai-chat:qwen3@http://127.0.0.1:8080/v1",
    after="""\b
Exit codes with --live:
  0    all were asked, whatever the differences
  2    nobody could be asked
  3    somebody could not be asked, or not everything
  130  interrupted; what was found until then is printed""",
)
MARKS = {"ok": "✓", "missing": "–", "wrong": "✗"}
BUDGET_USD = 0.05


def command(
    context: typer.Context,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Ask real servers with your own keys, and say where they differ from the test kit."
        ),
    ] = False,
    agents: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="With --live: ask these; else one a vendor.", autocompletion=complete_agents),
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option(metavar="N", min=0, help=f"With --live: spend no more than this ({BUDGET_USD}).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --live: write the report there, as Markdown or JSON.")
    ] = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Look at keys, servers, models, sandbox and disk.

    Says what is there, what is not, and how to fix it; nothing is spent but a tiny
    request of each model that its server does not list. With --live, one small tool
    conversation a vendor is held against what flatfield believes of it.
    """
    project = settings(context).project()
    notes(project.notes)
    if live:
        _refuse_unwritable(out)
        budget = BUDGET_USD if budget_usd is None else budget_usd
        environ = environ_of(project)
        outside = outside_of(project, environ, access_of(project, environ, everything=trust))
        named = _named(project, comma_list(agents, "--agents") or ())
        examination, interrupted = asyncio.run(_ask(outside, named, budget))
        _leave(examination, out, as_json=as_json, interrupted=interrupted)
        return
    if given := [
        name
        for name, value in (("--agents", agents), ("--budget-usd", budget_usd), ("--out", out))
        if value is not None
    ]:
        raise FlatfieldError(f"{given[0]} goes with --live, which asks real servers: add --live, or leave it out")
    findings = asyncio.run(_examine(project))
    if as_json:
        print_json(findings)
    else:
        _show(findings)


def _show(findings: tuple[Examined, ...]) -> None:
    from flatfield.faces.drawing import open_console, wrapped

    screen = open_console()
    for finding in findings:
        wrapped(f"{finding.part}: {finding.found}", screen, first=f"{MARKS[finding.state]} ", then="  ")
        if finding.fix:
            wrapped(finding.fix, screen, first="    → ", then="      ", style="dim")


async def _examine(project: Project) -> tuple[Examined, ...]:
    from flatfield.runs.readiness import examine
    from flatfield.runs.world import open_world

    environ = environ_of(project)
    async with open_world(outside_of(project, environ, access_of(project, environ, asks=False))) as world:
        return await examine(project, world.pool)


# With --live: real servers are asked, and held against the test kit.


async def _ask(outside: Outside, named: tuple[AgentConfig, ...], budget_usd: float) -> tuple[LiveExamination, bool]:
    """What was found, and whether it was interrupted. Ctrl-C ends the request that is under way."""
    from flatfield.http.retrying import RetryPolicy
    from flatfield.runs.world import open_world
    from flatfield.testing.real.examining import LiveExamination, usual_agents

    answers: list[Mapping[str, str]] = []
    patience = RetryPolicy(attempts=2, replies=1, total_wait_seconds=20.0, stall_seconds=90.0)
    async with open_world(outside, retry=patience, heard=answers.append) as world:
        asked = named or await usual_agents(world)
        if not asked:
            raise NotReady(_nobody())
        examination = LiveExamination(world, answers, budget_usd, lambda text: note(f"  {text}"))
        work = asyncio.ensure_future(_each(examination, asked, named=bool(named)))
        with interruptible(work.cancel):
            try:
                await work
            except asyncio.CancelledError:
                return examination, True
        return examination, False


async def _each(examination: LiveExamination, asked: tuple[AgentConfig, ...], *, named: bool) -> None:
    for agent in asked:
        await examination.ask(agent, named=named)


def _named(project: Project, names: tuple[str, ...]) -> tuple[AgentConfig, ...]:
    """The agents that the user names.

    Raises:
        FlatfieldError: one of them has no server of a model's vendor behind it.
    """
    from flatfield import plugins
    from flatfield.tasks.agents import select_agents

    chosen = select_agents(names, project.roster)
    for agent in chosen:
        vendor = plugins.traits_or_usual(agent.provider)
        if vendor.is_control or vendor.is_scaffold:
            raise FlatfieldError(f"{agent.name} asks no model's server itself, so there is nothing to hold against it")
    return chosen


def _refuse_unwritable(out: Path | None) -> None:
    """Before anything is spent.

    Raises:
        FlatfieldError: nothing can be written there.
    """
    if out is None:
        return
    place = out.expanduser()
    there = place if place.exists() else place.parent
    if place.is_dir() or not there.exists() or not os.access(there, os.W_OK):
        raise FlatfieldError(f"the report cannot be written to {out}: name a file in a folder that can be written")


def _nobody() -> str:
    from flatfield.runs.readiness import key_variables

    return (
        "nobody can be asked: no key is set, and no model server answers on this machine; set one of "
        f"{', '.join(key_variables())}, or name an agent with --agents PROVIDER:MODEL@URL"
    )


def _leave(examination: LiveExamination, out: Path | None, *, as_json: bool, interrupted: bool) -> None:
    """Print or write the report, and leave with its exit code.

    Raises:
        NotReady: nobody was asked; why not, of each.
        typer.Exit: 130 when it was interrupted, 3 when somebody was not asked.
    """
    report = examination.report
    states = {each.state for each in report.vendors}
    if states == {"not asked"} and not interrupted:
        raise NotReady("\n  ".join(examination.reasons))
    if report.vendors:
        _tell(report, out, as_json=as_json)
    notes(examination.reasons)
    if interrupted:
        note("interrupted: the vendor that was being asked, and those after it, are not in the report")
        raise typer.Exit(INTERRUPTED)
    if states != {"asked"}:
        raise typer.Exit(NOT_MEASURED)


def _tell(report: LiveReport, out: Path | None, *, as_json: bool) -> None:
    from flatfield.faces.real_servers import render
    from flatfield.faces.wording import json_of

    text = json_of(report) + "\n" if as_json else render(report)
    if out is None:
        write(text)
        return
    try:
        out.expanduser().write_text(text, encoding="utf-8")
    except OSError as error:
        write(text)  # it was paid for
        raise FlatfieldError(
            f"the report cannot be written to {out}: {error.strerror}; it is printed in the place of that"
        ) from None
    note(f"the report is in {out}")
