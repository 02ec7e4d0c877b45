"""One side against another on the same tasks: agents of a run, cloud against local, this run against an earlier one."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from flatfield.errors import NotFound
from flatfield.records import Comparison, Odds
from flatfield.scoring.certainty.study import Study, observe, study
from flatfield.scoring.certainty.study import compare as compare_draws
from flatfield.scoring.facts import on_device
from flatfield.scoring.measures.performance import Figures, is_wrong_claim, measure
from flatfield.scoring.measures.scales import exact, mean
from flatfield.tasks.agents import called, control_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import Run, RunResult, TrialRecord, Verdict
    from flatfield.scoring.certainty.values import Observation, Paired


NAMED = 3
"""A group of fewer agents is told by their names."""
PERMUTED = 9999
"""So often the trials' sides are drawn anew."""


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
    observations: tuple[Observation, ...]
    study: Study | None
    local: frozenset[str]
    contenders: tuple[str, ...]


class Side(Struct, frozen=True, kw_only=True):
    """What is compared: one agent, or several as one (each task's mean over them)."""

    name: str
    field: Field
    agents: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its name beside those of other runs."""
        return f"{self.name} in {self.field.run.id}"


def read_field(
    run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict], known: object | None = None
) -> Field:
    """The run's trials, scored; which agents run on the user's device; and which are no controls.

    `known`: the posterior of its contenders, where it is there already.
    """
    claims: dict[tuple[str, str], list[bool]] = {}
    for trial in trials:
        if trial.failure is None:
            wrong = is_wrong_claim(trial)
            claims.setdefault((trial.agent, trial.task), []).extend([] if wrong is None else [wrong])
    controls = control_names(run)
    contenders = [agent for agent in run.agents if agent.name not in controls]
    return Field(
        run=run,
        figures=measure(run, trials, verdicts).figures,
        wrong=claims,
        observations=observe(run, trials, verdicts),
        study=known if isinstance(known, Study) else None,
        local=on_device(contenders, trials),
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
            name=f"{name} ({', '.join(chosen) if len(chosen) < NAMED else f'{len(chosen)} agents'})",
            field=field,
            agents=chosen,
        )
    alike = called(name, agents)
    if len(alike) != 1:
        said = f"{len(alike)} agents begin with {name!r}" if alike else f"no agent {name!r} took part"
        raise NotFound(f"{said} in run {field.run.id}; there are: {', '.join((*agents, *Group))}")
    return Side(name=alike[0], field=field, agents=(alike[0],))


def compare(first: Side, second: Side, shared: Study | None = None) -> Comparison | None:
    """The two on the tasks that both were measured on, unchanged between their runs; None where there is none.

    Who is better is said where the draws on these tasks tell them apart, whatever checks lack. Two agents of one run
    are compared in the posterior of all its contenders, as the decision sees them; other sides in the one `shared`
    with more pairs on the same tasks, else in one of their own.
    """
    tasks, left_out = _common(first, second)
    if not tasks:
        return None
    priced = [task for task in tasks if all(_amount(side, (task,), "usd") is not None for side in (first, second))]
    priced = priced or list(tasks)
    scores = mean(_scores(first, tasks)), mean(_scores(second, tasks))
    these, later = _paired(first, second, tasks, shared)
    left_open = _unchecked(first, second, tasks)
    claims = _claims(first, tasks), _claims(second, tasks)
    return Comparison(
        kind=_kind(first, second),
        first=first.name,
        second=second.name,
        first_run=first.field.run.id,
        second_run=second.field.run.id,
        tasks=tasks,
        left_out=left_out,
        trials=(_count(first, tasks), _count(second, tasks)),
        verdict=_verdict(these.ends, left_open),
        first_score=scores[0],
        second_score=scores[1],
        difference=exact(scores[0] - scores[1]),
        these=_odds(these),
        next=_odds(later),
        p_value=p_value([(_trials(first, task), _trials(second, task)) for task in tasks]),
        claims=(len(claims[0]), len(claims[1])),
        wrong_claims=(sum(claims[0]), sum(claims[1])),
        left_open=left_open,
        first_seconds=_amount(first, tasks, "seconds"),
        second_seconds=_amount(second, tasks, "seconds"),
        first_usd=_amount(first, priced, "usd"),
        second_usd=_amount(second, priced, "usd"),
    )


def p_value(tasks: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """How probable a mean difference as large as this is if the two sides are the same: trials permuted in each task.

    With one trial of a task on each side this is the sign-flip test. It speaks of these tasks alone.

    Sources: Fisher, The Design of Experiments (1935), section 21; the drawn one counts itself: Phipson & Smyth,
    Statistical Applications in Genetics and Molecular Biology 9 (2010), article 39.
    """
    import numpy as np

    chance = np.random.default_rng(0)
    drawn, seen = np.zeros(PERMUTED), 0.0
    for ours, theirs in tasks:
        both = np.asarray([*ours, *theirs], dtype=float)
        seen += float(np.mean(ours) - np.mean(theirs))
        mixed = chance.permuted(np.tile(both, (PERMUTED, 1)), axis=1)
        drawn += mixed[:, : len(ours)].mean(axis=1) - mixed[:, len(ours) :].mean(axis=1)
    return (1.0 + float((np.abs(drawn) >= abs(seen) - 1e-9).sum())) / (1.0 + PERMUTED)


def _paired(first: Side, second: Side, tasks: Sequence[str], shared: Study | None) -> tuple[Paired, Paired]:
    """How sure the difference is on these tasks, and on the next one like these."""
    if _kind(first, second) == "agents":
        names = first.agents[0], second.agents[0]
        found = study_of(first.field, names, tasks)
    else:
        names = first.label, second.label
        found = shared or _of_sides((first, second), tasks)
    if found is None:  # both were measured on these tasks
        raise NotFound(f"{first.name} and {second.name} have no measured trial")
    return compare_draws(found, *names, "these"), compare_draws(found, *names, "next")


def _odds(pair: Paired) -> Odds:
    return Odds(low=pair.difference.low, high=pair.difference.high, probability=pair.probability)


def study_of(field: Field, names: tuple[str, str], tasks: Sequence[str]) -> Study | None:
    """The posterior of all contenders on these tasks, with a control where it is one of the two."""
    ready = field.study
    if ready is not None and set(ready.table.tasks) == set(tasks) and set(names) <= set(ready.table.agents):
        return ready
    agents = list(dict.fromkeys((*field.contenders, *names)))
    return study([one for one in field.observations if one.task in set(tasks)], agents, tasks)


def _of_sides(sides: Sequence[Side], tasks: Sequence[str]) -> Study | None:
    """The posterior of these sides alone, each as if it were one agent."""
    found = [
        replace(one, agent=side.label)
        for side in sides
        for one in side.field.observations
        if one.task in set(tasks) and one.agent in side.agents
    ]
    return study(found, [side.label for side in sides], tasks)


def asked_for(result: RunResult) -> tuple[Comparison, ...]:
    """What people ask of a run: its two best agents against each other, and cloud against local."""
    field = read_field(result.run, result.trials, result.verdicts, result.study)
    best = result.grading.order[:2]
    pairs: list[tuple[str, str]] = [(best[0], best[1])] if len(best) > 1 else []
    if field.local and len(field.local) < len(field.contenders) and len(field.contenders) > len(Group):
        pairs.append((Group.CLOUD, Group.LOCAL))
    found = [compare(side_of(field, one), side_of(field, other)) for one, other in pairs]
    return tuple(each for each in found if each is not None)


def against_earlier(now: Field, then: Field) -> tuple[Comparison, ...]:
    """Each contender against itself in an earlier run; all with the same tasks in common in one posterior."""
    names = [name for name in now.contenders if name in then.contenders]
    pairs = [(side_of(now, name), side_of(then, name)) for name in names]
    common = [_common(*pair)[0] for pair in pairs]
    alike: dict[tuple[str, ...], list[Side]] = {}
    for tasks, pair in zip(common, pairs, strict=True):
        alike.setdefault(tasks, []).extend(pair)
    shared = {tasks: _of_sides(sides, tasks) for tasks, sides in alike.items() if tasks}
    found = [compare(*pair, shared.get(tasks)) for tasks, pair in zip(common, pairs, strict=True)]
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


def _trials(side: Side, task: str) -> list[float]:
    return [one.score for figures in _measured(side, task) for one in figures]


def _unchecked(first: Side, second: Side, tasks: Sequence[str]) -> tuple[float, float]:
    """How much lower and higher the difference may be, for checks that were not measured."""
    ends = []
    for side in (first, second):
        found = [_measured(side, task) for task in tasks]
        down = mean(mean(mean(f.down for f in one) for one in each) for each in found)
        up = mean(mean(mean(f.up for f in one) for one in each) for each in found)
        ends.append((down, up))
    return exact(ends[0][0] + ends[1][1]), exact(ends[0][1] + ends[1][0])


def _claims(side: Side, tasks: Sequence[str]) -> list[bool]:
    """Of each claim to be done on the tasks, whether it was wrong."""
    return [wrong for task in tasks for agent in side.agents for wrong in side.field.wrong.get((agent, task), ())]


def _verdict(
    ends: tuple[float, float], left_open: tuple[float, float]
) -> Literal["first", "second", "too close to call"]:
    if ends[0] - left_open[0] > 0.0:
        return "first"
    return "second" if ends[1] + left_open[1] < 0.0 else "too close to call"


def _kind(first: Side, second: Side) -> Literal["agents", "groups", "runs"]:
    if first.field.run.id != second.field.run.id:
        return "runs"
    return "agents" if first.name in first.agents and second.name in second.agents else "groups"
