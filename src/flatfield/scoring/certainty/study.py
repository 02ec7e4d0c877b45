"""The way in: from a run's records to the posterior, and from the posterior to the answer and how sure it is.

`study` makes the posterior of a run (or of any observations); `certainty` answers what is asked of it; `compare`,
`cells` and `plan.power` answer narrower questions of the same draws. Everything is a pure function of what it is given.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Weights
from flatfield.scoring.certainty.values import (
    Ask,
    Certainty,
    Estimate,
    Levels,
    Money,
    Observation,
    Paired,
    Purchase,
    Reach,
    Standing,
    WhichTasks,
)
from flatfield.scoring.performance import ALL, graded_usd, known_seconds, trial_scores
from flatfield.scoring.scales import HOLDS
from flatfield.scoring.work import Scales, scales_of
from flatfield.tasks.agents import is_control

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from flatfield.records import Anchors, Run, RunResult, TrialRecord, Verdict
    from flatfield.scoring.certainty.ends import Ends
    from flatfield.scoring.certainty.posterior import DrawnMeans, Posterior, Scale
    from flatfield.scoring.certainty.table import Cells, SumTable

    Array = NDArray[np.float64]


SHOWN = 3
"""So many purchases are offered."""


class Study(Struct, frozen=True, kw_only=True, eq=False):
    """A posterior with what it is made of. `planned`: trials by (agent, task); those without a measure are missing.

    `ends`: those of each cell's intervals. `frozen`: the scales that are not the draws' own, by (task, "speed" or
    "cost").
    """

    observations: tuple[Observation, ...]
    table: SumTable
    posterior: Posterior
    ends: Ends
    planned: Mapping[tuple[str, str], int]
    frozen: Mapping[tuple[str, str], Scale]
    seed: int


def observe(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]) -> tuple[Observation, ...]:
    """A run's measured trials; those that the harness failed, or nothing measured, are not among them."""
    scores = trial_scores(run, trials, verdicts)
    agents = {agent.name: agent for agent in run.agents}
    found = []
    for trial in trials:
        score = scores.get(trial.id)
        if score is None or trial.agent not in agents:
            continue
        agent = agents[trial.agent]
        found.append(
            Observation(
                agent=trial.agent,
                task=trial.task,
                score=score,
                solved=score >= ALL,
                seconds=known_seconds(trial),
                usd=graded_usd(trial, agent),
                wait_seconds=None
                if known_seconds(trial) is None
                else max(trial.wall_seconds - trial.queue_seconds, 0.0),
                prepaid=agent.prepaid,
            )
        )
    return tuple(found)


def study_run(result: RunResult, anchors: Sequence[Anchors] = (), *, seed: int = 0) -> Study | None:
    """The posterior of a run's contenders (no controls); None where none of their trials is measured.

    That which the result has already, where it is on the same scales.
    """
    ready = result.study
    if isinstance(ready, Study) and ready.seed == seed and ready.frozen == _frozen(anchors):
        return ready
    return study_trials(result.run, result.trials, result.verdicts, anchors, seed=seed)


def study_trials(
    run: Run,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    anchors: Sequence[Anchors] = (),
    *,
    seed: int = 0,
) -> Study | None:
    """The posterior of these trials of a run; None where none of its contenders' is measured."""
    controls = frozenset(run.controls) | {agent.name for agent in run.agents if is_control(agent)}
    agents = [agent.name for agent in run.agents if agent.name not in controls]
    planned = {
        (agent, task.id): run.repeats.get(task.id, 1) + run.added_to(task.id, agent)
        for task in run.tasks
        for agent in agents
        if agent in (run.rosters.get(task.id) or agents)
    }
    observations = observe(run, trials, verdicts)
    return study(observations, agents, [task.id for task in run.tasks], planned, scales_of(run, anchors), seed=seed)


def study(
    observations: Iterable[Observation],
    agents: Sequence[str],
    tasks: Sequence[str],
    planned: Mapping[tuple[str, str], int] | None = None,
    scales: Sequence[Anchors] | Scales = (),
    *,
    seed: int = 0,
) -> Study | None:
    """The posterior of observations of these agents; None where there are none.

    Args:
        observations: measured trials, of these agents and others.
        agents: who is compared. One that was not measured at all is left out: nothing is known of it.
        tasks: those that may count, in order.
        planned: trials that there should be by (agent, task); None: one of every task that somebody was measured on.
        scales: frozen ends of scales, instead of those that each draw's agents set, and the tasks' targets.
        seed: of chance; the same seed and observations give the same draws.
    """
    known = scales if isinstance(scales, Scales) else Scales(frozen={(one.task, one.measure): one for one in scales})
    ends = (_frozen(known.frozen.values()), known.targets)
    return _studied(tuple(observations), (agents, tasks), planned, ends, seed)


