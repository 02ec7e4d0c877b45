"""What else is to be known of a run: remarks, failures, versions, and how to run it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section
from flatfield.faces.wording import many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult


def notes(result: RunResult) -> Section:
    """The notes, those on grading among them."""
    run = result.run
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    return Section(
        title="Notes",
        points=(
            *run.notes,
            *result.grading.notes,
            *_judging(result),
            f"run {run.id} of {run.created_at}, seed {run.evaluation.seed}" + (f"; {versions}" if versions else ""),
            f"reproduce: {run.command}" if run.command else "imported figures: there is nothing to run again",
        ),
    )


def _judging(result: RunResult) -> Iterator[str]:
    failed = [verdict for verdict in result.verdicts if verdict.letter is None]
    if failed:
        yield f"{many(len(failed), 'verdict')} without a letter; the first: {failed[0].reason}"
