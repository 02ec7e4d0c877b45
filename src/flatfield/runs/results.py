"""A stored run with its grades, computed anew each time: what reports and decisions are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from flatfield.errors import NotFound
from flatfield.records import RunResult
from flatfield.runs.earlier import compare_with_earlier
from flatfield.runs.plan import roster
from flatfield.runs.verdicts.panel import counted_verdicts
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.grading import grade
from flatfield.scoring.performance import settled

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flatfield.records import Anchors, Run, TrialRecord, Verdict, Weights
    from flatfield.runs.store.store import Store

T = TypeVar("T", "TrialRecord", "Verdict")


def load_result(
    store: Store,
    run: str | None = None,
    *,
    weights: Weights | None = None,
    judge_weight: float | None = None,
    anchors_of: str | None = None,
    task: str | None = None,
) -> RunResult:
    """The run (None: the newest), graded; with `anchors_of`, on the scales of another run.

    With `task`, as if it had only the tasks of that id or tag, and who did them. `weights` and `judge_weight` stand in
    for the evaluation's.

    A run that agents were added to is graded on the scales that it had before, unless `anchors_of` names others.

    Raises:
        NotFound: there is no such run, or no such task or tag in it.
        StoreError: the store cannot be read.
    """
    found = store.load_run(run)
    if task is not None:
        found = _only(found, task)
    if judge_weight is not None:
        found = structs.replace(found, evaluation=structs.replace(found.evaluation, judge_weight=judge_weight))
    ids = None if task is None else {one.id for one in found.tasks}
    verdicts, set_aside = (_of(ids, each) for each in counted_verdicts(store, found))
    settling = settled(_of(ids, store.trials(found.id)))
    trials, found = settling.trials, structs.replace(found, notes=(*found.notes, *settling.broken))
    anchors = found.anchors
    if anchors_of:
        found, anchors = _on_scales_of(found, load_result(store, anchors_of))
    return RunResult(
        run=found,
        trials=trials,
        verdicts=verdicts,
        grading=grade(found, trials, verdicts, weights=weights, anchors=anchors),
        manifest=manifest(found, trials),
        earlier=compare_with_earlier(store, found, trials, verdicts),
        set_aside=set_aside,
    )


def _of(tasks: Collection[str] | None, records: Sequence[T]) -> tuple[T, ...]:
    """The records of these tasks; None: all."""
    return tuple(one for one in records if tasks is None or one.task in tasks)


def _only(run: Run, task: str) -> Run:
    """The run with the tasks of this id, else of this tag, and the agents that did them."""
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
