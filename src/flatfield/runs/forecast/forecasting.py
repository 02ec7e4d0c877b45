"""Predicts a run before it is carried out: trials, dollars, minutes, and what it could tell apart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.agent.files.copying import plan_copy
from flatfield.runs.forecast.history import model_of, read_history
from flatfield.runs.forecast.makespan import Slot, makespan
from flatfield.runs.plan import plan
from flatfield.runs.scheduler import JOBS
from flatfield.runs.traffic.lanes import bottleneck
from flatfield.runs.traffic.servers import limits_of
from flatfield.scoring.forecast import VERDICT_SECONDS as GUESSED_VERDICT_SECONDS
from flatfield.scoring.forecast import Expected, Job, Subject, expect, guessed_verdict, total
from flatfield.scoring.judge.judge import is_comparative, rubric_of
from flatfield.scoring.judge.request import CONCURRENT_REQUESTS
from flatfield.scoring.scales import mean
from flatfield.scoring.statistics.power import (
    Spread,
    observed_spread,
    repeats_needed,
    separable,
    tasks_needed,
)
from flatfield.tasks.agents import fingerprint, is_control
from flatfield.tasks.hop import limits_for
from flatfield.tasks.roster import context_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Run, Task, TrialPlan
    from flatfield.runs.forecast.history import Desk, History
    from flatfield.runs.store.store import Store
    from flatfield.vendors.base import Lane


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
    """What it takes to find a true `difference` of two agents' performance with 80% power by the 95% interval.

    `repeats_needed` of the tasks as they are (None: no number does it); `tasks_needed` at the repeats as they are;
    `separable`: the difference that the plan finds as it is (None: fewer than 3 tasks and 3 repeats).
    """

    difference: float
    tasks: int
    repeats: int
    repeats_needed: int | None
    tasks_needed: int | None
    separable: float | None
    spread: Spread


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


def forecast(run: Run, judges: Sequence[AgentConfig], store: Store, desk: Desk, difference: float) -> Forecast:
    """Predict the run; nothing is asked of anybody, and no key is needed.

    Raises:
        NotFound: a provider, or a task's workspace, is not there.
        FlatfieldError: a workspace is too large.
        StoreError: the store cannot be read.
    """
    history = read_history(run, judges, store, desk)
    trials = plan(run)
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


def expected_trials(run: Run, store: Store, desk: Desk) -> dict[tuple[str, str], Expected]:
    """What a trial will probably take, by agent and task; raises as `forecast`."""
    return _cells(run, plan(run), read_history(run, (), store, desk), desk)


def _cells(run: Run, trials: Sequence[TrialPlan], history: History, desk: Desk) -> dict[tuple[str, str], Expected]:
    jobs = {task.id: _job(task, run, desk) for task in run.tasks}
    cells: dict[tuple[str, str], Expected] = {}
    for agent in run.agents:
        subject, price = _subject(agent, desk), desk.price(agent)
        for task in {trial.task for trial in trials if trial.agent == agent.name}:
            cells[agent.name, task] = expect(subject, jobs[task], history.past, price)
    return cells


def _subject(agent: AgentConfig, desk: Desk) -> Subject:
    return Subject(
        agent=fingerprint(structs.replace(agent, protocol=None) if agent.protocol == "auto" else agent),
        model=model_of(agent),
        on_device=desk.pool.of(agent).on_device(agent),
        control=is_control(agent),
        context_tokens=context_tokens(agent),
    )


def _job(task: Task, run: Run, desk: Desk) -> Job:
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


def _judging(judge: AgentConfig, run: Run, trials: Sequence[TrialPlan], history: History, desk: Desk) -> Line:
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
    run: Run, trials: Sequence[TrialPlan], desk: Desk, seconds: Mapping[tuple[str, str], float], judges: Sequence[Line]
) -> float:
    agents = {agent.name: agent for agent in run.agents}
    lanes = {name: desk.pool.of(agent).lane(agent) for name, agent in agents.items()}
    slots = [_slot(agents[trial.agent], lanes[trial.agent], seconds[trial.agent, trial.task], desk) for trial in trials]
    judging = math.fsum(line.active_seconds for line in judges) / CONCURRENT_REQUESTS
    return makespan(slots, run.evaluation.jobs or JOBS) + judging


def _slot(agent: AgentConfig, lane: Lane, seconds: float, desk: Desk) -> Slot:
    """A device does one trial at a time, whatever its lanes are called; what the user says is for a whole server."""
    narrow = bottleneck(lane, agent.provider, desk.lanes)
    return Slot(seconds=seconds, lane=narrow.name, width=narrow.width)


def _separation(run: Run, difference: float, history: History) -> Separation:
    spread, tasks = observed_spread(history.scores), len(run.tasks)
    repeats = min(run.repeats.values(), default=1)
    return Separation(
        difference=difference,
        tasks=tasks,
        repeats=repeats,
        repeats_needed=repeats_needed(difference, tasks, spread),
        tasks_needed=tasks_needed(difference, repeats, spread),
        separable=separable(tasks, repeats, spread),
        spread=spread,
    )


def _notes(run: Run, desk: Desk) -> Iterator[str]:
    for agent in run.agents:
        place = desk.pool.of(agent).lane(agent).place
        limits = limits_of(place, agent.provider, desk.lanes) if place else None
        if limits is not None and (limits.requests_per_minute or limits.tokens_per_minute):
            yield f"{agent.name}: the minutes do not count the waiting that {limits.source} asks for between requests"
