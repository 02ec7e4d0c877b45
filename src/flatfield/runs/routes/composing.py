"""Composes cascades from trials that exist: what they would have come to, at no cost, all pairs of repeats averaged."""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from flatfield.records import MIDPOINTS, Weights
from flatfield.runs.routes.checks import GOOD_LETTER, by_checks, own_checks, visible_verifiers
from flatfield.scoring.certainty.study import certainty, compare, observe, study
from flatfield.scoring.certainty.values import Ask, Levels, Money, Observation
from flatfield.scoring.facts import measure_of
from flatfield.scoring.forecast import total
from flatfield.scoring.measures.performance import trial_scores
from flatfield.scoring.measures.scales import HOLDS, mean, relative_position, score_at
from flatfield.scoring.verifying.own_project import is_test
from flatfield.tasks.agents import control_names
from flatfield.tasks.cascades import HIDDEN, JUDGE, VISIBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.records import Anchors, RunResult, Task, TrialRecord, Verdict

Array = NDArray[np.float64]
LIKELIEST = 12
"""Triples are made of so many of the best agents and the cheapest ones: of all agents they are too many."""
SHOWN = 5
"""So many of the best cascades are looked at closely."""
ARROW = " → "


class Composed(Struct, frozen=True, kw_only=True):
    """A cascade as it would have done on `tasks` tasks, by trials of its steps: `trials` of the first one's.

    `check` says what decides, `assumes` in words what is taken for granted, `upper_bound` that no real check does
    better. `levels` as of an agent that ran, `better` the probability that it is better than `than`, the best single
    agent, in what matters; `solved` the share of trials that pass every check. `usd` and `seconds` are means of a
    trial (None: no price known), `later` the share of trials that go on behind the first step. `real_trials` would be
    done to run it for real, `real_usd` and `real_seconds` is what they would take. Seconds are None where others
    published the trials without any.
    """

    steps: tuple[str, ...]
    check: str
    upper_bound: bool
    assumes: str
    tasks: int
    trials: int
    performance: float
    solved: float
    usd: float | None
    seconds: float | None
    later: float
    levels: Levels
    than: str
    better: float
    real_trials: int
    real_usd: float | None
    real_seconds: float | None

    @property
    def name(self) -> str:
        """What it is called until it has a name of its own."""
        return ARROW.join(self.steps)


class Single(Struct, frozen=True, kw_only=True):
    """The best single agent on the same tasks, in the same figures."""

    agent: str
    performance: float
    solved: float
    usd: float | None
    seconds: float | None
    levels: Levels


class Composition(Struct, frozen=True, kw_only=True):
    """The best cascades, best first, and the best single agent; `left_out` says what could not be composed and why."""

    unit: Literal["score", "usd"]
    best: Single | None
    cascades: tuple[Composed, ...]
    left_out: tuple[str, ...] = ()


def compose(result: RunResult) -> Composition:
    """The best cascades of two and three steps that a run's trials allow, by what matters to who reads it."""
    measure = measure_of(result)
    unit: Literal["score", "usd"] = "usd" if isinstance(measure, Money) else "score"
    desk = _Steps(result, measure)
    if not desk.agents:
        return Composition(unit=unit, best=None, cascades=(), left_out=tuple(desk.left_out))
    values = {agent: desk.worth(desk.alone[agent], measure) for agent in desk.agents}
    best = max(desk.agents, key=lambda agent: values[agent])
    found = list(_found(desk, values, measure))
    found.sort(key=lambda one: -one.worth)
    chosen = tuple(_distinct(found))[:SHOWN]
    return _looked_at(desk, best, chosen, measure, unit)


class _Contender(NamedTuple):
    steps: tuple[str, ...]
    check: str
    worth: float


def _distinct(found: Sequence[_Contender]) -> Iterator[_Contender]:
    """Of each check its best ones, the real checks among them even where the upper bound is above all."""
    seen: dict[str, int] = {}
    for one in found:
        if seen.setdefault(one.check, 0) < SHOWN // 2 + 1:
            seen[one.check] += 1
            yield one