def _studied(
    observations: tuple[Observation, ...],
    names: tuple[Sequence[str], Sequence[str]],
    planned: Mapping[tuple[str, str], int] | None,
    ends: tuple[Mapping[tuple[str, str], Scale], Mapping[tuple[str, str], float]],
    seed: int,
) -> Study | None:
    from flatfield.scoring.certainty.ends import EndsWatch
    from flatfield.scoring.certainty.posterior import posterior_of, without_time
    from flatfield.scoring.certainty.table import table_of

    (agents, tasks), (frozen, targets) = names, ends
    found = tuple(one for one in observations if one.agent in set(agents))
    measured = {one.agent for one in found}
    if not measured:
        return None
    timed = any(one.seconds is not None for one in found)
    table = table_of(found if timed else map(_instant, found), in_order_of_figures(found), sorted(tasks))
    wanted = planned if planned is not None else {(agent, task): 1 for agent in measured for task in table.tasks}
    watch = EndsWatch(table, targets)
    posterior = posterior_of(table, frozen, seed=seed, watch=watch)
    return Study(
        observations=found,
        table=table,
        posterior=posterior if timed else without_time(posterior),
        ends=watch.found(),
        planned=wanted,
        frozen=frozen,
        seed=seed,
    )


def _instant(one: Observation) -> Observation:
    """The trial as one that took no time, where it is known of none how long it took."""
    return replace(one, seconds=0.0)


def in_order_of_figures(observations: Iterable[Observation]) -> list[str]:
    """The agents of observations by what was measured of them, so that neither their names nor their places matter.

    By names only where all figures are the same: draws of chance belong to the figures that they go with.
    """

    def known(amount: float | None) -> float:
        return -1.0 if amount is None else amount

    figures: dict[str, list[tuple[str, float, float, float, float]]] = {}
    for one in observations:
        mine = (one.task, one.score, known(one.seconds), known(one.usd), known(one.wait_seconds))
        figures.setdefault(one.agent, []).append(mine)
    return sorted(figures, key=lambda name: (sorted(figures[name]), name))


def certainty(found: Study, ask: Ask | None = None) -> Certainty:
    """The answer to what is asked, and how sure it is."""
    asked = ask or Ask()
    from flatfield.scoring.certainty import choice, plan

    posterior = found.posterior
    standings, order = _standings(found, asked)
    allowed = [a for a in order if standings[a].allowed]
    first, pays = _first(standings, allowed, asked)
    answer = None if first is None or not pays else posterior.agents[first]
    if_missing_fail = _if_missing_fail(found, asked, answer)
    rivals = [a for a in allowed if a != first]
    runner_up = max(rivals, key=lambda a: standings[a].best, default=None)
    pairs: tuple[Paired, ...] = ()
    reached: tuple[Reach, ...] = ()
    bought: tuple[Purchase, ...] = ()
    if first is not None:
        others = [a for a in order if a != first]
        pairs = tuple(choice.paired(posterior, first, other, "next", asked.measure) for other in others)
        if isinstance(asked.measure, Weights):
            reached = choice.reaches(posterior, asked.measure, first, rivals, by_preference(found))
        else:
            reached = choice.worth_reaches(posterior, asked.measure, first, rivals, by_preference(found))
        matters = if_missing_fail != answer
        bought = plan.purchases(posterior, found.table, asked.measure, allowed, SHOWN, missing_first=matters)
    return Certainty(
        ask=asked,
        tasks=len(found.table.tasks),
        trials=len(found.observations),
        draws=len(posterior.next.performance),
        answer=answer,
        runner_up=None if runner_up is None else posterior.agents[runner_up],
        pays=pays,
        if_missing_fail=if_missing_fail,
        standings=tuple(standings[a] for a in order),
        pairs=pairs,
        reaches=reached,
        purchases=bought,
    )


def compare(
    found: Study, first: str, second: str, question: WhichTasks, measure: Weights | Money | None = None
) -> Paired:
    """How two agents of the study compare by a measure; None: in performance."""
    from flatfield.scoring.certainty.choice import paired

    names = found.posterior.agents
    return paired(found.posterior, names.index(first), names.index(second), question, measure)


