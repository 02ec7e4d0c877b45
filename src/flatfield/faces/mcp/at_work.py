"""The nano agents that a server has set to work: each can be waited for, ended, and asked for once more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.mcp import delegating
from flatfield.faces.mcp.delegating import not_begun, still_working, told
from flatfield.faces.storing import store_of
from flatfield.records import AgentConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from flatfield.faces.mcp.answers import Delegated
    from flatfield.records import TrialRecord
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project

    Tell = Callable[[str], Awaitable[None]]

REMEMBERED = 64
"""So many agents that have ended are known without a look into the store: what failed before it began is not in it."""
SHOWN = 5


class Call:
    """One agent at work: its trial's id, who it is, and what it said last."""

    def __init__(self, trial: str, agent: AgentConfig) -> None:
        self.trial = trial
        self.agent = agent
        self.said = ""
        self.task: asyncio.Task[Delegated] | None = None

    async def hear(self, text: str) -> None:
        """Remember what it said last, for whoever asks."""
        self.said = text


class AtWork:
    """The agents of one server, those that began last at the end."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def begin(self, call: Call, work: Coroutine[Any, Any, Delegated]) -> None:
        """Let an agent work, also when nobody waits for it any more."""
        call.task = asyncio.create_task(work)
        call.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # it is told to whoever asks
        self._calls[call.trial] = call
        ended = [each for each in self._calls.values() if each.task is not None and each.task.done()]
        for each in ended[:-REMEMBERED]:
            del self._calls[each.trial]

    async def ended(self, call: Call) -> Delegated:
        """What came of it; who is cancelled meanwhile ends the agent, and its record is kept."""
        assert call.task is not None  # noqa: S101 - it was begun
        try:
            return await asyncio.shield(call.task)
        except asyncio.CancelledError:
            await _cancelled(call)
            raise

    async def result(self, trial: str, wait_seconds: float, project: Project, tell: Tell) -> Delegated:
        """What came of an agent, waited for at most so long; "" is the one that began last.

        Raises:
            FlatfieldError: no such agent is at work or stored, or it could not begin.
        """
        call = self._named(trial)
        if call is None:
            return await _stored(trial, project)
        await _waited(call, wait_seconds, tell)
        return await self._told(call, project)

    async def cancel(self, trial: str, project: Project) -> Delegated:
        """End an agent, and tell what it did until then.

        Raises:
            FlatfieldError: it is not at work in this server.
        """
        call = self._named(trial)
        if call is None:
            raise FlatfieldError("no such agent is at work here; agent_result without cancel looks into the store")
        await _cancelled(call)
        return await self._told(call, project)

    async def end(self) -> None:
        """End all of them; their records are kept."""
        for call in self._calls.values():
            await _cancelled(call)

    def _named(self, trial: str) -> Call | None:
        """The call of that id, or the only one that begins so."""
        if not trial:
            return next(reversed(self._calls.values()), None)
        found = [each for each in self._calls if each == trial or each.startswith(trial)]
        return self._calls[found[0]] if len(found) == 1 else self._calls.get(trial)

    async def _told(self, call: Call, project: Project) -> Delegated:
        if call.task is None or not call.task.done():
            return still_working(call.trial, call.agent)
        if not call.task.cancelled():
            return call.task.result()
        with suppress(NotFound):
            return await _stored(call.trial, project)
        return not_begun(call.trial, call.agent)


async def _cancelled(call: Call) -> None:
    if call.task is None or call.task.done():
        return
    call.task.cancel()
    with anyio.CancelScope(shield=True):
        await asyncio.wait([call.task])


async def _waited(call: Call, seconds: float, tell: Tell) -> None:
    """Wait for the end of a call, and give signs of life meanwhile."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while call.task is not None and not call.task.done() and (left := until - loop.time()) > 0:
        done, _ = await asyncio.wait([call.task], timeout=min(left, delegating.HEARTBEAT_SECONDS))
        if not done:
            await tell(call.said or "still working")


async def _stored(trial: str, project: Project) -> Delegated:
    """What the store knows of a trial: of one whose process was ended, what it had used until then."""
    from flatfield.runs.store.underway import in_flight

    async with store_of(project) as store:
        record = await asyncio.to_thread(_found, store, trial)
        if record is not None:
            agents = (await asyncio.to_thread(store.load_run, record.run)).agents
            return told(record, next(one for one in agents if one.name == record.agent))
        flying = next((one for one in in_flight(store.path.parent) if trial and one.trial.id.startswith(trial)), None)
    if flying is not None:
        agent = AgentConfig(name=flying.trial.agent, provider="", model="")
        return still_working(flying.trial.id, agent)
    latest = await asyncio.to_thread(latest_trials, store)
    shown = f"; the latest are: {', '.join(latest)}" if latest else "; prompt_nano_agent begins one"
    raise NotFound(f"no such agent is at work or stored{shown}")


def _found(store: Store, trial: str) -> TrialRecord | None:
    """The trial of that id, or of the run whose id begins so; "": the latest prompt's."""
    latest = latest_trials(store) if trial.count("/") < 3 else (trial,)
    found = [each for each in latest if each.startswith(trial)]
    if len(found) != 1 and trial:
        return None
    try:
        return store.trial(found[0]) if found else None
    except NotFound:
        return None


def latest_trials(store: Store) -> tuple[str, ...]:
    """The ids of the prompts that were handed over last, the latest first."""
    runs = [one for one in store.runs() if one.delegated and one.stored][:SHOWN]
    return tuple(f"{run.id}/{run.agents[0]}/{run.tasks[0]}/1" for run in runs)
