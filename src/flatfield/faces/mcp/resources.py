"""What a person finds in the server: prompts, resources at `flatfield://` addresses, and what completes them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, TypeVar

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import Completion, PromptReference
from pydantic import Field

from flatfield import plugins
from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.mcp import evaluations
from flatfield.faces.mcp.listing import hops, lop_text, offers
from flatfield.faces.mcp.schemas import files_of, formats
from flatfield.faces.mcp.tools import TOOLS
from flatfield.faces.storing import store_of
from flatfield.faces.transcript import transcript
from flatfield.faces.wording import json_of, printable
from flatfield.runs.order import how_often, roster
from flatfield.runs.results import load_result
from flatfield.tasks.agents import is_control
from flatfield.tasks.loading import SUITE_PREFIX, suites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mcp.server import MCPServer
    from mcp_types import CompletionArgument, CompletionContext, ResourceTemplateReference

    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.records import Run


# The server's prompts: an evaluation of named LOPs, and, where they are asked for, one for each LOP that it knows.


STEPS = """\
Evaluate these tasks with flatfield: {lops}

1. Call evaluate with lops={listed}{agents}. If the user named agents, repeats, a judge or a budget, pass them on. If it
   is not started because the user has to agree, tell the user the forecast, and call it again as it says once he does.
2. Call evaluation_status with the run's id and wait_seconds=50 until its state is no longer "running". Tell the user
   how far it is when that changes.
3. Call report with the run's id. Show the user its answer first, then a table of its scorecards, then what is to be
   said with the answer (caveats), as they are.
4. End with the reasons of its decision, and how sure it is. For other weights or limits, call pick.

Grades come from flatfield's verifiers and judge: report them, do not change them, and do not grade yourself.
"""


def add_prompts(server: MCPServer, desk: ServerDesk) -> None:
    """Register `hop_evaluate`, and one prompt for each LOP where the server was started so."""

    @server.prompt(title="Evaluate LOPs")
    def hop_evaluate(
        lops: Annotated[str, Field(description="LOP files, folders or suite:NAME, with commas or spaces between them")],
        agents: Annotated[str, Field(description="agents' names or globs, with commas; else as the files say")] = "",
    ) -> str:
        """Evaluate agents on LOPs, watch the run, and show what came of it."""
        return _steps([*files_of([lops], lambda text: (desk.cwd / text).expanduser().exists())], agents)

    if not desk.lop_prompts:
        return
    try:
        known = offers(desk.project().folder, desk.lops)
    except FlatfieldError:
        return  # the tools say what is wrong with the project when they are called
    for offer in known:
        server.prompt(name=f"lop_{offer.name}", title=offer.name, description=f"Evaluate agents on {offer.argument}")(
            _one(offer.argument)
        )


def _one(argument: str) -> Callable[[], str]:
    def prompt() -> str:
        return _steps([argument])

    return prompt


def _steps(lops: list[str], agents: str = "") -> str:
    named = [name.strip() for name in agents.split(",") if name.strip()]
    return STEPS.format(lops=", ".join(lops), listed=lops, agents=f" and agents={named}" if named else "")


# The server's resources: runs, their reports, trials and LOPs, each at a `flatfield://` address.


T = TypeVar("T")


def add_resources(server: MCPServer, desk: ServerDesk) -> None:
    """Register every resource."""
    _add_lists(server, desk)
    _add_runs(server, desk)


def _add_lists(server: MCPServer, desk: ServerDesk) -> None:
    @server.resource("flatfield://runs", title="Runs", mime_type="application/json")
    async def runs() -> str:
        """All stored runs, newest first."""
        return await _read(lambda: json_of(store_of(desk.project()).runs()))

    @server.resource("flatfield://lops", title="LOPs", mime_type="application/json")
    async def lops() -> str:
        """All LOPs that evaluate can be given: name, and the argument to give."""
        return await _read(
            lambda: json_of(
                [{"name": one.name, "argument": one.argument} for one in offers(desk.project().folder, desk.lops)]
            )
        )

    @server.resource("flatfield://lops/{name}", title="LOP", mime_type="text/markdown")
    async def lop(name: str) -> str:
        """One LOP: its Markdown text."""
        return await _read(lambda: lop_text(desk.project().folder, name, desk.lops))


def _add_runs(server: MCPServer, desk: ServerDesk) -> None:
    @server.resource("flatfield://runs/{run}", title="Run", mime_type="application/json")
    async def run_status(run: str) -> str:
        """How far a run has come."""
        return await _read(lambda: json_of(evaluations.status(run, desk).model_dump()))

    def report(run: str, form: str) -> str:
        text: str = plugins.load("report", form).render(load_result(store_of(desk.project()), run))
        return text

    @server.resource("flatfield://runs/{run}/report", title="Report", mime_type="text/markdown")
    async def markdown_report(run: str) -> str:
        """A run's report in Markdown."""
        return await _read(lambda: report(run, "markdown"))

    for form, traits in formats().items():
        _add_format(server, form, traits.media_type, report)

    @server.resource("flatfield://trials/{run}/{agent}/{task}/{repeat}", title="Trial", mime_type="text/plain")
    async def trial(run: str, agent: str, task: str, repeat: str) -> str:
        """One trial: every message, tool call, timing and token."""

        def read() -> str:
            store = store_of(desk.project())
            record = store.trial(f"{run}/{agent}/{task}/{repeat}")
            return transcript(record, store.verdicts(record.run))

        return await _read(read)


