"""A stored run with its grades, computed anew each time: what reports and decisions are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import RunResult
from flatfield.runs.earlier import compare_with_earlier
from flatfield.runs.verdicts.panel import counted_verdicts
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.grading import grade
from flatfield.scoring.settling import settled

if TYPE_CHECKING:
    from flatfield.records import Anchors, Run, Weights
    from flatfield.runs.store.store import Store


def load_result(
    store: Store,
    run: str | None = None,
    *,
    weights: Weights | None = None,
    judge_weight: float | None = None,
    anchors_of: str | None = None,
) -> RunResult:
    """The run (None: the newest), graded; with `anchors_of`, on the scales of another run.

    `weights` and `judge_weight` stand in for the evaluation's.

    A run that agents were added to is graded on the scales that it had before, unless `anchors_of` names others.

    Raises:
        NotFound: there is no such run.
        StoreError: the store cannot be read.
    """
    found = store.load_run(run)
    if judge_weight is not None:
        found = structs.replace(found, evaluation=structs.replace(found.evaluation, judge_weight=judge_weight))
    (verdicts, set_aside), settling = counted_verdicts(store, found), settled(store.trials(found.id))
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
