"""How grades are computed, said in the report itself, with the anchors that were used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._blocks import Section, Table
from flatfield.faces.wording import dollars, seconds

if TYPE_CHECKING:
    from flatfield.records import RunResult

TEXT = (
    (
        "A score in 0..1 gets its letter by fixed bands: S from 0.95, A from 0.85, B from 0.70, C from 0.50, D from"
        " 0.25, else F. Performance is the mean score of a task's verifiers, or the judge's letter where there is"
        " only a rubric."
    ),
    (
        "Speed and cost are graded per work done: active seconds (dollars) over the sum of performance scores."
        " p = log(x / best) / max(log(worst / best), log 8): S to .05, A to .20, B to .40, C to .60, D to .80, else F."
        " Best and worst come from agents with performance C or better and trials that no limit ended."
    ),
    "Trials that the harness failed are not zeros: they are not measured, listed, and in no average.",
)


def criteria(result: RunResult) -> Section:
    """The rules, and the ends of each relative scale."""
    rows = tuple(
        (
            anchor.task,
            str(anchor.measure),
            _value(anchor.measure, anchor.best),
            anchor.best_agent,
            _value(anchor.measure, anchor.worst),
            anchor.worst_agent,
        )
        for anchor in result.grading.anchors
    )
    columns = ("task", "scale", "best", "by", "worst", "by ")
    return Section(
        title="Grading Criteria",
        paragraphs=TEXT,
        tables=(Table(columns=columns, rows=rows),) if rows else (),
        detail=True,
    )


def _value(measure: str, value: float) -> str:
    return seconds(value) if measure == "speed" else dollars(value)