def _add_format(server: MCPServer, form: str, mime_type: str, report: Callable[[str, str], str]) -> None:
    @server.resource(
        f"flatfield://runs/{{run}}/report/{form}", name=f"report_{form}", title=f"Report ({form})", mime_type=mime_type
    )
    async def formatted(run: str) -> str:
        """A run's report, whole."""
        return await _read(lambda: report(run, form))


async def _read(work: Callable[[], T]) -> T:
    """Do the reading in a thread, and tell of its errors as the protocol does."""
    try:
        return await asyncio.to_thread(work)
    except NotFound as error:
        raise ResourceNotFoundError(printable(error.worded(TOOLS))) from error
    except FlatfieldError as error:
        raise ResourceError(printable(error.worded(TOOLS))) from error


# What a person may write on with, in a prompt's argument or a resource's address: tasks, agents, runs, trials.


MOST = 100
"""So many the protocol allows."""
_LAST = re.compile(r"(.*,\s*)?(.*)", re.DOTALL)
"""What stands of a list with commas, and its last item."""


def add_completions(server: MCPServer, desk: ServerDesk) -> None:
    """Register the one handler that there is for completions."""

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK leaves it so
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        given = (context.arguments if context else None) or {}
        found = await asyncio.to_thread(_found, ref, argument.name, argument.value, given, desk)
        return Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)


def _found(
    ref: PromptReference | ResourceTemplateReference, name: str, value: str, given: Mapping[str, str], desk: ServerDesk
) -> list[str]:
    try:
        if isinstance(ref, PromptReference):
            return _listed(value, _of_prompt(name, desk))
        return _alike(value, _of_address(name, given, desk))
    except FlatfieldError:
        return []  # the tools say what is wrong with the project when they are called


def _of_prompt(name: str, desk: ServerDesk) -> Sequence[str]:
    project = desk.project()
    if name == "agents":
        return [agent.name for agent in project.roster if not is_control(agent)]
    own = [offer.argument for offer in offers(project.folder, desk.lops) if not offer.suite]
    return [*own, *hops(project.folder, desk.lops), *(f"{SUITE_PREFIX}{suite}" for suite in suites())]


def _of_address(name: str, given: Mapping[str, str], desk: ServerDesk) -> Sequence[str]:
    """What may stand in a part of an address, by the parts before it."""
    project = desk.project()
    if name == "name":
        return [offer.name for offer in offers(project.folder, desk.lops)]
    store = store_of(project)
    if name == "run":
        return [summary.id for summary in store.runs()]
    return _of_run(name, given, store.load_run(given.get("run") or None))


def _of_run(name: str, given: Mapping[str, str], run: Run) -> Sequence[str]:
    agent, task = given.get("agent"), given.get("task")
    if name == "agent":
        return [one.name for one in run.agents]
    if name == "task":
        return [one.id for one in run.tasks if agent is None or agent in roster(run, one.id)]
    often = [times for (id_, who), times in how_often(run).items() if task in (None, id_) and agent in (None, who)]
    return [str(repeat + 1) for repeat in range(max(often, default=0))]


def _listed(value: str, known: Iterable[str]) -> list[str]:
    """The list with its last item written on, those left out that are in it."""
    parts = _LAST.fullmatch(value)
    before, last = (parts[1] or "", parts[2]) if parts else ("", value)
    named = {item.strip() for item in before.split(",")}
    return [before + item for item in _alike(last, known) if item not in named]


def _alike(value: str, known: Iterable[str]) -> list[str]:
    """What begins with the text, then what holds it."""
    wanted = value.strip().lower()
    items = list(dict.fromkeys(known))
    first = [item for item in items if item.lower().startswith(wanted)]
    return [*first, *(item for item in items if wanted in item.lower() and item not in first)]