def surer(found: Study) -> tuple[tuple[int, int], ...]:
    """Places of agents of which the first stands before the second in every order: less is missing of it (`_order`)."""
    above = _did_as_well(found)
    return tuple((one, other) for one, row in enumerate(above.tolist()) for other, over in enumerate(row) if over)


def ratio(found: Study, first: str, second: str, measure: Literal["seconds", "usd"]) -> Estimate | None:
    """How many times as much a trial of the first typically takes as one of the second, on these tasks.

    None where one of them costs nothing, or nobody knows what it costs.
    """
    import numpy as np

    from flatfield.scoring.certainty.choice import estimate

    means, table = found.posterior.these, found.table
    draws, known = (means.seconds, table.log_seconds) if measure == "seconds" else (means.usd, table.log_usd)
    sides = [found.posterior.agents.index(name) for name in (first, second)]
    if draws is None or not all(known.count[side].any() for side in sides) or not (draws[:, sides] > 0.0).all():
        return None
    logs = estimate(np.log(draws[:, sides[0]]) - np.log(draws[:, sides[1]]))
    return Estimate(mean=math.exp(logs.mean), low=math.exp(logs.low), high=math.exp(logs.high))


def cells(found: Study) -> dict[tuple[str, str], Levels]:
    """Every agent on every task, for letters with their range: the trials are chance, the task is fixed."""
    from flatfield.scoring.certainty.posterior import draw_tasks
    from flatfield.scoring.certainty.utility import utility

    levels: dict[tuple[str, str], Levels] = {}
    for task, means in draw_tasks(found.table, found.frozen, seed=found.seed):
        values = utility(means, Weights())
        levels |= {(agent, task): _levels(means, a, values) for a, agent in enumerate(found.table.agents)}
    return levels


def _standings(found: Study, asked: Ask) -> tuple[list[Standing], list[int]]:
    """By agent, and their order: by mean utility on the next task, and among near ones by P(best) (`leader`)."""
    import numpy as np

    from flatfield.scoring.certainty import choice
    from flatfield.scoring.certainty.utility import tie_of, utility

    posterior, names = found.posterior, found.posterior.agents
    values, here = utility(posterior.next, asked.measure), utility(posterior.these, asked.measure)
    kept = choice.within(posterior.next, asked.bounds)
    among = set(names) if asked.among is None else set(asked.among)
    allowed = [names[a] in among and kept[a] >= asked.bounds.least_probability for a in range(len(names))]
    rivals = [a for a in range(len(names)) if allowed[a]]
    among_allowed = np.where(np.asarray(allowed), values, -np.inf) if any(allowed) else values
    tie = tie_of(asked.measure)
    best, share = choice.best_probabilities(among_allowed, tie), choice.best_shares(among_allowed, tie)
    order = _order(found, values, best, asked)
    ranks, front = choice.rank_ranges(values), choice.front_probabilities(posterior.next)
    standings = [
        Standing(
            agent=name,
            these=_levels(posterior.these, a, here),
            next=_levels(posterior.next, a, values),
            best=float(best[a]),
            share=float(share[a]),
            regret=choice.regret(values, a, rivals),
            rank=ranks[a],
            front=float(front[a]),
            within=float(kept[a]),
            allowed=bool(allowed[a]),
            trials=int(found.table.score.count[a].sum()),
            missing=_missing(found, a),
        )
        for a, name in enumerate(names)
    ]
    return standings, order


def _order(found: Study, values: Array, best: Array, asked: Ask) -> list[int]:
    """Best first. By weights, who does the job (C or better on average) stands before who does not.

    Nobody stands before whom less is missing of, and who did as well.
    """
    from flatfield.scoring.certainty.choice import leader
    from flatfield.scoring.certainty.utility import tie_of

    means = values.mean(axis=0)
    able = found.posterior.next.performance.mean(axis=0) >= HOLDS
    if isinstance(asked.measure, Money):
        able[:] = True
    above, tie, preferred = _did_as_well(found), tie_of(asked.measure), by_preference(found)
    waiting = list(range(len(means)))
    order: list[int] = []
    while waiting:
        free = [a for a in waiting if not any(above[b, a] for b in waiting)] or waiting
        doing = [a for a in free if able[a]] or free
        chosen = leader(doing, means, best, tie, preferred)
        waiting.remove(chosen)
        order.append(chosen)
    return order


