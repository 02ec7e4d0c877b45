"""Predicts a run before it is paid for: from past runs, prices, sizes of tasks and the scheduler's own rules."""

from __future__ import annotations

import asyncio
import heapq
import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.agent.files.copying import plan_copy
from flatfield.runs.order import plan
from flatfield.runs.scheduler import JOBS
from flatfield.runs.traffic.lanes import bottleneck
from flatfield.runs.traffic.servers import limits_of
from flatfield.runs.world import open_world
from flatfield.scoring.certainty.study import observe
from flatfield.scoring.certainty.values import Observation  # noqa: TC001 - msgspec
from flatfield.scoring.forecast import VERDICT_SECONDS as GUESSED_VERDICT_SECONDS
from flatfield.scoring.forecast import Expected, Job, Past, Subject, expect, guessed_verdict, total
from flatfield.scoring.grading import control_names
from flatfield.scoring.judge.judge import is_comparative, rubric_of
from flatfield.scoring.judge.request import CONCURRENT_REQUESTS
from flatfield.scoring.performance import measure, settled
from flatfield.scoring.scales import mean
from flatfield.tasks.agents import as_configured, fingerprint, is_control, is_same
from flatfield.tasks.hop import limits_for
from flatfield.tasks.roster import context_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Run, Task, TrialPlan, TrialRecord, Usage
    from flatfield.runs.store.store import Store
    from flatfield.runs.world import Outside, World
    from flatfield.scoring.certainty.values import WhichTasks

    Scores = Mapping[str, Mapping[str, Sequence[float]]]
    """By agent and task: the scores of the trials of one run."""
    from flatfield.vendors.base import Lane


# What past runs in the store say of trials to come: their costs and times, their scores, what judges cost.


RUNS = 20
"""So many of the newest runs that share an agent or a task are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastDesk:
    """With what it is predicted: providers tell lanes and devices; `source` is the folder that plain LOPs copy."""

    world: World
    source: Path

    def price(self, agent: AgentConfig) -> Callable[[Usage], float | None]:
        """Dollars of one request of the agent."""
        on_device = self.world.pool.of(agent).on_device(agent)
        return lambda usage: self.world.outside.prices.usd(agent, usage, on_device)


class History(Struct, frozen=True, kw_only=True):
    """What past runs, so many of them, tell: `past` trials; `scores` of each run, controls left out; `verdicts`.

    `verdicts`: dollars of each verdict, by judge; None: not known. `observations`: measured trials of agents and tasks
    as they are now.
    """

    past: tuple[Past, ...]
    runs: int
    scores: tuple[Scores, ...]
    verdicts: dict[str, list[float | None]]
    observations: tuple[Observation, ...] = ()


def read_history(run: Run, judges: Sequence[AgentConfig], store: Store, desk: ForecastDesk) -> History:
    """What the newest runs that share an agent or a task show.

    Raises:
        StoreError: the store cannot be read.
    """
    agents, tasks = {agent.name for agent in (*run.agents, *judges)}, {task.id for task in run.tasks}
    alike = (
        summary.id
        for summary in store.runs()
        if not summary.imported and (agents & set(summary.agents) or tasks & set(summary.tasks))
    )
    past: list[Past] = []
    scores: list[Scores] = []
    verdicts: dict[str, list[float | None]] = {}
    observed: list[Observation] = []
    runs = tuple(islice(alike, RUNS))
    for each in runs:
        found, trials, said = store.load_run(each), settled(store.figures(each)).trials, store.verdicts(each)
        past += _past(found, trials, desk)
        observed += observe(found, _as_now(run, found, trials), said)
        controls = control_names(found)
        by_agent: dict[str, dict[str, Sequence[float]]] = {}
        for (agent, task), figures in measure(found, trials, said).figures.items():
            if agent not in controls:
                by_agent.setdefault(agent, {})[task] = [each.score for each in figures]
        scores.append(by_agent)
        for verdict in said:
            verdicts.setdefault(verdict.judge, []).append(verdict.cost_usd)
    return History(
        past=tuple(past), runs=len(runs), scores=tuple(scores), verdicts=verdicts, observations=tuple(observed)
    )


def _as_now(run: Run, then: Run, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials of agents and tasks of an earlier run that this one has too, unchanged."""
    agents, tasks = {agent.name: agent for agent in run.agents}, {task.id: task.digest for task in run.tasks}
    same = {a.name for a in then.agents if a.name in agents and is_same(agents[a.name], a, then)}
    return [trial for trial in trials if trial.agent in same and tasks.get(trial.task) == trial.task_digest]


