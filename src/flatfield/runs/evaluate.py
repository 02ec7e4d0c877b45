"""Runs an evaluation: checks that all is ready, does the trials that are missing, judges them, stores everything."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.agent.copying import plan_copy
from flatfield.agent.models import cache_folder
from flatfield.agent.protocols import Lane, Services
from flatfield.agent.provider_pool import ProviderPool
from flatfield.agent.removing import discard
from flatfield.agent.sandbox import UnsafeSandbox, find_sandbox
from flatfield.agent.system_prompt import model_names
from flatfield.agent.transport import open_session
from flatfield.errors import NotFound, NotReady
from flatfield.records import Event, Failure
from flatfield.runs.budget import Budget
from flatfield.runs.lanes import Lanes
from flatfield.runs.plan import remaining, unmeasured
from flatfield.runs.scheduler import JOBS, Means, run_trials
from flatfield.runs.trial import Assignment, Ground, limits_for, run_trial
from flatfield.scoring.judge import judge, rubric_of
from flatfield.scoring.pricing import Prices
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.agent.clock import Clock
    from flatfield.agent.copying import CopyPlan
    from flatfield.agent.protocols import Sandbox
    from flatfield.records import AgentConfig, Run, Task, TrialPlan, TrialRecord, Usage
    from flatfield.runs.scheduler import Summary
    from flatfield.runs.store import Store

UNREADY_LANE = Lane(name="not ready", width=64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conduct:
    """How a run is carried out: what it is told, and what it tells.

    `source` is the folder that plain LOPs copy; `stop` set means: start nothing more and end what runs.
    """

    clock: Clock
    source: Path
    observe: Callable[[Event], None]
    stop: asyncio.Event
    judges: tuple[AgentConfig, ...] = ()
    skip_unready: bool = False
    unsafe_commands: bool = False


async def evaluate(run: Run, store: Store, conduct: Conduct) -> Summary:
    """Do what is missing of `run`, and store it.

    Raises:
        NotReady: an agent, the judge or a server is not there (all of them in one message); nothing was spent.
        StoreError: the store cannot be written.
    """
    clock = conduct.clock
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(clock))
        services = Services(session=session, clock=clock, environ=os.environ, cache=cache_folder(os.environ))
        pool = await stack.enter_async_context(ProviderPool(services))
        todo = remaining(run, store.trials(run.id))
        for text in todo.notes:
            conduct.observe(Event(kind="note", text=text))
        unready = await _unready(pool, _needed(run, todo.plans), conduct)
        copies = await asyncio.to_thread(_plan_copies, run, conduct)
        sandbox, reason = await _sandbox(run.tasks, conduct)
        scratch = stack.enter_context(_scratch())
        ground = Ground(
            pool=pool, prices=Prices(), clock=clock, scratch=scratch, sandbox=sandbox, sandbox_reason=reason,
            observe=conduct.observe,
        )  # fmt: skip
        await store.save_run(run, update=True)
        trials = _Trials(run, ground, copies, unready)
        means = Means(
            execute=trials.execute,
            unmeasured=partial(unmeasured, run),
            lane_of=trials.lane,
            lanes=Lanes(clock),
            store=store,
            budget=Budget(run.evaluation.budget_usd, spent_usd=store.spent_usd(run.id)),
            observe=conduct.observe,
            jobs=run.evaluation.jobs or JOBS,
        )
        summary = await run_trials(todo.plans, means, conduct.stop)
        if not conduct.stop.is_set():
            await _judge(run, store, ground, conduct)
        return summary


def _plan_copies(run: Run, conduct: Conduct) -> dict[str, CopyPlan]:
    """What each task's workspaces will hold; what was left out of them is said."""
    plans = {task.id: plan_copy(task, conduct.source) for task in run.tasks}
    for text in dict.fromkeys(text for plan in plans.values() for text in plan.notes):
        conduct.observe(Event(kind="note", text=f"workspace: {text}"))
    return plans


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for workspaces; the sandbox's user can pass through it, not list it."""
    folder = Path(tempfile.mkdtemp(prefix="trials-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        discard(folder)


class _Trials:
    """What the scheduler asks of a run: how to do a trial, and in which lane."""

    def __init__(self, run: Run, ground: Ground, copies: Mapping[str, CopyPlan], unready: Mapping[str, str]) -> None:
        self._run = run
        self._ground = ground
        self._unready = unready
        self._tasks = {task.id: task for task in run.tasks}
        self._agents = {agent.name: agent for agent in run.agents}
        self._names = model_names(run.agents, actual=run.evaluation.names == "actual")
        self._copies = copies
        self._fingerprints = {agent.name: fingerprint(agent) for agent in run.agents}

    def lane(self, plan: TrialPlan) -> Lane:
        """The lane that the agent's provider asks for."""
        if plan.agent in self._unready:
            return UNREADY_LANE
        agent = self._agents[plan.agent]
        return self._ground.pool.of(agent).lane(agent)

    async def execute(self, plan: TrialPlan) -> TrialRecord:
        """One trial's record, whatever happens in it."""
        if plan.agent in self._unready:
            return unmeasured(self._run, plan, Failure(kind="not_ready", message=self._unready[plan.agent]))
        agent, task = self._agents[plan.agent], self._tasks[plan.task]
        assignment = Assignment(
            plan=plan,
            agent=agent,
            fingerprint=self._fingerprints[agent.name],
            task=task,
            limits=limits_for(task, self._run.evaluation),
            model_name=self._names[agent.name],
            files=self._copies[task.id],
        )
        return await run_trial(assignment, self._ground)


def _needed(run: Run, plans: Sequence[TrialPlan]) -> tuple[AgentConfig, ...]:
    wanted = {plan.agent for plan in plans}
    return tuple(agent for agent in run.agents if agent.name in wanted)


async def _unready(pool: ProviderPool, agents: Sequence[AgentConfig], conduct: Conduct) -> dict[str, str]:
    """The agents that cannot run, with the reason.

    Raises:
        NotReady: there are some, and they are not to be skipped; or a judge is among them.
    """
    asked = (*agents, *conduct.judges)
    reasons = await asyncio.gather(*(_reason(pool, agent) for agent in asked))
    found = {agent.name: reason for agent, reason in zip(asked, reasons, strict=True) if reason}
    judges = {agent.name for agent in conduct.judges}
    if found and (not conduct.skip_unready or judges & set(found)):
        lines = [*dict.fromkeys(found.values())]
        if not judges & set(found):
            lines.append("nothing was started; --skip-unready runs the others and lists these as not measured")
        raise NotReady("\n  ".join(lines))
    return found


async def _reason(pool: ProviderPool, agent: AgentConfig) -> str | None:
    try:
        await pool.of(agent).check(agent)
    except NotFound as error:
        return f"agent {agent.name!r} ({agent.source or 'command line'}): {error}"
    except NotReady as error:
        return str(error)
    return None


def needs_commands(task: Task) -> bool:
    """Whether a task runs commands: as a verifier, or as a tool."""
    return "run_command" in (task.tools or ()) or any(spec.kind == "command" for spec in task.verifiers)


async def _sandbox(tasks: Sequence[Task], conduct: Conduct) -> tuple[Sandbox | None, str]:
    """The sandbox, or why there is none; not looked for when no task runs commands."""
    if not any(needs_commands(task) for task in tasks):
        return None, "no task of this run needs commands"
    if conduct.unsafe_commands:
        return UnsafeSandbox(os.environ), ""
    try:
        return await asyncio.to_thread(find_sandbox, os.environ), ""
    except NotReady as error:
        conduct.observe(Event(kind="note", text=f"commands cannot be run, what needs them is not measured: {error}"))
        return None, str(error)


async def _judge(run: Run, store: Store, ground: Ground, conduct: Conduct) -> None:
    """Have each judge grade the trials that it has not graded yet."""
    trials = store.trials(run.id)
    if not any(rubric_of(task) for task in run.tasks):
        return
    for config in conduct.judges:
        done = {
            (verdict.agent, verdict.task, verdict.repeat)
            for verdict in store.verdicts(run.id)
            if verdict.judge == config.name and verdict.letter is not None
        }
        open_trials = [trial for trial in trials if (trial.agent, trial.task, trial.repeat) not in done]
        conduct.observe(Event(kind="judging", agent=config.name, text=f"{len(open_trials)} trials"))
        on_device = ground.pool.of(config).on_device(config)
        verdicts = await judge(
            run,
            open_trials,
            config,
            ground.pool.converse,
            partial(_usd, ground.prices, config, on_device),
            run.evaluation.seed,
        )
        await store.save_verdicts(verdicts)


def _usd(prices: Prices, agent: AgentConfig, on_device: bool, usage: Usage | None) -> float | None:  # noqa: FBT001
    return prices.usd(agent, usage, on_device)