def by_preference(found: Study) -> list[int]:
    """Agents' places among those that are as good: by what was measured the cheaper, the faster, who did more; by name.

    Who did as much in all did more where the first task of a difference says so: a name tells none but equals apart.
    """
    import numpy as np

    table = found.table

    def usual(cells: Cells, a: int) -> float:
        known = cells.count[a].sum()
        return float((cells.count[a] * cells.mean[a]).sum() / known) if known else math.inf

    def key(a: int) -> tuple[float, float, float, tuple[float, ...], str]:
        usd = -math.inf if table.free[a] else usual(table.log_usd, a)
        undone = tuple(float(part) for part in np.where(table.score.count[a] > 0, 1.0 - table.score.mean[a], 2.0))
        return (usd, usual(table.log_seconds, a), -usual(table.score, a), undone, table.agents[a])

    order = sorted(range(len(table.agents)), key=key)
    return [order.index(a) for a in range(len(order))]


def _did_as_well(found: Study) -> Array:
    """Agents × agents: whether the first, of whom less is missing, did as well as the second on every task.

    What the first lacks counts as failed.
    """
    import numpy as np

    score, names = found.table.score, found.table.agents
    planned = np.asarray([[found.planned.get((a, task), 0) for task in found.table.tasks] for a in names], dtype=float)
    missing = np.maximum(planned - score.count, 0.0).sum(axis=1)
    least = score.mean * score.count / np.maximum(np.maximum(planned, score.count), 1.0)
    above: Array = np.zeros((len(names), len(names)), dtype=bool)
    for one in range(len(names)):
        above[one] = (missing[one] < missing) & (least[one] >= least - 1e-9).all(axis=1)
    return above


def _missing(found: Study, agent: int) -> int:
    name, count = found.table.agents[agent], found.table.score.count[agent]
    return sum(
        max(found.planned.get((name, task), 0) - int(n), 0) for task, n in zip(found.table.tasks, count, strict=True)
    )


def _first(standings: Sequence[Standing], allowed: Sequence[int], asked: Ask) -> tuple[int | None, bool]:
    """The first of those allowed, and whether it pays; None where it fails, and somebody not allowed does the job."""
    if not allowed:
        return None, True
    first = allowed[0]
    if isinstance(asked.measure, Money):
        return first, standings[first].next.utility.mean > 0.0
    barred = any(one.next.performance.mean >= HOLDS for one in standings if not one.allowed)
    return (None if barred and standings[first].next.performance.mean < HOLDS else first), True


def _if_missing_fail(found: Study, asked: Ask, answer: str | None) -> str | None:
    """The answer if all that is missing had failed, after as long as the agent usually takes.

    It is the same where none of its own trials is missing: failures make nobody else better.
    """
    names = found.posterior.agents
    lacking = [
        Observation(agent=name, task=task, score=0.0, solved=False, seconds=None, prepaid=bool(found.table.prepaid[a]))
        for a, name in enumerate(names)
        for t, task in enumerate(found.table.tasks)
        for _ in range(max(found.planned.get((name, task), 0) - int(found.table.score.count[a, t]), 0))
    ]
    if not lacking or answer not in {None, *(one.agent for one in lacking)}:
        return answer
    again = _studied((*found.observations, *lacking), (names, found.table.tasks), {}, (found.frozen, {}), found.seed)
    if again is None:
        return answer
    standings, order = _standings(again, asked)
    then, paying = _first(standings, [a for a in order if standings[a].allowed], asked)
    return None if then is None or not paying else again.posterior.agents[then]


def _levels(means: DrawnMeans, agent: int, values: Array) -> Levels:
    from flatfield.scoring.certainty.choice import estimate

    def of(draws: Array | None) -> Estimate | None:
        return None if draws is None or math.isnan(draws[0, agent]) else estimate(draws[:, agent])

    return Levels(
        performance=estimate(means.performance[:, agent]),
        speed=estimate(means.speed[:, agent]),
        cost=of(means.cost),
        seconds=of(means.seconds),
        usd=of(means.usd),
        utility=estimate(values[:, agent]),
    )


def _frozen(anchors: Iterable[Anchors]) -> dict[tuple[str, str], Scale]:
    from flatfield.scoring.certainty.posterior import Scale

    return {
        (one.task, one.measure): Scale(best=math.log(one.best), worst=math.log(one.worst))
        for one in anchors
        if one.best > 0.0 and one.worst > 0.0
    }
