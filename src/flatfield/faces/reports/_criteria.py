"""How grades are computed, said in the report itself, with the anchors that were used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import dollars, seconds

if TYPE_CHECKING:
    from flatfield.records import RunResult

TEXT = (
    (
        "A score in 0..1 gets its letter by fixed bands: S from 0.95, A from 0.85, B from 0.70, C from 0.50, D from"
        " 0.25, else F. Performance is the mean score of a task's verifiers, or the judge's letter where there is only"
        " a rubric."
    ),
    (
        "Speed and cost are graded per work done: active seconds (dollars) over the sum of performance scores."
        " p = log(x / best) / max(log(worst / best), log 8): S to .05, A to .20, B to .40, C to .60, D to .80, else F."
        " Best and worst come from agents with performance C or better and trials that no limit ended."
    ),
    (
        "S (n=5, ≥ C) is the letter of the estimate, the trials that it stands on, and the worst letter inside its 95%"
        " interval. Trials that the harness failed are not zeros: they are not measured, listed, and in no average."
    ),
)


def criteria(result: RunResult) -> Section:
    """The rules, the weights, and the ends of each relative scale."""
    weights = result.grading.weights
    overall = (
        f"Overall: {weights.performance:g} × performance + {weights.speed:g} × speed + {weights.cost:g} × cost (the"
        " weights normalised), never above performance where that is D or F."
    )
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
    columns = ("task", "scale", "best", "set by", "worst", "set by ")
    table = Table(columns=columns, rows=rows, right=frozenset({"best", "worst"}), fold=frozenset({"set by", "set by "}))
    return Section(title="Grading Criteria", paragraphs=(*TEXT, overall), tables=(table,))


def _value(measure: str, value: float) -> str:
    return seconds(value) if measure == "speed" else dollars(value)
