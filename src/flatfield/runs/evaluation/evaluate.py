"""Runs an evaluation: checks that all is ready, does the trials that are missing, judges them, stores everything."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from flatfield import plugins
from flatfield.agent.files.copying import plan_copy
from flatfield.agent.lag import measured_lag
from flatfield.agent.system_prompt import model_names
from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.machine.hardware import versions
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.unsafe import UnsafeSandbox
from flatfield.records import Event, Failure, Usage
from flatfield.runs.budget import Budget, Terms
from flatfield.runs.evaluation.forecasting import ForecastDesk, expected_trials
from flatfield.runs.evaluation.scheduler import JOBS, Means, Summary, run_trials
from flatfield.runs.evaluation.until_sure import Rounds, until_sure
from flatfield.runs.judging import Court, judge_missing, purse_of
from flatfield.runs.order import remaining, unmeasured, updated
from flatfield.runs.pooling import load_pooled
from flatfield.runs.probing import Probing, with_protocols
from flatfield.runs.readiness import notices, readiness
from flatfield.runs.routes import checks
from flatfield.runs.routes.auto import choose, run_route
from flatfield.runs.routes.cascade import run_cascade
from flatfield.runs.routes.checks import CheckDesk, missing_checks, upper_bounds
from flatfield.runs.scratch import claimed, scratch_folder
from flatfield.runs.store.totals import priced_now
from flatfield.runs.store.writer import InTurns
from flatfield.runs.traffic.lanes import bottleneck, crowding, limit_agents
from flatfield.runs.trial import Assignment, Ground, needs_commands, run_trial
from flatfield.runs.witness import SolutionSeconds, Witness, folder_in
from flatfield.runs.world import Outside, open_world
from flatfield.scoring.forecast import SCAFFOLD_TOKENS, Subject, most_usd, total
from flatfield.scoring.judge.judge import rubric_of
from flatfield.scoring.prices.pricing import unknown_costs
from flatfield.scoring.verifying.verification import wants
from flatfield.tasks.agents import fingerprint, is_control, select_agents
from flatfield.tasks.hop import limits_for
from flatfield.tasks.roster import context_tokens
from flatfield.vendors.base import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.clock import Clock
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import AgentConfig, Limits, Reply, Run, RunResult, Sent, Task, TrialPlan, TrialRecord
    from flatfield.runs.routes.auto import RouteChoice
    from flatfield.runs.store.store import Store
    from flatfield.runs.traffic.lanes import Bottleneck, Lanes
    from flatfield.runs.world import World
    from flatfield.scoring.forecast import Expected
    from flatfield.scoring.prices.pricing import Prices

UNREADY_LANE = Lane(name="not ready", width=64)
WORKERS = 2
"""So many threads make workspaces: each more would only take turns with the loop that times the trials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conduct:
    """How a run is carried out: what it is told, and what it tells.

    `source` is the folder that plain LOPs copy; `stop` set means: start nothing more and end what runs; `only`, when it
    names agents, leaves all others' trials alone; `until_sure`: how many repeats there may be at most when some are
    added until the order of the front is settled, None to do what is planned.
    """

    source: Path
    observe: Callable[[Event], None]
    stop: asyncio.Event
    outside: Outside = field(default_factory=Outside)
    judges: tuple[AgentConfig, ...] = ()
    skip_unready: bool = False
    unsafe_commands: bool = False
    only: tuple[str, ...] = ()
    until_sure: int | None = None


