"""Hands one prompt to one nano agent, at once or in the background, keeps the record, and says what came of it."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct, structs

from flatfield import plugins
from flatfield.errors import FlatfieldError, NotFound, StoreError
from flatfield.faces.mcp.schemas import Delegated, Metadata
from flatfield.faces.storing import allowed, store_of
from flatfield.records import AgentConfig, Limits
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from flatfield.agent.files.changed import Beside
    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.http.services import Kept
    from flatfield.records import Event, Run, TrialRecord
    from flatfield.runs.single import Surroundings
    from flatfield.runs.store.store import Store
    from flatfield.runs.store.underway import Underway
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.runs.traffic.servers import Gate
    from flatfield.tasks.project import Project

    Tell = Callable[[str], Awaitable[None]]


# Makes an order of what a call asks for: who works, where, on what, and which earlier trials that goes on with.


MOST = 50
"""So many trials one conversation may have: each is read again."""


class CallNames(Struct, frozen=True, kw_only=True):
    """What a call names; `limits` None are the usual ones."""

    prompt: str
    model: str | None = None
    provider: str | None = None
    agent: str | None = None
    workspace: str | None = None
    limits: Mapping[str, float | None] | None = None
    continue_trial: str | None = None
    check: str | None = None


async def order_of(asked: CallNames, desk: ServerDesk, project: Project, client_roots: Sequence[Path]) -> Delegation:
    """The order that a call means.

    Raises:
        FlatfieldError: it names nobody, somebody who is not there, or what does not go together; it says what is valid.
    """
    if not asked.prompt.strip():
        raise FlatfieldError("agentic_prompt is empty: say what to do")
    limits = limits_of(asked.limits or {})
    if asked.continue_trial is None:
        from flatfield.runs.routes.here import check_of

        agent = desk.chosen(project, asked.agent, asked.provider, asked.model)
        folder = desk.workspace(asked.workspace, client_roots)
        agent, why = await _chosen(agent, asked, desk, project)
        check = check_of(agent, asked.check)
        return Delegation(prompt=asked.prompt, agent=agent, folder=folder, limits=limits, check=check, why=why)
    if asked.check is not None:
        raise FlatfieldError("continue_trial goes on in the folder itself, where no check decides: leave check out")
    if any(each is not None for each in (asked.model, asked.provider, asked.agent, asked.workspace)):
        raise FlatfieldError("continue_trial goes on with its own agent in its own folder: name no other")
    store = store_of(project)
    trials = _chain(asked.continue_trial, store)
    run = store.load_run(trials[-1].run)
    if not run.delegated:
        raise FlatfieldError("continue_trial is for trials of prompt_nano_agent: an evaluation's workspace is gone")
    return Delegation(
        prompt=asked.prompt,
        agent=_agent(run, desk, project),
        folder=desk.workspace(run.source, client_roots),
        limits=limits,
        earlier=trials,
    )


async def _chosen(agent: AgentConfig, asked: CallNames, desk: ServerDesk, project: Project) -> tuple[AgentConfig, str]:
    """Of a route its agents, best first, and why."""
    if agent.route is None:
        return agent, ""
    from flatfield.runs.routes.auto import chosen_here

    return await chosen_here(agent, asked.prompt, store_of(project), project, desk.outside(project))


def _chain(trial: str, store: Store) -> tuple[TrialRecord, ...]:
    """The trial with all that it went on with, oldest first."""
    chain: list[TrialRecord] = []
    wanted = trial
    while wanted:
        if len(chain) >= MOST:
            raise FlatfieldError(f"this conversation has {MOST} prompts: begin a new one with what matters of it")
        try:
            chain.append(store.trial(wanted))
        except NotFound:
            raise FlatfieldError(
                "continue_trial names no trial that has ended; agent_result waits for one, and shows the latest"
            ) from None
        wanted = chain[-1].continues
    return tuple(reversed(chain))


def _agent(run: Run, desk: ServerDesk, project: Project) -> AgentConfig:
    """The run's agent as it is configured now, with the tool protocol that it had."""
    then = run.agents[0]
    now = desk.chosen(project, then.name, None, None)
    if now.protocol in {None, "auto"}:
        now = structs.replace(now, protocol=then.protocol)
    if fingerprint(now) != fingerprint(then):
        raise FlatfieldError(f"agent {then.name} is configured in another way since that trial: begin a new one")
    return now


