"""Stored runs with their grades, computed anew each time; the run before; what own trials say of an agent."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from flatfield.errors import NotFound
from flatfield.records import Preferences, RunResult
from flatfield.runs.order import roster
from flatfield.runs.store.figures import unwatched
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.comparing import against_earlier, read_field
from flatfield.scoring.decision import Answered
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.measures.performance import measure, settled
from flatfield.scoring.measures.scales import mean
from flatfield.tasks.agents import is_same

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from flatfield.records import AgentConfig, Anchors, Comparison, Run, TrialRecord, Verdict
    from flatfield.runs.store.store import Store


# The run before: the last one that did the same tasks.


def earlier_run(store: Store, run: Run) -> str | None:
    """The newest run from before this one that an agent of it took part in, on a task of it; None where there is none.

    Delegated prompts and imported figures are none.

    Raises:
        StoreError: the store cannot be read.
    """
    agents, tasks = {agent.name for agent in run.agents} - set(run.controls), {task.id for task in run.tasks}
    before = (
        summary
        for summary in islice(dropwhile(lambda summary: summary.id != run.id, store.runs()), 1, None)
        if summary.measured
        and not (summary.imported or summary.delegated)
        and agents & set(summary.agents)
        and tasks & set(summary.tasks)
    )
    found = next(before, None)
    return found.id if found else None


def compare_with_earlier(
    store: Store, run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]
) -> tuple[Comparison, ...]:
    """Each agent against itself in the run before; none for imported figures and delegated prompts.

    Raises:
        StoreError: the store cannot be read.
    """
    before = None if run.imported or run.delegated else earlier_run(store, run)
    if before is None:
        return ()
    earlier = store.load_run(before)
    then = read_field(earlier, settled(store.figures(before)).trials, store.counted_verdicts(earlier)[0])
    return against_earlier(read_field(run, trials, verdicts), then)


# ---------------------------------------------------------------------------- a stored run with its grades


T = TypeVar("T", "TrialRecord", "Verdict")


@unwatched()
def load_result(
    store: Store,
    run: str | None = None,
    *,
    preferences: Preferences | None = None,
    judge_weight: float | None = None,
    anchors_of: str | None = None,
    task: str | None = None,
) -> RunResult:
    """The run (None: the newest), graded; with `anchors_of`, on the scales of another run.

    With `task`, as if it had only the tasks of that id or tag, and who did them. The weights of `preferences` and
    `judge_weight` stand in for the evaluation's.

    A run that agents were added to is graded on the scales that it had before, unless `anchors_of` names others. Its
    trials are without transcripts (`Store.figures`).

    Raises:
        NotFound: there is no such run, or no such task or tag in it.
        StoreError: the store cannot be read.
    """
    ready = read_run(store, run, judge_weight=judge_weight, anchors_of=anchors_of, task=task)
    return graded_run(store, ready, preferences or Preferences())


class RunRead(Struct, frozen=True, kw_only=True):
    """A stored run with its records, before anything is computed: what counts, and the verdicts that are `set_aside`.

    `anchors`: the scales that it is graded on, where they are not its own.
    """

    run: Run
    trials: tuple[TrialRecord, ...]
    verdicts: tuple[Verdict, ...]
    set_aside: tuple[Verdict, ...]
    anchors: tuple[Anchors, ...]


@unwatched()
def read_run(
    store: Store,
    run: str | None = None,
    *,
    judge_weight: float | None = None,
    anchors_of: str | None = None,
    task: str | None = None,
) -> RunRead:
    """What `load_result` grades.

    Raises:
        NotFound: there is no such run, or no such task or tag in it.
        StoreError: the store cannot be read.
    """
    found = store.load_run(run)
    if task is not None:
        found = only(found, task)
    if judge_weight is not None:
        found = structs.replace(found, evaluation=structs.replace(found.evaluation, judge_weight=judge_weight))
    ids = None if task is None else {one.id for one in found.tasks}
    verdicts, set_aside = (_of(ids, each) for each in store.counted_verdicts(found))
    settling = settled(_of(ids, store.figures(found.id)))
    found = structs.replace(found, notes=(*found.notes, *settling.broken))
    anchors = found.anchors
    if anchors_of:
        found, anchors = _on_scales_of(found, load_result(store, anchors_of))
    return RunRead(run=found, trials=settling.trials, verdicts=verdicts, set_aside=set_aside, anchors=anchors)


def graded_run(store: Store, ready: RunRead, wanted: Preferences) -> RunResult:
    """The run graded, its posterior with it.

    Raises:
        StoreError: the store cannot be read.
    """
    run, trials, verdicts = ready.run, ready.trials, ready.verdicts
    study = study_trials(run, trials, verdicts, ready.anchors)
    return RunResult(
        run=run,
        trials=trials,
        verdicts=verdicts,
        grading=grade_drawn(run, trials, verdicts, GradingTerms(weights=wanted.weights, anchors=ready.anchors), study),
        study=study,
        answered=Answered(),
        manifest=manifest(run, trials),
        earlier=compare_with_earlier(store, run, trials, verdicts),
        set_aside=ready.set_aside,
        preferences=wanted,
        frozen=ready.anchors,
        read_at=datetime.now(UTC).isoformat(),
    )


def _of(tasks: Collection[str] | None, records: Sequence[T]) -> tuple[T, ...]:
    """The records of these tasks; None: all."""
    return tuple(one for one in records if tasks is None or one.task in tasks)


def only(run: Run, task: str) -> Run:
    """The run with the tasks of this id, else of this tag, and the agents that did them.

    Raises:
        NotFound: it has none; the message lists what it has.
    """
    chosen = [one for one in run.tasks if task == one.id] or [one for one in run.tasks if task in one.tags]
    if not chosen:
        tags = sorted({tag for one in run.tasks for tag in one.tags})
        tagged = f"; its tags: {', '.join(tags)}" if tags else ""
        ids = ", ".join(one.id for one in run.tasks)
        raise NotFound(f"run {run.id} has no task or tag {task!r}; its tasks: {ids}{tagged}")
    doing = {name for one in chosen for name in roster(run, one.id)}
    agents = tuple(agent for agent in run.agents if agent.name in doing)
    return structs.replace(run, tasks=tuple(chosen), agents=agents)


def _on_scales_of(run: Run, other: RunResult) -> tuple[Run, tuple[Anchors, ...]]:
    """The other run's anchors of tasks that are the same, and the run with a note on those that are not.

    Published tasks have no digest: they are told by their ids alone.
    """
    there = {task.id: task.digest for task in other.run.tasks}
    changed = {task.id for task in run.tasks if task.digest and there.get(task.id) and there[task.id] != task.digest}
    anchors = tuple(anchor for anchor in other.grading.anchors if anchor.task not in changed)
    if not changed:
        return run, anchors
    note = f"run {other.run.id} was done with other versions of {', '.join(sorted(changed))}: its scales are not taken"
    return structs.replace(run, notes=(*run.notes, f"{note} for them, they set their own")), anchors


# What this project's own trials say of an agent: how well it did, and at what.


TRIALS = 2000
"""So many trials of the newest runs are read at most, and those of the newest in any case."""


class Experience(Struct, frozen=True, kw_only=True):
    """An agent's mean performance (0..1) over so many measured trials, and by the tags of their tasks, best first."""

    performance: float
    trials: int
    tags: tuple[tuple[str, float], ...] = ()


