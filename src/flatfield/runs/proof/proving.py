"""Plays tasks with agents that are known beforehand, several at once, without storing anything."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.agent.provider_pool import ProviderPool
from flatfield.clock import SystemClock
from flatfield.errors import NotReady
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.models import cache_folder
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.records import TrialPlan
from flatfield.runs.evaluate import needs_commands
from flatfield.runs.scratch import scratch_folder
from flatfield.runs.traffic.devices import shared_devices
from flatfield.runs.traffic.lanes import Lanes
from flatfield.runs.trial import Assignment, Ground, run_trial
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import AgentConfig, Task, TrialRecord
    from flatfield.tasks.access import Access

MOST_AT_ONCE = 8
NAME = "agent_1"
"""What the agent is told it is called, where a prompt asks for it."""


class Play(Struct, frozen=True, kw_only=True):
    """One trial to be done: `task`, with the solution that is to be played, by `agent`, on a copy of `files`."""

    task: Task
    agent: AgentConfig
    files: CopyPlan
    repeat: int = 1


async def play(
    plays: Sequence[Play], access: Access, tell: Callable[[int], None], say: Callable[[str], None] = lambda _text: None
) -> tuple[TrialRecord, ...]:
    """The records of all plays, in their order; `tell` is given the number of those that are done, one by one.

    Verifiers that run code wait while another process measures a model on this device; `say` is told of that. `access`
    decides whether those of a task's author may run at all.
    """
    async with AsyncExitStack() as stack:
        ground = await _ground(stack, [each.task for each in plays], access, say)
        room = asyncio.Semaphore(min(os.cpu_count() or 1, MOST_AT_ONCE))
        done = 0

        async def one(each: Play) -> TrialRecord:
            nonlocal done
            async with room:
                record = await run_trial(_assignment(each), ground)
            done += 1
            tell(done)
            return record

        async with asyncio.TaskGroup() as group:
            started = [group.create_task(one(each)) for each in plays]
        return tuple(each.result() for each in started)


def _assignment(each: Play) -> Assignment:
    return Assignment(
        plan=TrialPlan(run="check", agent=each.agent.name, task=each.task.id, repeat=each.repeat),
        agent=each.agent,
        fingerprint=fingerprint(each.agent),
        task=each.task,
        limits=each.task.limits,
        model_name=NAME,
        files=each.files,
    )


async def _ground(stack: AsyncExitStack, tasks: Sequence[Task], access: Access, say: Callable[[str], None]) -> Ground:
    clock, cache = SystemClock(), cache_folder(os.environ)
    session = await stack.enter_async_context(open_session(clock, os.environ))
    services = Services(session=session, clock=clock, environ=os.environ, cache=cache, access=access)
    scratch = stack.enter_context(scratch_folder())
    sandbox, reason = await _sandbox(tasks)
    return Ground(
        pool=await stack.enter_async_context(ProviderPool(services)),
        prices=Prices(),
        clock=clock,
        scratch=scratch,
        sandbox=sandbox,
        sandbox_reason=reason,
        observe=lambda _event: None,
        lanes=Lanes(clock, stack.enter_context(shared_devices(cache, clock, say))),
        access=access,
    )


async def _sandbox(tasks: Sequence[Task]) -> tuple[Sandbox | None, str]:
    if not any(map(needs_commands, tasks)):
        return None, "none of these tasks needs commands"
    try:
        return await asyncio.to_thread(find_sandbox, os.environ), ""
    except NotReady as error:
        return None, str(error)