async def evaluate(run: Run, store: Store, conduct: Conduct) -> Summary:
    """Do what is missing of `run`, have it judged, and store everything.

    Raises:
        NotReady: agents, judges or servers are not there (all of them in one message), or another process is at this
            run; nothing was spent.
        NotTrusted: a task's code may not run; nothing was spent.
        FlatfieldError: a workspace is too large or cannot be read; nothing was spent.
        StoreError: the store cannot be written.
    """
    outside = conduct.outside
    async with AsyncExitStack() as stack:
        ignored = _ignored(run, conduct)
        stack.enter_context(claimed(run.id, store.path.parent))
        world = await stack.enter_async_context(open_world(outside, lambda text: _say([text], conduct)))
        todo = remaining(run, store.rows(run.id), conduct.only)
        _say(todo.notes, conduct)
        needed = _needed(run, todo.plans) if conduct.until_sure is None else run.agents
        judges = _needed_judges(run, conduct)
        _refuse_missing_checks(run, conduct.judges)
        outside.access.allow([want for task in run.tasks for want in wants(task, outside.access)])
        not_ready, said = await readiness(world.pool, needed, judges, skip=conduct.skip_unready)
        _say(said, conduct)
        _say(notices((*needed, *judges), outside.clock.utc().date()), conduct)
        ready = [agent for agent in (*run.agents, *conduct.judges) if agent.name not in not_ready]
        limit_agents(world.lanes, world.pool, ready, outside.lane_limits)
        probing = Probing(pool=world.pool, lanes=world.lanes, tell=lambda text: _say([text], conduct))
        open_ones = [agent for agent in needed if agent.name not in not_ready]
        run = await with_protocols(run, open_ones, probing, conduct.stop)
        run = _from_its_source(run, conduct)
        copies = await asyncio.to_thread(_plan_copies, run)
        shelter = await _sandbox(run, conduct)
        crowded = _crowded(run, [plan for plan in todo.plans if plan.agent not in not_ready], world)
        noted, run = run.notes, _as_carried_out(run, copies, shelter[0], outside.prices, crowded)
        _say([text for text in run.notes if text not in noted], conduct)
        ground = await _ground(stack, conduct, world, shelter, store)
        await asyncio.to_thread(outside.prices.prepare, ready)
        await store.save_run(run, update=True)
        budget = _budget(run, store, _Pricing(world.pool, outside.prices), outside.clock, ignored)
        expected = await asyncio.to_thread(_expected, run, store, world)
        desk = CheckDesk(run=run, judges=conduct.judges, ground=ground)
        trials = _Trials(desk, copies, not_ready, budget, expected)
        means = _means(run, store, world.lanes, conduct, trials)
        court = Court(world, budget, store, ground.observe, conduct.stop)
        carry = partial(_carried, means, court, conduct.judges, trials)
        rounds = Rounds(store, carry, ground.observe, conduct.stop, conduct.until_sure)
        return await until_sure(run.id, await carry(run, todo.plans), rounds)


async def _carried(
    means: Means, court: Court, judges: Sequence[AgentConfig], trials: _Trials, run: Run, plans: Sequence[TrialPlan]
) -> Summary:
    """Run trials, and have them judged; those of routes come last, as they choose by what the others showed."""
    late = [plan for plan in plans if trials.is_late(plan)]
    summary = await run_trials([plan for plan in plans if plan not in late], means, court.stop)
    if late:
        await judge_missing(run, judges, court)
        trials.learn(await asyncio.to_thread(_known, court.store, run))
        summary = summary.and_then(await run_trials(late, means, court.stop))
    _refuse_unknown_costs(run, means.budget, court.store)
    notes = await judge_missing(run, judges, court)
    return structs.replace(summary, notes=(*summary.notes, *notes))


def _known(store: Store, run: Run) -> RunResult:
    """What is measured of the run's agents, in it and in other runs."""
    return load_pooled(store, run=run.id)


def _refuse_missing_checks(run: Run, judges: Sequence[AgentConfig]) -> None:
    """End the run where a cascade has nothing to check its steps by.

    Raises:
        NotReady: that is so, of all such cascades.
    """
    problems = tuple(missing_checks(run, judges))
    if problems:
        raise NotReady("\n  ".join(problems))


def _ignored(run: Run, conduct: Conduct) -> tuple[str, ...]:
    """The agents whose dollars nobody counts.

    Raises:
        NotFound: the budget is to ignore an agent that takes no part.
    """
    taking_part = (*run.agents, *conduct.judges)
    names = [agent.name for agent in taking_part]
    ignored = [agent.name for agent in select_agents(run.evaluation.budget_ignores, taking_part)]
    for name in ignored:
        if name not in names:
            raise NotFound(f"the budget is to ignore {name!r}, which takes no part; those that do: {', '.join(names)}")
    free = [agent.name for agent in run.agents if is_control(agent)]
    return (*free, *ignored, *map(purse_of, ignored))


