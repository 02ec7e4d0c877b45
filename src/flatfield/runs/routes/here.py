"""One prompt on a real folder, whoever does it: one agent, or those of a route; with a check in copies of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.errors import FlatfieldError
from flatfield.records import Event
from flatfield.runs.routes.applying import recover
from flatfield.runs.single import run_here
from flatfield.tasks.cascades import command_of

if TYPE_CHECKING:
    from flatfield.records import AgentConfig, TrialRecord
    from flatfield.runs.single import FolderWork, Surroundings


def check_of(agent: AgentConfig, asked: str | None) -> str:
    """The command that checks work on a real folder: what is asked for, else a cascade's own; "" for no check.

    Raises:
        FlatfieldError: what is asked for is empty, or what the cascade checks by is a task's.
    """
    if asked is None and (agent.route is not None or not agent.steps):
        return ""
    command = command_of(agent.check) if asked is None else asked.strip()
    if asked is not None and not command:
        raise FlatfieldError("the check is empty: write a command, such as pytest -q")
    if agent.steps and not command:
        raise FlatfieldError(
            f"{agent.name} checks its steps by {agent.check!r}, which tasks have and a folder has not: "
            "name a check that one can make here, a command such as pytest -q"
        )
    return command


async def work_here(work: FolderWork, around: Surroundings, earlier: tuple[TrialRecord, ...] = ()) -> TrialRecord:
    """Do the work; cancelling it returns the record of what was done.

    `earlier`: the trials whose conversation it goes on with, oldest first; with them goes neither a check nor a route.

    Raises:
        NotReady: nobody can begin; nothing was spent.
        FlatfieldError: the folder is protected itself, or cannot be copied.
    """
    chosen = (f"chosen: {work.why}",) if work.why else ()
    stays = await asyncio.to_thread(recover, work.folder, around.outside.environ)
    for text in (*_put_back(stays), *chosen):
        around.observe(Event(kind="note", text=text))
    record = await _done(work, around, earlier)
    return structs.replace(record, notes=(*chosen, *record.notes)) if chosen else record


async def _done(work: FolderWork, around: Surroundings, earlier: tuple[TrialRecord, ...]) -> TrialRecord:
    if work.check:
        from flatfield.runs.routes.checked import run_checked

        return await run_checked(work, around)
    if work.agent.route is not None:
        from flatfield.runs.routes.auto import run_routed

        return await run_routed(work, around)
    return await run_here(work, around, earlier)


def _put_back(stays: tuple[str, ...] | None) -> tuple[str, ...]:
    if stays is None:
        return ()
    but = f", but for what was changed since: {', '.join(stays)}" if stays else ""
    return (f"what an earlier process had begun to take over here was put back{but}",)