def experience(store: Store, roster: Sequence[AgentConfig]) -> dict[str, Experience]:
    """What there is to say of agents as they are configured now, by name; imported figures are none of ours.

    Raises:
        StoreError: the store cannot be read.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    tagged: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in _newest(store, {agent.name for agent in roster}):
        found = store.load_run(run)
        tags = {task.id: task.tags for task in found.tasks}
        same = _same(found, roster)
        trials = settled(store.figures(run)).trials
        for (agent, task), figures in measure(found, trials, store.counted_verdicts(found)[0]).figures.items():
            if agent not in same:
                continue
            each = [one.score for one in figures]
            scores[agent] += each
            for tag in tags.get(task, ()):
                tagged[agent][tag] += each
    return {
        agent: Experience(performance=mean(each), trials=len(each), tags=_best_first(tagged[agent]))
        for agent, each in scores.items()
        if each
    }


def _newest(store: Store, names: set[str]) -> Iterator[str]:
    read = 0
    for summary in store.runs():
        if summary.imported or summary.delegated or not summary.measured or not names & set(summary.agents):
            continue
        if read and read + summary.stored > TRIALS:
            return
        read += summary.stored
        yield summary.id


def _same(run: Run, roster: Sequence[AgentConfig]) -> set[str]:
    """The names of the run's agents that are configured now as they were then."""
    now = {agent.name: agent for agent in roster}
    return {agent.name for agent in run.agents if agent.name in now and is_same(now[agent.name], agent, run)}


def _best_first(tags: dict[str, list[float]]) -> tuple[tuple[str, float], ...]:
    means = ((tag, mean(each)) for tag, each in tags.items())
    return tuple(sorted(means, key=lambda one: (-one[1], -len(tags[one[0]]), one[0])))


def has_evaluation(store: Store) -> bool:
    """Whether a run is stored with a trial that was measured, here or by those whom it was imported from.

    Raises:
        StoreError: the store cannot be read.
    """
    return any(summary.measured and not summary.delegated for summary in store.runs())