def _found(desk: _Steps, values: Mapping[str, float], measure: Weights | Money) -> Iterator[_Contender]:
    likely = sorted(desk.agents, key=lambda agent: -values[agent])[: LIKELIEST // 2]
    cheap = sorted(desk.agents, key=desk.price)[: LIKELIEST // 2]
    few = dict.fromkeys((*likely, *cheap))
    for check, parts in desk.checked.items():
        pairs = ((first, last) for first in parts for last in desk.agents if first != last)
        triples = (three for three in permutations(few, 3) if three[0] in parts and three[1] in parts)
        for steps in (*pairs, *triples):
            if float(parts[steps[0]].passed.min()) >= 1.0:  # it never goes on: it is a single agent
                continue
            yield _Contender(steps, check, desk.worth(desk.chain(steps, check), measure))


def _looked_at(
    desk: _Steps, best: str, chosen: Sequence[_Contender], measure: Weights | Money, unit: Literal["score", "usd"]
) -> Composition:
    """The chosen ones beside the single agents, in one posterior."""
    names = {f"{ARROW.join(one.steps)} ({one.check})": one for one in chosen}
    composed = [seen for name, one in names.items() for seen in desk.observations(name, one.steps, one.check)]
    agents = (*desk.agents, *names)
    anchors = desk.result.grading.anchors
    made = study((*desk.observed, *composed), agents, desk.tasks, None, anchors)
    if made is None:
        return Composition(unit=unit, best=None, cascades=(), left_out=tuple(desk.left_out))
    standings = {one.agent: one.next for one in certainty(made, Ask(measure=measure)).standings}
    found = tuple(
        _composed(desk, one, standings[name], best, compare(made, name, best, "next", measure).probability)
        for name, one in names.items()
    )
    alone = desk.alone[best]
    single = Single(
        agent=best,
        performance=float(alone.score.mean()),
        solved=float(alone.solved.mean()),
        usd=_mean(alone.usd),
        seconds=_mean(alone.seconds),
        levels=standings[best],
    )
    return Composition(unit=unit, best=single, cascades=found, left_out=tuple(desk.left_out))


def _composed(desk: _Steps, one: _Contender, levels: Levels, than: str, better: float) -> Composed:
    part, first = desk.chain(one.steps, one.check), desk.checked[one.check][one.steps[0]]
    usd, seconds, often = _mean(part.usd), _mean(part.seconds), desk.planned()
    return Composed(
        steps=one.steps,
        check=one.check,
        upper_bound=one.check == HIDDEN,
        assumes=desk.assumption(one.check),
        tasks=len(desk.tasks),
        trials=desk.count(one.steps[0]),
        performance=float(part.score.mean()),
        solved=float(part.solved.mean()),
        usd=usd,
        seconds=seconds,
        later=1.0 - float(first.passed.mean()),
        levels=levels,
        than=than,
        better=better,
        real_trials=often,
        real_usd=None if usd is None else usd * often,
        real_seconds=None if seconds is None else seconds * often,
    )


def _mean(values: Array) -> float | None:
    found = float(values.mean())
    return None if math.isnan(found) else found


# ---------------------------------------------------------------------------- trials as steps


class _StepMeans(NamedTuple):
    """An agent, or a chain, by task: means over its trials. NaN: not known.

    `passed`: the share of trials whose check passed; `good` and `done`: the mean score, and the share solved, of these
    alone, counted over all. Seconds, waiting and dollars are those of the work and of the check.
    """

    score: Array
    solved: Array
    seconds: Array
    wait: Array
    usd: Array
    passed: Array
    good: Array
    done: Array


def _then(first: _StepMeans, rest: _StepMeans) -> _StepMeans:
    """A chain: what the first step's check lets through, and for the others what the rest does, whatever the trial."""
    later = 1.0 - first.passed

    def beside(amounts: Array) -> Array:
        return later * np.where(later > 0.0, amounts, 0.0)

    return _StepMeans(
        score=first.good + later * rest.score,
        solved=first.done + later * rest.solved,
        seconds=first.seconds + beside(rest.seconds),
        wait=first.wait + beside(rest.wait),
        usd=first.usd + beside(rest.usd),
        passed=first.passed + later * rest.passed,
        good=first.good + later * rest.good,
        done=first.done + later * rest.done,
    )


class _Later(NamedTuple):
    """What the steps behind the first one take in the mean; None: not known."""

    seconds: float | None
    usd: float | None
    wait: float | None


class _Checked(NamedTuple):
    """A trial of a step: what it did, whether its check passed, and what that took."""

    seen: Observation
    passed: bool
    seconds: float = 0.0
    usd: float | None = 0.0


class _Steps:
    """A run's single agents on the tasks that all of them did, and which of their trials passed which check."""

    def __init__(self, result: RunResult, measure: Weights | Money) -> None:
        self.result = result
        self.left_out: list[str] = []
        run = result.run
        no_steps = control_names(run) | {agent.name for agent in run.agents if agent.steps}
        self._trials: dict[tuple[str, str], list[tuple[Observation, TrialRecord]]] = {}
        scored = trial_scores(run, result.trials, result.verdicts)
        measured = [trial for trial in result.trials if trial.id in scored and trial.agent not in no_steps]
        for seen, trial in zip(observe(run, measured, result.verdicts), measured, strict=True):
            # In money one more trial of a flat rate costs nothing; its check may.
            paid = structs.replace(seen, usd=0.0) if seen.prepaid and isinstance(measure, Money) else seen
            self._trials.setdefault((trial.agent, trial.task), []).append((paid, trial))
        self._verdicts: dict[tuple[str, str, int], list[Verdict]] = {}
        for verdict in result.verdicts:
            self._verdicts.setdefault((verdict.agent, verdict.task, verdict.repeat), []).append(verdict)
        self.agents, self.tasks = self._complete()
        self.observed = tuple(
            seen for (agent, task), each in self._trials.items() for seen, _ in each if self._counts(agent, task)
        )
        self.alone = {agent: self._part([self._seen(agent, task) for task in self.tasks]) for agent in self.agents}
        self._by_check = {check: dict(self._all_checked(check)) for check in (VISIBLE, JUDGE, HIDDEN)}
        self.checked = {
            check: {agent: self._part(tasks) for agent, tasks in found.items()}
            for check, found in self._by_check.items()
            if found
        }

    def _counts(self, agent: str, task: str) -> bool:
        return agent in self.agents and task in self.tasks

    def _complete(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The agents that did every task that most of those did that are measured at all, and these tasks."""
        names = [agent.name for agent in self.result.run.agents if any(a == agent.name for a, _ in self._trials)]
        tasks = tuple(
            task.id
            for task in self.result.run.tasks
            if sum((name, task.id) in self._trials for name in names) * 2 > len(names)
        )
        complete = tuple(name for name in names if all((name, task) in self._trials for task in tasks))
        self._leave_out(names, complete, "not measured on all of these tasks")
        # A chain's seconds are those of all its steps: where any are known, who has none is no step.
        timed = tuple(name for name in complete if self._is_timed(name, tasks))
        if timed:
            self._leave_out(complete, timed, "its seconds are not known")
            complete = timed
        skipped = [task.id for task in self.result.run.tasks if task.id not in tasks]
        if skipped:
            self.left_out.append(f"left out, as most agents were not measured on it: {', '.join(skipped)}")
        return complete if tasks else (), tasks

    def _leave_out(self, names: Sequence[str], kept: Sequence[str], why: str) -> None:
        rest = [name for name in names if name not in kept]
        if rest:
            self.left_out.append(f"no cascade has {', '.join(rest)} as a step: {why}")

    def _is_timed(self, agent: str, tasks: Sequence[str]) -> bool:
        return all(seen.seconds is not None for task in tasks for seen, _ in self._trials[agent, task])

    def _seen(self, agent: str, task: str) -> list[_Checked]:
        return [_Checked(seen, passed=True) for seen, _ in self._trials[agent, task]]

    def _all_checked(self, check: str) -> Iterator[tuple[str, list[list[_Checked]]]]:
        """The agents whose every trial has this check's verdict on record, with these by task."""
        tasks = {task.id: task for task in self.result.run.tasks}
        for agent in self.agents:
            found = [
                [
                    self._judged(seen, trial) if check == JUDGE else _with_check(seen, trial, tasks[task], check)
                    for seen, trial in self._trials[agent, task]
                ]
                for task in self.tasks
            ]
            whole = [[one for one in each if one is not None] for each in found]
            if [len(each) for each in whole] == [len(each) for each in found]:
                yield agent, whole

    def _judged(self, seen: Observation, trial: TrialRecord) -> _Checked | None:
        given = self._verdicts.get((trial.agent, trial.task, trial.repeat), [])
        letters = [MIDPOINTS[one.letter] for one in given if one.letter is not None]
        if not letters:
            return None
        good = mean(letters) >= MIDPOINTS[GOOD_LETTER]
        return _Checked(seen, passed=good, usd=total([one.cost_usd for one in given]))

    def _part(self, tasks: Sequence[Sequence[_Checked]]) -> _StepMeans:
        def means(take: Callable[[_Checked], float]) -> Array:
            return np.asarray([mean(take(one) for one in each) for each in tasks])

        def known(amount: float | None) -> float:
            return math.nan if amount is None else amount

        def total_of(take: Callable[[_Checked], float]) -> Array:  # one unknown makes the mean unknown
            return np.asarray([float(np.mean([take(one) for one in each])) for each in tasks])

        return _StepMeans(
            score=means(lambda one: one.seen.score),
            solved=means(lambda one: float(one.seen.solved)),
            seconds=total_of(lambda one: known(one.seen.seconds) + one.seconds),
            wait=total_of(lambda one: known(one.seen.wait_seconds) + one.seconds),
            usd=total_of(lambda one: known(one.seen.usd) + known(one.usd)),
            passed=means(lambda one: float(one.passed)),
            good=means(lambda one: one.seen.score * one.passed),
            done=means(lambda one: float(one.seen.solved) * one.passed),
        )

    def chain(self, steps: Sequence[str], check: str) -> _StepMeans:
        """What these steps would have come to."""
        if len(steps) == 1:
            return self.alone[steps[0]]
        return _then(self.checked[check][steps[0]], self.chain(steps[1:], check))

    def observations(self, name: str, steps: Sequence[str], check: str) -> Iterator[Observation]:
        """One for each trial of the first step: where it did not pass, with the mean of what the rest would do."""
        rest = self.chain(steps[1:], check)
        for index, task in enumerate(self.tasks):
            later = _Later(
                *(
                    None if math.isnan(amount[index]) else float(amount[index])
                    for amount in (rest.seconds, rest.usd, rest.wait)
                )
            )
            for one in self._by_check[check][steps[0]][index]:
                after = _Later(0.0, 0.0, 0.0) if one.passed else later
                yield Observation(
                    agent=name,
                    task=task,
                    score=one.seen.score if one.passed else float(rest.score[index]),
                    solved=float(one.seen.solved if one.passed else rest.solved[index]),
                    seconds=total([one.seen.seconds, one.seconds, after.seconds]),
                    usd=total([one.seen.usd, one.usd, after.usd]),
                    wait_seconds=total([one.seen.wait_seconds, one.seconds, after.wait]),
                )

    def price(self, agent: str) -> float:
        """Dollars of a trial, to find the cheapest; unknown ones last."""
        usd = _mean(self.alone[agent].usd)
        return math.inf if usd is None else usd

    def planned(self) -> int:
        """How many trials a cascade would do beside the others: as many as an agent of them did."""
        return round(mean(map(self.count, self.agents)))

    def count(self, agent: str) -> int:
        """How many trials of an agent count."""
        return sum(len(self._trials[agent, task]) for task in self.tasks)

    def worth(self, part: _StepMeans, measure: Weights | Money) -> float:
        """What matters, of these means alone: dollars a task, or the overall score on the scales of the run."""
        if isinstance(measure, Money):
            usd, wait = self._at_most(part.usd, "usd"), self._at_most(part.wait, "wait")
            found = part.solved * measure.solved_usd - usd - wait / 3600.0 * measure.hour_usd
            return float(found.mean())
        return _overall(part, measure, self.tasks, self.result.grading.anchors)

    def _at_most(self, amounts: Array, name: str) -> Array:
        """The amounts; one that is not known counts as the most that is known of any agent on that task."""
        known = np.stack([np.nan_to_num(getattr(part, name)) for part in self.alone.values()])
        return np.where(np.isnan(amounts), known.max(axis=0), amounts)

    def assumption(self, check: str) -> str:
        """What is taken for granted where this check decides."""
        if check == JUDGE:
            who = ", ".join(dict.fromkeys(verdict.judge for verdict in self.result.verdicts))
            return (
                f"the letters of {who}, from {GOOD_LETTER} on; their dollars are counted, their seconds are not known"
            )
        if check == VISIBLE:
            return "the tasks' commands without hidden files, as they ended in the steps' own trials; seconds counted"
        return "the tasks' own checks, which nobody has while working: an upper bound"


def _with_check(seen: Observation, trial: TrialRecord, task: Task, check: str) -> _Checked | None:
    """The trial with its check's verdict; None where that is not on record."""
    kept = own_checks(trial)
    if check == VISIBLE:
        visible = visible_verifiers(task)
        same = len(trial.checks) == len(task.verifiers)
        # One that rewrote tests was graded by its own; a cascade's check would have put the task's back.
        if not visible or not same or any(is_test(change.path) for change in trial.changes):
            return None
        kept = tuple(found for spec, found in zip(task.verifiers, trial.checks, strict=True) if spec in visible)
    if not kept or any(found.score is None for found in kept):
        return None
    seconds = sum(found.took_seconds or 0.0 for found in kept)
    return _Checked(seen, passed=by_checks(kept)[0], seconds=seconds)


def _overall(part: _StepMeans, weights: Weights, tasks: Sequence[str], anchors: Sequence[Anchors]) -> float:
    """Performance, speed and cost as the run's grades weigh them, over its tasks, on its own scales."""
    scales: dict[tuple[str, str], Anchors] = {(one.task, one.measure): one for one in anchors}
    performance = float(part.score.mean())
    found = [(performance, weights.performance)]
    for name, amounts, weight in (("speed", part.seconds, weights.speed), ("cost", part.usd, weights.cost)):
        places = []
        for index, task in enumerate(tasks):
            scale, amount = scales.get((task, name)), float(amounts[index])
            if scale is None or math.isnan(amount):
                continue
            per_work = amount / float(part.score[index]) if part.score[index] > 0.0 else math.inf
            place = relative_position(per_work, scale.best, scale.worst)
            if place is not None:
                places.append(score_at(place))
        if places:
            found.append((mean(places), weight))
    weighed = sum(weight for _, weight in found) or 1.0
    blend = sum(score * weight for score, weight in found) / weighed
    return min(blend, performance) if performance < HOLDS else blend
