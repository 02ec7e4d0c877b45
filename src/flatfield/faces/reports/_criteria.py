"""How grades are computed, said in the report itself; for imported figures, the published letters beside ours."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._ranking import legend, numbers
from flatfield.faces.wording import UNKNOWN, dollars, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import RunResult
    from flatfield.scoring.published import PublishedCell


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
        "A (B–S): what the trials came to is an A, and the letters that chance allows on these tasks (95%) go from B to"
        " S. n is the number of trials. Those that the harness failed are not zeros: they are not measured, listed, and"
        " in no average. A check that was measured on other trials of the task and not on this one counts anything"
        " between 0 and 1 in the range."
    ),
)

SHORT = (
    "S from .95, A .85, B .70, C .50, D .25, else F. Speed and cost: active seconds and dollars per work done, on a"
    " log scale between the best and the worst that did C or better. A (B–S): an A, and what chance allows on these"
    " tasks (95%) goes from B to S; n: trials."
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
    columns = ("task", "scale", "best", "best by", "worst", "worst by")
    table = Table(
        columns=columns,
        rows=rows,
        right=frozenset({"best", "worst"}),
        names=frozenset({"task", "best by", "worst by"}),
        drop=("worst by", "best by"),
    )
    if not brief:
        return Section(title=TITLE, paragraphs=(*TEXT, overall), tables=(table,))
    more = f" In full: flatfield report {result.run.id} --format markdown --full"
    tables = (table,) if len(rows) <= MOST_ANCHORS else ()
    return Section(title=TITLE, paragraphs=(f"{SHORT} {overall}{more}",), tables=tables)


def _value(measure: str, value: float) -> str:
    return seconds(value) if measure == "speed" else dollars(value)


# For imported figures: the published letter, ours, and why they differ, per cell.


PUBLISHED_TITLE = "Published and Ours"


def published_section(result: RunResult, *, brief: bool = False) -> Iterator[Section]:
    """All cells; the compact form has those that differ and those whose cost was re-priced."""
    from flatfield.scoring.published import compare_published

    found = compare_published(result)
    if not found:
        return
    told = [cell for cell in found if not cell.same or cell.repriced is not None]
    if brief:
        names = numbers(result)
        table = Table(
            columns=("task", "agent", "measure", "published → ours", "why"),
            rows=tuple((names[cell.task], cell.agent, cell.measure, _change(cell), cell.short) for cell in told),
            names=frozenset({"agent"}),
            fold=frozenset({"why"}),
            drop=("why",),
        )
        yield Section(title=PUBLISHED_TITLE, paragraphs=_counts(found), items=legend(result), tables=(table,))
        return
    columns = ("task", "agent", "measure", "published", "ours", "why they differ")
    rows = tuple(
        (cell.task, cell.agent, cell.measure, cell.published, cell.ours or UNKNOWN, cell.reason if cell in told else "")
        for cell in found
    )
    yield Section(title=PUBLISHED_TITLE, paragraphs=_counts(found), tables=(Table(columns=columns, rows=rows),))


def _change(cell: PublishedCell) -> str:
    return f"{cell.published or UNKNOWN} → {cell.ours or UNKNOWN}"


def _counts(found: Sequence[PublishedCell]) -> tuple[str, ...]:
    """How many letters agree, measure by measure, and how many costs are others."""
    total, same = Counter(cell.measure for cell in found), Counter(cell.measure for cell in found if cell.same)
    parts = ", ".join(f"{measure} {same[measure]} of {total[measure]}" for measure in total)
    first = (
        f"{same.total()} of {total.total()} published letters are ours too: {parts}. These trials were imported, not"
        " measured here. Published letters of speed, cost and overall were given by eye; ours follow stated rules."
    )
    repriced = [cell for cell in found if cell.repriced is not None]
    if not repriced:
        return (first,)
    most = max((cell.repriced for cell in repriced if cell.repriced is not None), default=1.0)
    changed = sum(not cell.same for cell in repriced)
    second = (
        f"{len(repriced)} costs are re-priced from their tokens: the published ones are up to {most:.2f} times"
        f" what the tokens cost; {changed} of them have another letter."
    )
    return first, second