def _past(run: Run, trials: Sequence[TrialRecord], desk: ForecastDesk) -> Iterator[Past]:
    """The run's measured trials; those that had no price then are priced by what is known now."""
    agents = {agent.name: agent for agent in run.agents}
    for trial in trials:
        agent = agents.get(trial.agent)
        if trial.failure is not None or agent is None:
            continue
        usd = trial.cost_usd
        if usd is None and trial.turns:
            price = desk.price(agent)
            used = [turn.reply.usage for turn in trial.turns]
            usd = total([None if usage is None else price(usage) for usage in used])
        yield Past(
            agent=fingerprint(as_configured(agent, run)) if trial.agent in run.probed else trial.agent_fingerprint,
            model=model_of(agent),
            task=trial.task,
            digest=trial.task_digest,
            usd=usd,
            active_seconds=trial.active_seconds,
            wall_seconds=trial.wall_seconds,
        )


def model_of(agent: AgentConfig) -> str:
    """What tells models apart, whatever their settings: provider, model and address."""
    return " → ".join(f"{one.provider}:{one.model}@{one.base_url or ''}" for one in agent.members)


# How long trials take together: played through the scheduler's rules with the seconds that each will probably take.


class Slot(Struct, frozen=True, kw_only=True):
    """One trial: its seconds, and the lane that it waits for, with its width."""

    seconds: float
    lane: str
    width: int


def makespan(slots: Sequence[Slot], jobs: int) -> float:
    """Seconds until the last of the trials, started in their order, has ended.

    At most `jobs` run at once, and in each lane as many as it is wide. One that waits for its lane holds up none
    behind it.
    """
    waiting: dict[str, deque[tuple[int, Slot]]] = {}
    for place, slot in enumerate(slots):
        waiting.setdefault(slot.lane, deque()).append((place, slot))
    running: list[tuple[float, str]] = []
    held = dict.fromkeys(waiting, 0)
    now = 0.0
    while running or any(waiting.values()):
        ready = [queue[0][0] for lane, queue in waiting.items() if queue and held[lane] < queue[0][1].width]
        if ready and len(running) < jobs:
            lane = slots[min(ready)].lane
            _, slot = waiting[lane].popleft()
            held[lane] += 1
            heapq.heappush(running, (now + slot.seconds, lane))
            continue
        now, lane = heapq.heappop(running)
        held[lane] -= 1
    return now


# Predicts a run before it is carried out: trials, dollars, minutes, and what it could tell apart.


class Line(Struct, frozen=True, kw_only=True):
    """One agent's trials, or one judge's verdicts: sums; dollars None: no price known, `most_usd` None: no bound.

    `known` counts the tasks by what their figures are from: "measured", "other tasks", "guess", "control".
    """

    name: str
    trials: int
    usd: float | None
    most_usd: float | None
    active_seconds: float
    most_seconds: float | None
    known: dict[str, int]


class Separation(Struct, frozen=True, kw_only=True):
    """What the plan can tell apart: true differences of two agents' performance that are found in four of five cases.

    `these` and `following`: such a difference on these tasks, and on the next tasks like these, by the plan as it is.
    `repeats_needed` of these tasks find `difference` on them, `tasks_needed` at the planned repeats find it on the next
    ones (None: more than there will ever be). `rate`: the pass rate around which that is; `rho`: the share of a trial's
    variance that tasks make; `known_from`: "assumed", or of how many trials they are. `before`: what earlier trials of
    these agents on these tasks say already.
    """

    difference: float
    tasks: int
    repeats: int
    these: float
    following: float
    repeats_needed: int | None
    tasks_needed: int | None
    rate: float
    rho: float
    known_from: str
    before: Before | None = None


