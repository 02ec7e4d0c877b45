"""A stored run with its grades, computed anew each time: what reports and decisions are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import RunResult
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.grading import grade

if TYPE_CHECKING:
    from flatfield.records import Weights
    from flatfield.runs.store.store import Store


def load_result(
    store: Store, run: str | None = None, *, weights: Weights | None = None, anchors_of: str | None = None
) -> RunResult:
    """The run (None: the newest), graded; with `anchors_of`, on the scales of another run.

    A run that agents were added to is graded on the scales that it had before, unless `anchors_of` names others.

    Raises:
        NotFound: there is no such run.
        StoreError: the store cannot be read.
    """
    found = store.load_run(run)
    trials, verdicts = store.trials(found.id), store.verdicts(found.id)
    anchors = load_result(store, anchors_of).grading.anchors if anchors_of else found.anchors
    return RunResult(
        run=found,
        trials=trials,
        verdicts=verdicts,
        grading=grade(found, trials, verdicts, weights=weights, anchors=anchors),
        manifest=manifest(found, trials),
    )
