"""One side against another on the same tasks: agents of a run, cloud against local, this run against an earlier one."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield import plugins
from flatfield.errors import NotFound
from flatfield.records import Comparison, Interval
from flatfield.scoring.grading import control_names
from flatfield.scoring.performance import Figures, is_wrong_claim, measure
from flatfield.scoring.scales import exact, mean
from flatfield.scoring.standing import UNCHECKED
from flatfield.scoring.statistics.intervals import LEAST, bounds
from flatfield.scoring.statistics.paired import Estimate, paired, unpaired
from flatfield.tasks.agents import called

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import Run, RunResult, TrialRecord, Verdict
    from flatfield.scoring.statistics.paired import Difference


class Group(StrEnum):
    """Agents that are compared as one, by the word that users write for them."""

    CLOUD = auto()
    LOCAL = auto()


class Field(Struct, frozen=True, kw_only=True):
    """A run's measured trials, read once for any number of comparisons.

    `wrong`: by (agent, task) whether each claim to be done was wrong.
    """

    run: Run
    figures: Mapping[tuple[str, str], Sequence[Figures]]
    wrong: Mapping[tuple[str, str], Sequence[bool]]
    local: frozenset[str]
    contenders: tuple[str, ...]


class Side(Struct, frozen=True, kw_only=True):
    """What is compared: one agent, or several as one (each task's mean over them)."""

    name: str
    field: Field
    agents: tuple[str, ...]


def read_field(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]) -> Field:
    """The run's trials, scored; which agents run on the user's device; and which are no controls.

    Local is an agent whose vendor always serves models on the user's device, one with `on_device`, and one whose every
    trial cost $0: that is only so where the provider says that the model runs there, or a user's own price says $0.
    """
    costs: dict[str, list[float | None]] = {}
    claims: dict[tuple[str, str], list[bool]] = {}
    for trial in trials:
        if trial.failure is None:
            costs.setdefault(trial.agent, []).append(trial.cost_usd)
            wrong = is_wrong_claim(trial)
            claims.setdefault((trial.agent, trial.task), []).extend([] if wrong is None else [wrong])
    controls = control_names(run)
    contenders = [agent for agent in run.agents if agent.name not in controls]
    local = [
        agent.name
        for agent in contenders
        if plugins.traits_or_usual(agent.provider).is_on_device
        or agent.on_device
        or all(usd == 0.0 for usd in costs.get(agent.name, [None]))
    ]
    return Field(
        run=run,
        figures=measure(run, trials, verdicts).figures,
        wrong=claims,
        local=frozenset(local),
        contenders=tuple(agent.name for agent in contenders),
    )


def side_of(field: Field, name: str) -> Side:
    """An agent by its name, what that is shortened to, or how it alone begins; or `cloud` or `local`.

    A name goes before these two.

    Raises:
        NotFound: neither is in the run; the message lists what is.
    """
    agents = [agent.name for agent in field.run.agents]
    if name in agents:
        return Side(name=name, field=field, agents=(name,))
    if name in tuple(Group):
        chosen = tuple(agent for agent in field.contenders if (agent in field.local) == (name == Group.LOCAL))
        if not chosen:
            raise NotFound(f"no {name} agent took part in run {field.run.id}; there are: {', '.join(agents)}")
        return Side(
            name=f"{name} ({', '.join(chosen) if len(chosen) < LEAST else f'{len(chosen)} agents'})",
            field=field,
            agents=chosen,
        )
    alike = called(name, agents)
    if len(alike) != 1:
        said = f"{len(alike)} agents begin with {name!r}" if alike else f"no agent {name!r} took part"
        raise NotFound(f"{said} in run {field.run.id}; there are: {', '.join((*agents, *Group))}")
    return Side(name=alike[0], field=field, agents=(alike[0],))


def compare(first: Side, second: Side) -> Comparison | None:
    """The two on the tasks that both were measured on, unchanged between their runs; None where there is none.

    From three tasks up the tasks are the sample, paired (`statistics.paired`); below, the trials are, if each side has
    three or more of every task: then it says nothing about other tasks than these. The interval holds what checks leave
    that were not measured; no probability is told then.
    """
    tasks, left_out = _common(first, second)
    if not tasks:
        return None
    priced = [task for task in tasks if all(_amount(side, (task,), "usd") is not None for side in (first, second))]
    priced = priced or list(tasks)
    ours, theirs = _scores(first, tasks), _scores(second, tasks)
    trials = _count(first, tasks), _count(second, tasks)
    often = min(trials) / len(tasks)
    apart = paired(ours, theirs, often) if len(tasks) >= LEAST else _by_trials(first, second, tasks)
    method = f"paired by task, {len(tasks)} tasks" if len(tasks) >= LEAST else "of the trials of these tasks"
    left_open = _unchecked(first, second, tasks)
    interval = _interval(apart, method, left_open) if apart else None
    claims = _claims(first, tasks), _claims(second, tasks)
    return Comparison(
        kind=_kind(first, second),
        first=first.name,
        second=second.name,
        first_run=first.field.run.id,
        second_run=second.field.run.id,
        tasks=tasks,
        left_out=left_out,
        trials=trials,
        verdict=_verdict(interval),
        first_score=mean(ours),
        second_score=mean(theirs),
        difference=exact(mean(ours) - mean(theirs)),
        interval=interval,
        probability=apart.probability if apart and not any(left_open) else None,
        claims=(len(claims[0]), len(claims[1])),
        wrong_claims=(sum(claims[0]), sum(claims[1])),
        left_open=left_open,
        first_seconds=_amount(first, tasks, "seconds"),
        second_seconds=_amount(second, tasks, "seconds"),
        first_usd=_amount(first, priced, "usd"),
        second_usd=_amount(second, priced, "usd"),
    )