class Before(Struct, frozen=True, kw_only=True):
    """Earlier trials of two or more of the agents on some of the tasks: who is best in performance, and how surely.

    `best` is so with `probability` on the next tasks; choosing it loses `regret` on average. `power`: how probably the
    planned trials, added to the earlier ones, tell it from `runner_up` on these tasks.
    """

    trials: int
    best: str
    probability: float
    regret: float
    runner_up: str
    power: float


class Forecast(Struct, frozen=True, kw_only=True):
    """What a run will probably take. Dollars None: no price known for some, `most_usd` None: no bound for some.

    Sums are of the agents' trials; what judges cost is theirs alone. `wall_seconds` is with lanes and jobs, judges
    included.
    """

    trials: int
    agents: tuple[Line, ...]
    judges: tuple[Line, ...]
    usd: float | None
    most_usd: float | None
    judges_usd: float | None
    budget_usd: float | None
    budget_seconds: float | None
    active_seconds: float
    wall_seconds: float
    most_wall_seconds: float
    past_runs: int
    past_trials: int
    separation: Separation
    notes: tuple[str, ...] = ()


def forecast(
    run: Run,
    judges: Sequence[AgentConfig],
    store: Store,
    desk: ForecastDesk,
    difference: float,
    ahead: Sequence[TrialPlan] | None = None,
) -> Forecast:
    """Predict the run, or what is `ahead` of it; nothing is asked of anybody, and no key is needed.

    Raises:
        NotFound: a provider, or a task's workspace, is not there.
        FlatfieldError: a workspace is too large.
        StoreError: the store cannot be read.
    """
    history = read_history(run, judges, store, desk)
    trials = plan(run) if ahead is None else ahead
    cells = _cells(run, trials, history, desk)
    lines = tuple(_line(agent.name, trials, cells) for agent in run.agents)
    verdicts = tuple(_judging(judge, run, trials, history, desk) for judge in judges)
    compared = [line for line in lines if line.trials]
    return Forecast(
        trials=len(trials),
        agents=lines,
        judges=verdicts,
        usd=total([line.usd for line in compared]),
        most_usd=total([line.most_usd for line in compared]),
        judges_usd=total([line.usd for line in verdicts]),
        budget_usd=run.evaluation.budget_usd,
        budget_seconds=run.evaluation.budget_seconds,
        active_seconds=math.fsum(line.active_seconds for line in lines),
        wall_seconds=_wall(run, trials, desk, {key: one.wall_seconds for key, one in cells.items()}, verdicts),
        most_wall_seconds=_wall(run, trials, desk, {key: one.most_seconds for key, one in cells.items()}, verdicts),
        past_runs=history.runs,
        past_trials=len(history.past),
        separation=_separation(run, difference, history),
        notes=tuple(_notes(run, desk)),
    )


def expected_trials(run: Run, store: Store, desk: ForecastDesk) -> dict[tuple[str, str], Expected]:
    """What a trial will probably take, by agent and task; raises as `forecast`."""
    return _cells(run, plan(run), read_history(run, (), store, desk), desk)


def _cells(
    run: Run, trials: Sequence[TrialPlan], history: History, desk: ForecastDesk
) -> dict[tuple[str, str], Expected]:
    jobs = {task.id: _job(task, run, desk) for task in run.tasks}
    cells: dict[tuple[str, str], Expected] = {}
    for agent in run.agents:
        for task in {trial.task for trial in trials if trial.agent == agent.name}:
            cells[agent.name, task] = _expected(agent, jobs[task], history.past, desk)
    return cells


def _expected(agent: AgentConfig, job: Job, past: Sequence[Past], desk: ForecastDesk) -> Expected:
    """What one trial will take; of a cascade that was not measured yet, as if all of its steps were needed."""
    whole, *_ = each = [expect(_subject(one, desk), job, past, desk.price(one)) for one in agent.members]
    if not agent.steps:
        return whole
    if agent.route is not None:  # one of them does it, and which is not known
        return max(each, key=lambda one: (one.usd is None, one.usd or 0.0, one.active_seconds))
    own = expect(_subject(agent, desk), job, past, desk.price(agent))
    most_usd, most_seconds = total([one.most_usd for one in each]), math.fsum(one.most_seconds for one in each)
    if own.basis != "guess":
        return structs.replace(own, most_usd=most_usd, most_seconds=most_seconds)
    return Expected(
        usd=total([one.usd for one in each]),
        active_seconds=math.fsum(one.active_seconds for one in each),
        wall_seconds=math.fsum(one.wall_seconds for one in each),
        most_usd=most_usd,
        most_seconds=most_seconds,
        basis="guess" if any(one.basis == "guess" for one in each) else "other tasks",
    )