HEARTBEAT_SECONDS = 10.0
"""How often a client is told that the agent is still at work: some take silence for death."""


class Delegation(Struct, frozen=True, kw_only=True):
    """One prompt, who works on it, where, and how much it may use; `earlier`: which trials it goes on with.

    `check`: the command that decides whether what was changed is taken, "" for none. `why` this agent, where a route
    chose it.
    """

    prompt: str
    agent: AgentConfig
    folder: Path
    limits: Limits
    earlier: tuple[TrialRecord, ...] = ()
    check: str = ""
    why: str = ""


def limits_of(given: Mapping[str, float | None]) -> Limits:
    """The limits of a call: what is given takes the place of the default.

    Raises:
        FlatfieldError: one is unknown or not above 0.
    """
    known = Limits.__struct_fields__
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise FlatfieldError(f"limits has no {unknown[0]!r}; valid are: {', '.join(known)}")
    chosen: dict[str, float | int] = {}
    for name, value in given.items():
        if value is None:
            continue
        if value <= 0:
            raise FlatfieldError(f"limits.{name} must be above 0")
        chosen[name] = int(value) if name in {"turns", "output_tokens"} else value
    return Limits(**chosen)  # type: ignore[arg-type]  # whole numbers where the field wants them


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What all agents of a server share: what they ask models through, their places, what stays loaded between them.

    `beside` tells agents that work in one folder apart.
    """

    traffic: Lanes
    kept: Kept
    places: Gate
    beside: Beside


def planned(order: Delegation, desk: ServerDesk) -> Run:
    """The run that an order is; its one trial is `trial_of` it."""
    from flatfield.runs.single import delegated_run, prompt_task

    task = prompt_task(order.prompt, order.limits, order.agent)
    return delegated_run(task, order.agent, desk.clock.utc(), order.folder)


def trial_of(run: Run) -> str:
    """The id of a delegated run's only trial."""
    return f"{run.id}/{run.agents[0].name}/{run.tasks[0].id}/1"


async def delegate(
    order: Delegation,
    run: Run,
    desk: ServerDesk,
    project: Project,
    shared: Shared,
    tell: Callable[[str], Awaitable[None]],
) -> Delegated:
    """Run the agent and store its record; when cancelled, end the agent, store what it did, and be cancelled.

    Raises:
        FlatfieldError: the agent is not ready, or the store cannot be written; nothing was spent.
    """
    from flatfield.faces.speech.sentences import finished
    from flatfield.runs.single import Surroundings
    from flatfield.runs.store.underway import Underway

    outside = desk.outside(project)
    opened, told_of = allowed(project, desk.allow, outside.access)
    for text in told_of:
        await tell(text)
    with closing(Underway(store_of(project).path.parent, run)) as underway:
        around = Surroundings(
            outside=outside,
            observe=lambda _: None,
            run=run.id,
            traffic=shared.traffic,
            kept=shared.kept,
            places=shared.places,
            beside=shared.beside,
            allow=opened,
            config=project.config,
            homes=(project.folder, desk.cwd),
            underway=underway,
        )
        async with shared.kept.in_use():
            record, problem = await _worked(order, run, project, around, tell)
    answer = told(record, order.agent, order.why)
    desk.announce(finished(order.agent.name, (record,)))
    return answer if problem is None else answer.model_copy(update={"error": _and(answer.error, problem)})


async def _worked(
    order: Delegation, run: Run, project: Project, around: Surroundings, tell: Callable[[str], Awaitable[None]]
) -> tuple[TrialRecord, str | None]:
    """The record, and why it could not be stored."""
    from flatfield.runs.routes.here import work_here
    from flatfield.runs.single import FolderWork

    asked = FolderWork(
        prompt=order.prompt,
        agent=order.agent,
        folder=order.folder,
        limits=order.limits,
        check=order.check,
        why=order.why,
    )
    said: asyncio.Queue[str] = asyncio.Queue()
    around = replace(around, observe=lambda event: _note(event, said))
    telling = asyncio.create_task(_tell_all(said, tell))
    # A task of its own: cancelling the call ends it once, and it still returns the record of what was done.
    work = asyncio.create_task(work_here(asked, around, order.earlier))
    try:
        record = await asyncio.shield(work)
    except asyncio.CancelledError:
        work.cancel()
        with anyio.CancelScope(shield=True), suppress(asyncio.CancelledError, FlatfieldError):
            await _kept(run, await work, project, around.underway)
        raise
    finally:
        telling.cancel()
    return record, await _kept(run, record, project, around.underway)


