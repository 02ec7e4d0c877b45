"""One nano agent in a directory as it is: no copy, no verifiers; what stores it is the caller's choice."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.http.transport import open_session
from flatfield.agent.models import cache_folder
from flatfield.agent.protocols import Services
from flatfield.agent.provider_pool import ProviderPool
from flatfield.records import Evaluation, Event, Run, Task, TrialPlan
from flatfield.runs.ids import new_run_id
from flatfield.runs.order import versions
from flatfield.runs.traffic.devices import shared_devices
from flatfield.runs.traffic.lanes import Lanes, limit_agents
from flatfield.runs.trial import Assignment, Ground, TrialWork
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from flatfield.agent.clock import Clock
    from flatfield.records import AgentConfig, LaneLimits, Limits, TrialRecord
    from flatfield.runs.store.underway import Underway

PROMPT = "prompt"
"""The id of the task that a bare prompt is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a single agent is run with: time, environment variables, prices, who is told, and the run that it is of.

    `lanes` are the limits that the user sets to servers, by host or provider; `traffic` is what agents of one event
    loop ask servers through together, None: this one is alone. `underway` keeps what finished turns used, where the
    record is to be stored.
    """

    clock: Clock
    environ: Mapping[str, str]
    observe: Callable[[Event], None]
    prices: Prices = field(default_factory=Prices)
    run: str = ""
    lanes: Mapping[str, LaneLimits] = field(default_factory=dict)
    traffic: Lanes | None = None
    underway: Underway | None = None


def prompt_task(prompt: str, limits: Limits) -> Task:
    """The task that a bare prompt is."""
    return Task(id=PROMPT, title=PROMPT, prompt=prompt, limits=limits)


def delegated_run(task: Task, agent: AgentConfig, now: datetime, folder: Path) -> Run:
    """The run that one prompt is, handed to one agent in `folder`; its only trial is `RUN/agent/prompt/1`."""
    return Run(
        id=new_run_id(now, random.SystemRandom()),
        created_at=now.isoformat(timespec="seconds"),
        evaluation=Evaluation(title="delegated prompt"),
        tasks=(task,),
        agents=(agent,),
        repeats={task.id: 1},
        versions=versions(),
        source=str(folder),
        delegated=True,
    )


async def run_here(
    prompt: str,
    agent: AgentConfig,
    folder: Path,
    limits: Limits,
    around: Surroundings,
) -> TrialRecord:
    """Work on `prompt` in `folder` itself, confined to it; cancelling it returns the record of what was done.

    Raises:
        NotFound: the agent's provider does not exist.
        NotReady: a key, a server or a model is missing.
    """
    task = prompt_task(prompt, limits)
    async with AsyncExitStack() as stack:
        lanes, pool = await _open(stack, around)
        await pool.check(agent)
        limit_agents(lanes, pool, (agent,), around.lanes)
        ground = Ground(
            pool=pool,
            prices=around.prices,
            clock=around.clock,
            scratch=folder,
            sandbox=None,
            sandbox_reason="commands are not part of `flatfield run`",
            observe=around.observe,
            underway=around.underway,
        )
        assignment = Assignment(
            plan=TrialPlan(run=around.run, agent=agent.name, task=task.id, repeat=1),
            agent=agent,
            fingerprint=fingerprint(agent),
            task=task,
            limits=limits,
            model_name=agent.model or agent.name,
        )
        lane = pool.of(agent).lane(agent)

        def wait() -> None:
            around.observe(Event(kind="waiting", text=f"waiting: others are at work on {lane.name}"))

        async with lanes.hold(lane, wait) as lane_seconds, lanes.alone(lane) as device_seconds:
            with ConfinedFiles(folder) as files:
                record = await TrialWork(assignment, ground).work(folder, files)
        return structs.replace(record, queue_seconds=record.queue_seconds + lane_seconds + device_seconds)


async def _open(stack: AsyncExitStack, around: Surroundings) -> tuple[Lanes, ProviderPool]:
    """What the agent is run through, until the stack is closed."""
    clock, cache = around.clock, cache_folder(around.environ)

    def tell(text: str) -> None:
        around.observe(Event(kind="note", text=text))

    devices = stack.enter_context(shared_devices(cache, clock, tell))
    lanes = (around.traffic or Lanes(clock)).with_devices(devices)
    session = await stack.enter_async_context(open_session(clock, around.environ))
    services = Services(session=session, clock=clock, environ=around.environ, cache=cache, pressure=lanes)
    return lanes, await stack.enter_async_context(ProviderPool(services))