def _subject(agent: AgentConfig, desk: ForecastDesk) -> Subject:
    return Subject(
        agent=fingerprint(structs.replace(agent, protocol=None) if agent.protocol == "auto" else agent),
        model=model_of(agent),
        on_device=desk.world.pool.of(agent).on_device(agent),
        control=is_control(agent),
        context_tokens=context_tokens(agent),
    )


def _job(task: Task, run: Run, desk: ForecastDesk) -> Job:
    copied = plan_copy(task, desk.source)
    sizes = [(Path(copied.source) / name).stat().st_size for name in copied.files]
    inline = sum(len(text.encode()) for text in copied.inline.values())
    return Job(task=task, limits=limits_for(task, run.evaluation), workspace_bytes=sum(sizes) + inline)


def _line(agent: str, trials: Sequence[TrialPlan], cells: Mapping[tuple[str, str], Expected]) -> Line:
    each = [cells[agent, trial.task] for trial in trials if trial.agent == agent]
    basis = [one.basis for (name, _), one in cells.items() if name == agent]
    return Line(
        name=agent,
        trials=len(each),
        usd=total([one.usd for one in each]),
        most_usd=total([one.most_usd for one in each]),
        active_seconds=math.fsum(one.active_seconds for one in each),
        most_seconds=math.fsum(one.most_seconds for one in each),
        known={kind: basis.count(kind) for kind in dict.fromkeys(basis)},
    )


def _judging(judge: AgentConfig, run: Run, trials: Sequence[TrialPlan], history: History, desk: ForecastDesk) -> Line:
    tasks = {task.id: task for task in run.tasks if rubric_of(task)}
    judged = [tasks[trial.task] for trial in trials if trial.task in tasks]
    price = desk.price(judge)
    known = [usd for usd in history.verdicts.get(judge.name, []) if usd is not None]
    guessed = [price(guessed_verdict(task, compared=is_comparative(rubric_of(task)))) for task in judged]
    return Line(
        name=judge.name,
        trials=len(judged),
        usd=mean(known) * len(judged) if known else total(guessed),
        most_usd=None,
        active_seconds=GUESSED_VERDICT_SECONDS * len(judged),
        most_seconds=None,
        known={"measured" if known else "guess": len({task.id for task in judged})} if judged else {},
    )


def _wall(
    run: Run,
    trials: Sequence[TrialPlan],
    desk: ForecastDesk,
    seconds: Mapping[tuple[str, str], float],
    judges: Sequence[Line],
) -> float:
    agents = {agent.name: agent for agent in run.agents}
    lanes = {name: desk.world.pool.of(agent).lane(agent) for name, agent in agents.items()}
    slots = [_slot(agents[trial.agent], lanes[trial.agent], seconds[trial.agent, trial.task], desk) for trial in trials]
    judging = math.fsum(line.active_seconds for line in judges) / CONCURRENT_REQUESTS
    return makespan(slots, run.evaluation.jobs or JOBS) + judging


def _slot(agent: AgentConfig, lane: Lane, seconds: float, desk: ForecastDesk) -> Slot:
    """A device does one trial at a time, whatever its lanes are called; what the user says is for a whole server."""
    narrow = bottleneck(lane, agent.provider, desk.world.outside.lane_limits)
    return Slot(seconds=seconds, lane=narrow.name, width=narrow.width)


MOST_REPEATS, MOST_TASKS = 1000, 10_000
ENOUGH = 10
"""With fewer degrees of freedom than this, variances are assumed, not observed."""