def told(record: TrialRecord, agent: AgentConfig, why: str = "") -> Delegated:
    """What a record says, in the words of the tool's result."""
    usage, sent = record.usage, record.turns[-1].reply.request if record.turns else None
    return Delegated(
        success=_error(record) is None,
        result=record.answer,
        error=_error(record),
        execution_time_seconds=round(record.active_seconds, 3),
        metadata=Metadata(
            agent=agent.name,
            provider=agent.provider,
            model=agent.model,
            answered_by=sent.answered_by or None if sent else None,
            address=_address(sent.base_url, agent) if sent else None,
            stop=record.stop,
            turns=record.turn_count,
            tool_calls=record.tool_calls,
            files_changed=[change.path for change in record.changes],
            input_tokens=usage.input_tokens if usage else None,
            cache_read_tokens=usage.cache_read_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            reasoning_tokens=usage.reasoning_tokens if usage else None,
            cost_usd=record.cost_usd,
            active_seconds=round(record.active_seconds, 3),
            first_token_seconds=_rounded(record.first_token_seconds),
            trial=record.id,
            steps=[step.agent for step in record.steps],
            chosen=why or None,
        ),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def still_working(trial: str, agent: AgentConfig) -> Delegated:
    """What is to be said of an agent that has not ended."""
    return _without_record(trial, agent, success=None, stop="working", error=None)


def not_begun(trial: str, agent: AgentConfig) -> Delegated:
    """What is to be said of an agent that was ended before it did anything."""
    return _without_record(trial, agent, success=False, stop="cancelled", error="it was ended before it began")


def _without_record(trial: str, agent: AgentConfig, *, success: bool | None, stop: str, error: str | None) -> Delegated:
    metadata = Metadata(agent=agent.name, provider=agent.provider, model=agent.model, stop=stop, trial=trial)
    return Delegated(success=success, result="", error=error, execution_time_seconds=0.0, metadata=metadata)


def _address(url: str, agent: AgentConfig) -> str | None:
    """Where an agent asked, where that is not its vendor's own address and not this device's own model."""
    from flatfield.vendors.base import is_own

    vendor = plugins.traits_or_usual(agent.provider)
    if not url or vendor.is_on_device or url.rstrip("/") == vendor.url or is_own(url, vendor):
        return None
    return url


def _error(record: TrialRecord) -> str | None:
    if record.failure is not None:
        return record.failure.message
    if record.steps and record.steps[-1].passed is False:
        return f"the check did not pass ({record.steps[-1].reason}); the changes were taken all the same"
    if record.stop == "answered":
        return None
    return f"the agent did not finish: it was ended by its {record.stop.replace('_', ' ')}"


def _and(first: str | None, second: str) -> str:
    return f"{first}; {second}" if first else second


async def _kept(run: Run, record: TrialRecord, project: Project, underway: Underway | None) -> str | None:
    """Store the run and its one trial; why that could not be done, None when it could."""
    from flatfield.runs.probing import as_carried_out

    try:
        async with store_of(project) as store:
            await store.save_run(as_carried_out(run, record))
            await store.save_trial(record)
            if underway is not None:
                underway.forget(record.attempt)
    except StoreError as error:
        return f"the record was not kept: {error}"
    return None


def _note(event: Event, said: asyncio.Queue[str]) -> None:
    if event.kind in {"tool", "turn", "waiting", "note"} and event.text:
        said.put_nowait(f"tool {event.text}" if event.kind == "tool" else event.text)


async def _tell_all(said: asyncio.Queue[str], tell: Callable[[str], Awaitable[None]]) -> None:
    """Hand on what is said, and a sign of life when nothing is."""
    quiet_seconds = 0.0
    while True:
        try:
            text = await asyncio.wait_for(said.get(), HEARTBEAT_SECONDS)
            quiet_seconds = 0.0
        except TimeoutError:
            quiet_seconds += HEARTBEAT_SECONDS
            text = f"still working: nothing new for {quiet_seconds:.0f} seconds"
        await tell(text)


# The nano agents that a server has set to work: each can be waited for, ended, and asked for once more.


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
        """End all agents that are at work; their records are kept."""
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
        done, _ = await asyncio.wait([call.task], timeout=min(left, HEARTBEAT_SECONDS))
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
