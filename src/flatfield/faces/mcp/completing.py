"""What a person may write on with, in a prompt's argument or a resource's address: tasks, agents, runs, trials."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from mcp_types import Completion, PromptReference

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.catalogue import hops, offers
from flatfield.faces.storing import store_of
from flatfield.runs.plan import how_often, roster
from flatfield.tasks.agents import is_control
from flatfield.tasks.loading import SUITE_PREFIX, suites

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mcp.server import MCPServer
    from mcp_types import CompletionArgument, CompletionContext, ResourceTemplateReference

    from flatfield.faces.mcp.desk import Desk
    from flatfield.records import Run

MOST = 100
"""So many the protocol allows."""
_LAST = re.compile(r"(.*,\s*)?(.*)", re.DOTALL)
"""What stands of a list with commas, and its last item."""


def add(server: MCPServer, desk: Desk) -> None:
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
    ref: PromptReference | ResourceTemplateReference, name: str, value: str, given: Mapping[str, str], desk: Desk
) -> list[str]:
    try:
        if isinstance(ref, PromptReference):
            return _listed(value, _of_prompt(name, desk))
        return _alike(value, _of_address(name, given, desk))
    except FlatfieldError:
        return []  # the tools say what is wrong with the project when they are called


def _of_prompt(name: str, desk: Desk) -> Sequence[str]:
    project = desk.project()
    if name == "agents":
        return [agent.name for agent in project.roster if not is_control(agent)]
    own = [offer.argument for offer in offers(project.folder, desk.lops) if not offer.suite]
    return [*own, *hops(project.folder, desk.lops), *(f"{SUITE_PREFIX}{suite}" for suite in suites())]


def _of_address(name: str, given: Mapping[str, str], desk: Desk) -> Sequence[str]:
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