class _Pricing(NamedTuple):
    """What the run's agents cost: by whom they are served, and at which prices."""

    pool: ProviderPool
    prices: Prices

    def usd(self, agent: AgentConfig, usage: Usage | None, sent: Sent | None = None) -> float | None:
        """Dollars of one request; None: nobody knows."""
        return self.prices.usd(agent, usage, self.pool.of(agent).on_device(agent), sent=sent)

    def of(self, agent: AgentConfig) -> Callable[[Reply], float | None]:
        """Dollars of one reply of the agent."""
        return lambda reply: self.usd(agent, reply.usage, reply.request)

    def is_priced(self, agent: AgentConfig) -> bool:
        """Whether a price is known before anything was asked."""
        one = Usage(input_tokens=1, output_tokens=1)
        return all(self.usd(member, one) is not None for member in agent.members)


def _budget(run: Run, store: Store, pricing: _Pricing, clock: Clock, ignored: Sequence[str]) -> Budget:
    """What is left of the run's dollars and minutes; what had no price then is priced by what is known now."""
    agents = {agent.name: agent for agent in run.agents}
    before: list[TrialRecord] = []
    usd = store.spent_usd(run.id) or 0.0
    is_limited = run.evaluation.budget_usd is not None or run.evaluation.budget_seconds is not None
    for trial in store.figures(run.id) if is_limited else ():
        agent = agents.get(trial.agent)
        if agent is None or trial.agent_fingerprint != fingerprint(agent):
            continue
        now = priced_now(trial, pricing.of(agent))
        usd += (now.cost_usd or 0.0) if trial.cost_usd is None else 0.0
        # One that failed on its way tells nothing of an agent whose price is known.
        if now.cost_usd is not None or trial.failure is None or not pricing.is_priced(agent):
            before.append(now)
    return Budget(
        run.evaluation.budget_usd,
        spent_usd=usd,
        ignored=ignored,
        limit_seconds=run.evaluation.budget_seconds,
        clock=clock,
        earlier=before,
    )


def _expected(run: Run, store: Store, world: World) -> Mapping[tuple[str, str], Expected]:
    """What trials will take by agent and task, as `flatfield plan` says it; empty where no minutes are counted."""
    if run.evaluation.budget_seconds is None:
        return {}
    return expected_trials(run, store, ForecastDesk(world=world, source=Path(run.source)))


def _refuse_unknown_costs(run: Run, budget: Budget, store: Store) -> None:
    """End the run where nobody knows what agents cost.

    Raises:
        NotReady: that is so; the message says what helps.
    """
    unknown = [agent for agent in run.agents if agent.name in budget.unknown_agents]
    if unknown:
        names = [agent.name for agent in unknown]
        reasons = "; ".join(unknown_costs(unknown, store.figures(run.id), budgeted=True))
        flags = " ".join(f"--budget-ignores {shlex.quote(name)}" for name in names)
        raise NotReady(
            f"what {', '.join(names)} {'costs' if len(names) == 1 else 'cost'} is not known after a first trial, so "
            f"that no budget can be kept (what is done is stored): {reasons}; or let the budget pass over what is not "
            f"known: flatfield eval --resume {run.id} {flags}"
        )


async def _ground(
    stack: AsyncExitStack, conduct: Conduct, world: World, shelter: tuple[Sandbox | None, str], store: Store
) -> Ground:
    outside = world.outside
    return Ground(
        pool=world.pool,
        prices=outside.prices,
        clock=outside.clock,
        scratch=await asyncio.to_thread(stack.enter_context, scratch_folder()),  # it ends what killed runs left
        sandbox=shelter[0],
        sandbox_reason=shelter[1],
        observe=_harmless(conduct.observe),
        lag=stack.enter_context(measured_lag()),
        lanes=world.lanes,
        access=outside.access,
        underway=store.underway,
        witness=Witness(SolutionSeconds(folder_in(outside.cache))),
        workers=stack.enter_context(ThreadPoolExecutor(WORKERS, "workspaces")),
        turns=InTurns(asyncio.get_running_loop()),
    )


