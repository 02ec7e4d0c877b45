"""One nano agent in a directory as it is: no copy, no verifiers, nothing stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.http.transport import open_session
from flatfield.agent.models import cache_folder
from flatfield.agent.protocols import Services
from flatfield.agent.provider_pool import ProviderPool
from flatfield.records import Task, TrialPlan
from flatfield.runs.trial import Assignment, Ground, TrialWork
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flatfield.agent.clock import Clock
    from flatfield.records import AgentConfig, Event, Limits, TrialRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a single agent is run with: time, environment variables, prices, and who is told."""

    clock: Clock
    environ: Mapping[str, str]
    observe: Callable[[Event], None]
    prices: Prices = field(default_factory=Prices)


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
    task = Task(id="prompt", title="prompt", prompt=prompt, limits=limits)
    async with (
        open_session(around.clock) as session,
        ProviderPool(
            Services(session=session, clock=around.clock, environ=around.environ, cache=cache_folder(around.environ))
        ) as pool,
    ):
        await pool.check(agent)
        ground = Ground(
            pool=pool,
            prices=around.prices,
            clock=around.clock,
            scratch=folder,
            sandbox=None,
            sandbox_reason="commands are not part of `flatfield run`",
            observe=around.observe,
        )
        assignment = Assignment(
            plan=TrialPlan(run="", agent=agent.name, task=task.id, repeat=1),
            agent=agent,
            fingerprint=fingerprint(agent),
            task=task,
            limits=limits,
            model_name=agent.model or agent.name,
        )
        with ConfinedFiles(folder) as files:
            return await TrialWork(assignment, ground).work(folder, files)
