"""How grades are computed, said in the report itself, with the anchors that were used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import dollars, seconds

if TYPE_CHECKING:
    from flatfield.records import RunResult

TITLE = "Grading Criteria"
TEXT = (
    (
        "A score in 0..1 gets its letter by fixed bands: S from 0.95, A from 0.85, B from 0.70, C from 0.50, D from"
        " 0.25, else F. Performance is the mean score of a task's verifiers, or the judge's letter where there is only"
        " a rubric."
    ),
    (
        "Speed and cost are graded per work done: active seconds (dollars) over the sum of performance scores."
        " p = log(x / best) / max(log(worst / best), log 8): S to .05, A to .20, B to .40, C to .60, D to .80, else F."
        " Best and worst are what the best and the worst of the agents with performance C or better are graded on."
        " $0 is S, and so is what costs less than $0.001; beside agents that cost $0 best is the cheapest price, or an"
        " eighth of the dearest where that is less; where only one agent costs anything, the task's target decides, or"
        " its cost has no letter."
    ),
    (
        "S (n=5, ≥ C) is the letter of the estimate, the trials that it stands on, and the worst letter inside its 95%"
        " interval. Trials that the harness failed are not zeros: they are not measured, listed, and in no average."
        " A check that was measured on other trials of the task and not on this one counts anything between 0 and 1"
        " in the interval."
    ),
)

SHORT = (
    "S from .95, A .85, B .70, C .50, D .25, else F. Speed and cost: active seconds and dollars per work done, on a"
    " log scale between the best and the worst that did C or better. S (n=5, ≥ C): n trials, the worst letter inside"
    " the 95% interval."
)
MOST_ANCHORS = 12
"""Rows that a compact report has room for."""


def criteria(result: RunResult, *, brief: bool = False) -> Section:
    """The rules, the weights, and the ends of each relative scale; the compact form has the rules in short."""
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
    table = Table(
        columns=columns,
        rows=rows,
        right=frozenset({"best", "worst"}),
        names=frozenset({"task", "set by", "set by "}),
        drop=("set by ", "set by"),
    )
    if not brief:
        return Section(title=TITLE, paragraphs=(*TEXT, overall), tables=(table,))
    more = f" In full: flatfield report {result.run.id} --format markdown"
    tables = (table,) if len(rows) <= MOST_ANCHORS else ()
    return Section(title=TITLE, paragraphs=(f"{SHORT} {overall}{more}",), tables=tables)


def _value(measure: str, value: float) -> str:
    return seconds(value) if measure == "speed" else dollars(value)