def _means(run: Run, store: Store, lanes: Lanes, conduct: Conduct, trials: _Trials) -> Means:
    return Means(
        execute=trials.execute,
        unmeasured=partial(unmeasured, run),
        lane_of=trials.lane,
        terms=trials.terms,
        lanes=lanes,
        store=store,
        budget=trials.budget,
        observe=conduct.observe,
        jobs=run.evaluation.jobs or JOBS,
    )


def _from_its_source(run: Run, conduct: Conduct) -> Run:
    """The run with the folder that its plain LOPs copy: where it was started, also when it is resumed elsewhere."""
    here = str(conduct.source.resolve())
    if run.source and run.source != here and any(task.plain and task.workspace is None for task in run.tasks):
        _say([f"workspaces are copied from {run.source}, where the run was started"], conduct)
    return structs.replace(run, source=run.source or here)


def _say(texts: Sequence[str], conduct: Conduct) -> None:
    for text in texts:
        conduct.observe(Event(kind="note", text=text))


def _harmless(observe: Callable[[Event], None]) -> Callable[[Event], None]:
    """The same, but silent for good once it has failed: a display must not cost a trial."""
    works = True

    def tell(event: Event) -> None:
        nonlocal works
        if works:
            try:
                observe(event)
            except Exception:  # noqa: BLE001 - whatever a display may raise; the scheduler's own events report it
                works = False

    return tell


def _plan_copies(run: Run) -> dict[str, CopyPlan]:
    """What each task's workspaces will hold.

    Raises:
        FlatfieldError: one is too large, not there, or cannot be read.
    """
    source = Path(run.source)
    try:
        return {task.id: plan_copy(task, source) for task in run.tasks}
    except OSError as error:
        where = error.filename or source
        raise FlatfieldError(
            f"the workspace cannot be copied: {where}: {error.strerror}; make it readable, or move it away"
        ) from error


def _crowded(run: Run, plans: Sequence[TrialPlan], world: World) -> tuple[str, ...]:
    """A line where the user asked for more jobs than lanes take of what is to be done."""
    if run.evaluation.jobs is None:
        return ()
    agents: dict[str, AgentConfig] = {agent.name: agent for agent in run.agents}
    trials: Counter[Bottleneck] = Counter()
    for name, count in Counter(plan.agent for plan in plans).items():
        agent = agents[name]
        lane = world.pool.of(agent).lane(agent)
        trials[bottleneck(lane, agent.provider, world.outside.lane_limits)] += count
    text = crowding(run.evaluation.jobs, trials)
    return (text,) if text else ()


def _as_carried_out(
    run: Run, copies: Mapping[str, CopyPlan], sandbox: Sandbox | None, prices: Prices, crowded: Sequence[str]
) -> Run:
    """The run with what is known only now: versions, prices, the sandbox, what was left out of the workspaces."""
    kind = "none" if sandbox is None else sandbox.kind
    run = updated(run, {**versions(), "prices": prices.version(), "sandbox": kind})
    left_out = (text for plan in copies.values() for text in plan.notes)
    notes = (*run.notes, *left_out, *crowded, *upper_bounds(run.agents))
    return structs.replace(run, notes=tuple(dict.fromkeys(notes)), begun=True)