def asked_for(result: RunResult) -> tuple[Comparison, ...]:
    """What people ask of a run: its two best agents against each other, and cloud against local."""
    field = read_field(result.run, result.trials, result.verdicts)
    best = result.grading.order[:2]
    pairs: list[tuple[str, str]] = [(best[0], best[1])] if len(best) > 1 else []
    if field.local and len(field.local) < len(field.contenders) and len(field.contenders) > len(Group):
        pairs.append((Group.CLOUD, Group.LOCAL))
    found = [compare(side_of(field, one), side_of(field, other)) for one, other in pairs]
    return tuple(each for each in found if each is not None)


def against_earlier(now: Field, then: Field) -> tuple[Comparison, ...]:
    """Each contender against itself in an earlier run."""
    both = [name for name in now.contenders if name in then.contenders]
    found = [compare(side_of(now, name), side_of(then, name)) for name in both]
    return tuple(each for each in found if each is not None)


def _common(first: Side, second: Side) -> tuple[tuple[str, ...], tuple[str, ...]]:
    digests = {task.id: task.digest for task in second.field.run.tasks}
    common: list[str] = []
    left_out: list[str] = []
    for task in first.field.run.tasks:
        known = bool(_measured(first, task.id) and _measured(second, task.id))
        (common if known and digests.get(task.id) == task.digest else left_out).append(task.id)
    return tuple(common), tuple(left_out)


def _measured(side: Side, task: str) -> list[Sequence[Figures]]:
    """The trials of each of the side's agents that was measured on the task."""
    found = (side.field.figures.get((agent, task), ()) for agent in side.agents)
    return [figures for figures in found if figures]


def _scores(side: Side, tasks: Iterable[str]) -> list[float]:
    return [mean(mean(f.score for f in figures) for figures in _measured(side, task)) for task in tasks]


def _amount(side: Side, tasks: Iterable[str], name: Literal["seconds", "usd"]) -> float | None:
    """Mean over tasks of the mean per trial of those where it is known; None where a task has an agent without any."""
    means: list[float] = []
    for task in tasks:
        each = [[f.seconds if name == "seconds" else f.usd for f in figures] for figures in _measured(side, task)]
        known = [[amount for amount in amounts if amount is not None] for amounts in each]
        if not all(known):
            return None
        means.append(mean(map(mean, known)))
    return mean(means) if means else None


def _count(side: Side, tasks: Iterable[str]) -> int:
    return sum(len(figures) for task in tasks for figures in _measured(side, task))


def _by_trials(first: Side, second: Side, tasks: Sequence[str]) -> Difference | None:
    """With one or two tasks: the sides are independent, each between the means of its tasks' ends."""
    ends = [_within(side, tasks) for side in (first, second)]
    return unpaired(ends[0], ends[1]) if ends[0] and ends[1] else None


def _within(side: Side, tasks: Sequence[str]) -> Estimate | None:
    trials = [[f.score for f in figures] for task in tasks for figures in _measured(side, task)]
    if any(len(scores) < LEAST for scores in trials):
        return None
    low, high = zip(*map(bounds, trials), strict=True)
    return Estimate(value=mean(map(mean, trials)), low=mean(low), high=mean(high))


def _unchecked(first: Side, second: Side, tasks: Sequence[str]) -> tuple[float, float]:
    """How much lower and higher the difference may be, for checks that were not measured."""
    ends = []
    for side in (first, second):
        found = [_measured(side, task) for task in tasks]
        down = mean(mean(mean(f.down for f in one) for one in each) for each in found)
        up = mean(mean(mean(f.up for f in one) for one in each) for each in found)
        ends.append((down, up))
    return exact(ends[0][0] + ends[1][1]), exact(ends[0][1] + ends[1][0])


def _interval(apart: Difference, method: str, left_open: tuple[float, float]) -> Interval:
    return Interval(
        low=max(apart.low - left_open[0], -1.0),
        high=min(apart.high + left_open[1], 1.0),
        method=f"{method}, and {UNCHECKED}" if any(left_open) else method,
    )


def _claims(side: Side, tasks: Sequence[str]) -> list[bool]:
    """Of each claim to be done on the tasks, whether it was wrong."""
    return [wrong for task in tasks for agent in side.agents for wrong in side.field.wrong.get((agent, task), ())]


def _verdict(ends: Interval | None) -> Literal["first", "second", "too close to call", "too few to say"]:
    if ends is None:
        return "too few to say"
    if ends.low > 0.0 or ends.high < 0.0:
        return "first" if ends.low > 0.0 else "second"
    return "too close to call"


def _kind(first: Side, second: Side) -> Literal["agents", "groups", "runs"]:
    if first.field.run.id != second.field.run.id:
        return "runs"
    return "agents" if first.name in first.agents and second.name in second.agents else "groups"
