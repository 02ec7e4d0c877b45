"""What else is to be known of a run: remarks, failures, the judge's cost, versions, and how to run it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section
from flatfield.faces.wording import dollars, many

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
    by_judge: dict[str, list[float | None]] = {}
    for verdict in result.verdicts:
        by_judge.setdefault(verdict.judge, []).append(verdict.cost_usd)
    for judge, costs in by_judge.items():
        known = [usd for usd in costs if usd is not None]
        spent = dollars(sum(known) if known else None) + ("" if len(known) == len(costs) else ", and some unknown")
        yield f"judge {judge} gave {many(len(costs), 'verdict')}; its own cost, which is the evaluation's: {spent}"
    failed = [verdict for verdict in result.verdicts if verdict.letter is None]
    if failed:
        yield f"{many(len(failed), 'verdict')} without a letter; the first: {failed[0].reason}"