def _separation(run: Run, difference: float, history: History) -> Separation:
    from flatfield.scoring.certainty.plan import RATE, RHO, least_difference

    tasks, repeats = len(run.tasks), min(run.repeats.values(), default=1)
    observed = observed_rates(history.scores)
    rate, rho, known_from = observed or (RATE, RHO, "assumed")

    def found(tasks: int, repeats: int, question: WhichTasks) -> float:
        return least_difference(tasks, repeats, question, rate, rho)

    return Separation(
        difference=difference,
        tasks=tasks,
        repeats=repeats,
        these=found(tasks, repeats, "these"),
        following=found(tasks, repeats, "next"),
        repeats_needed=_fewest(MOST_REPEATS, lambda n: found(tasks, n, "these") <= difference),
        tasks_needed=_fewest(MOST_TASKS, lambda n: found(n, repeats, "next") <= difference),
        rate=rate,
        rho=rho,
        known_from=known_from,
        before=_before(run, history.observations, repeats),
    )


def observed_rates(runs: Iterable[Scores]) -> tuple[float, float, str] | None:
    """The mean score, the share of a trial's variance that tasks make, and of how many trials; None: too few.

    Within tasks: pooled over all cells of two or more trials, as if one more trial had passed and one more failed.
    """
    cells = [scores for run in runs for tasks in run.values() for scores in tasks.values() if len(scores) > 1]
    freedom = sum(len(scores) - 1 for scores in cells)
    if freedom < ENOUGH:
        return None
    rate = min(max(mean(score for scores in cells for score in scores), 0.05), 0.95)
    within = math.fsum((score - mean(scores)) ** 2 for scores in cells for score in scores)
    share = (within + 0.5) / (freedom + 1) / (rate * (1.0 - rate))
    return rate, min(max(1.0 - share, 0.05), 0.95), f"observed, {sum(map(len, cells))} trials"


def _fewest(most: int, reached: Callable[[int], bool]) -> int | None:
    """The least number that reaches it, if `most` does: more of anything never tells less apart."""
    if not reached(most):
        return None
    return bisect_left(range(1, most + 1), 1, key=lambda n: int(reached(n))) + 1


def _before(run: Run, observations: Sequence[Observation], repeats: int) -> Before | None:
    """What is known of the run's agents on its tasks before it begins; None where it is of one agent or none."""
    from flatfield.records import Weights
    from flatfield.scoring.certainty.plan import power
    from flatfield.scoring.certainty.study import certainty, study
    from flatfield.scoring.certainty.values import Ask

    controls = control_names(run)
    found = study(
        observations, [agent.name for agent in run.agents if agent.name not in controls], [t.id for t in run.tasks]
    )
    if found is None or len(found.table.agents) < 2:
        return None
    performance = Weights(performance=1.0, speed=0.0, cost=0.0)
    said = certainty(found, Ask(measure=performance))
    first, second = said.standings[0], said.standings[1]
    names = found.table.agents
    done = mean(one.trials for one in (first, second)) / len(found.table.tasks)
    pair = names.index(first.agent), names.index(second.agent)
    return Before(
        trials=said.trials,
        best=first.agent,
        probability=first.best,
        regret=first.regret.mean,
        runner_up=second.agent,
        power=power(found.posterior, pair, "these", (done + repeats) / done, performance),
    )


def _notes(run: Run, desk: ForecastDesk) -> Iterator[str]:
    for agent in run.agents:
        place = desk.world.pool.of(agent).lane(agent).place
        limits = limits_of(place, agent.provider, desk.world.outside.lane_limits) if place else None
        if limits is not None and (limits.requests_per_minute or limits.tokens_per_minute):
            yield f"{agent.name}: the minutes do not count the waiting that {limits.source} asks for between requests"


# Predicts a run for those who have nothing open yet.


DIFFERENCE = 0.1
"""Of performance: what two agents are to be told apart by, where nobody says."""


async def foresee(
    run: Run,
    judges: Sequence[AgentConfig],
    store: Store,
    outside: Outside,
    source: Path,
    difference: float = DIFFERENCE,
) -> Forecast:
    """What the run will probably take; `source` is the folder that plain LOPs copy. No key is needed.

    Raises:
        NotFound: a provider, or a task's workspace, is not there.
        FlatfieldError: a workspace is too large.
        StoreError: the store cannot be read.
    """
    async with open_world(outside) as world:
        desk = ForecastDesk(world=world, source=source)
        return await asyncio.to_thread(forecast, run, judges, store, desk, difference)