class _Trials:
    """What the scheduler asks of a run: how to do a trial, in which lane, and what it may cost and take."""

    def __init__(
        self,
        desk: CheckDesk,
        copies: Mapping[str, CopyPlan],
        unready: Mapping[str, str],
        budget: Budget,
        expected: Mapping[tuple[str, str], Expected],
    ) -> None:
        run, ground = desk.run, desk.ground
        self.budget = budget
        self._desk = desk
        self._known: RunResult | None = None
        self._choices: dict[tuple[str, str], RouteChoice] = {}
        self._run = run
        self._ground = ground
        self._unready = unready
        self._expected = expected
        self._pricing = _Pricing(ground.pool, ground.prices)
        self._tasks = {task.id: task for task in run.tasks}
        self._agents = {agent.name: agent for agent in run.agents}
        actual = run.evaluation.names == "actual"
        self._names = model_names(run.agents, run.controls, actual=actual, began_with=run.began_with)
        self._copies = copies
        self._fingerprints = {agent.name: fingerprint(agent) for agent in run.agents}

    def is_late(self, plan: TrialPlan) -> bool:
        """Whether a trial comes after the others, as its agent is chosen by what they showed."""
        return self._agents[plan.agent].route is not None

    def learn(self, known: RunResult) -> None:
        """Choose agents by this from now on."""
        self._known = known
        self._choices.clear()

    def lane(self, plan: TrialPlan) -> Lane:
        """The lane that the agent's provider asks for."""
        if plan.agent in self._unready:
            return UNREADY_LANE
        agent = self._agents[plan.agent]
        return self._ground.pool.of(agent).lane(agent)

    def terms(self, plan: TrialPlan) -> Terms:
        """What the trial may cost and take at most, as far as it is known before."""
        if plan.agent in self._unready:
            return Terms(most_usd=0.0, priced=True, likely_seconds=0.0, most_seconds=0.0)
        agent = self._agents[plan.agent]
        limits = limits_for(self._tasks[plan.task], self._run.evaluation)
        most = total([self._most_usd(member, self._tasks[plan.task], limits) for member in agent.members])
        priced = is_control(agent) or self._pricing.is_priced(agent)
        found = self._expected.get((plan.agent, plan.task))
        return Terms(
            most_usd=most,
            priced=priced,
            can_be_held=priced and not any(map(_is_scaffold, agent.members)),
            likely_seconds=None if found is None else found.wall_seconds,
            is_guess=found is not None and found.basis == "guess",
            most_seconds=limits.seconds * len(agent.members),
        )

    def _most_usd(self, agent: AgentConfig, task: Task, limits: Limits) -> float | None:
        """The most dollars that a trial's limits allow; None: nothing bounds them."""
        pricing = self._pricing
        if is_control(agent) or pricing.usd(agent, None) == 0.0:  # nobody asks what it used
            return 0.0
        if _is_scaffold(agent):
            return None
        subject = Subject(agent=agent.name, model=agent.model, context_tokens=context_tokens(agent))
        most = most_usd(subject, limits, partial(pricing.usd, agent))
        if most is not None and most == limits.cost_usd:  # no reply can be ended before its request has been read
            most += pricing.usd(agent, Usage(input_tokens=SCAFFOLD_TOKENS + len(task.prompt.encode()))) or 0.0
        return most

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
            purse_usd=self.budget.purse_usd(plan.id),
            model_name=self._names[agent.name],
            files=self._copies[task.id],
        )
        if agent.route is not None:
            return await run_route(assignment, self._desk, await self._choice(agent, task))
        if agent.steps:
            return await run_cascade(assignment, self._desk)
        return await run_trial(assignment, self._ground)

    async def _choice(self, route: AgentConfig, task: Task) -> RouteChoice:
        """Whom a route takes for a task, the same for each of its repeats."""
        key = (route.name, task.id)
        if key not in self._choices:
            self._choices[key] = await asyncio.to_thread(choose, route, task, self._known)
        return self._choices[key]


def _is_scaffold(agent: AgentConfig) -> bool:
    return plugins.traits_or_usual(agent.provider).is_scaffold


def _needed(run: Run, plans: Sequence[TrialPlan]) -> tuple[AgentConfig, ...]:
    wanted = {plan.agent for plan in plans}
    return tuple(agent for agent in run.agents if agent.name in wanted)


def _needed_judges(run: Run, conduct: Conduct) -> tuple[AgentConfig, ...]:
    return conduct.judges if any(rubric_of(task) for task in run.tasks) else ()


async def _sandbox(run: Run, conduct: Conduct) -> tuple[Sandbox | None, str]:
    """The sandbox, or why there is none; not looked for when nothing runs commands."""
    if not any(map(needs_commands, run.tasks)) and not any(map(checks.needs_commands, run.agents)):
        return None, "no task of this run needs commands"
    if conduct.unsafe_commands:
        return UnsafeSandbox(os.environ), ""
    try:
        return await asyncio.to_thread(find_sandbox, os.environ), ""
    except NotReady as error:
        conduct.observe(Event(kind="note", text=f"commands cannot be run, what needs them is not measured: {error}"))
        return None, str(error)
