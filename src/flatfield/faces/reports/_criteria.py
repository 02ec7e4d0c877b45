"""How grades are computed, said in the report itself; for imported figures, the published letters beside ours."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, dollars, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import RunResult
    from flatfield.scoring.published import PublishedCell


TITLE = "Grading Criteria"
TEXT = (
    (
        "Letters: S from a score of 0.95, A from 0.85, B from 0.70, C from 0.50, D from 0.25, else F. Performance is"
        " the mean score of a task's checks, 0 to 1, or the judge's letter where a task has only a rubric."
    ),
    (
        "Speed and cost are graded by what the work took: the seconds (dollars) of all trials of a task, divided by"
        " the sum of their performance scores, and compared with the agent that needed least (best) and the one that"
        " needed most (worst) of those with performance C or better."
        " p = log(x / best) / max(log(worst / best), log 8): S to .05, A to .20, B to .40, C to .60, D to .80, else F."
        " $0 is S, and so is what costs less than $0.001; beside agents that cost $0 best is the cheapest price, or an"
        " eighth of the dearest where that is less; where only one agent costs anything, the task's target decides, or"
        " its cost has no letter."
    ),
    (
        "A (B–S): what the trials came to is an A, and the letters that chance allows on these tasks (95%) go from B to"
        " S. Trials that the harness failed are not zeros: they are not measured, listed, and in no average. A check"
        " that was measured on other trials of the task and not on this one counts anything between 0 and 1 in the"
        " range."
    ),
)
SHORT = (
    "S from a score of .95, A .85, B .70, C .50, D .25, else F. Performance: the share of a task's checks that hold."
    " Speed and cost: seconds and dollars for the work that was done, S at the best agent of a task, F at the worst, in"
    " equal ratios between."
)


def criteria(result: RunResult, *, brief: bool = False) -> Section:
    """The rules, the weights, and the ends of each relative scale; in brief the rules in short."""
    overall = f"Overall: {_weights(result)}; never above performance where that is D or F."
    if brief:
        return Section(title=TITLE, paragraphs=(f"{SHORT} {overall}",))
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
    columns = ("task", "of", "best", "best by", "worst", "worst by")
    table = Table(
        columns=columns,
        rows=rows,
        right=frozenset({"best", "worst"}),
        names=frozenset({"task", "best by", "worst by"}),
        drop=("worst by", "best by"),
    )
    ends = "What speed and cost are compared with:" if rows else ""
    return Section(title=TITLE, paragraphs=(*TEXT, overall, *([ends] if ends else [])), tables=(table,))


def _weights(result: RunResult) -> str:
    """`50% performance, 25% speed, 25% cost`; what counts nothing is left out."""
    weights = result.grading.weights
    each = (("performance", weights.performance), ("speed", weights.speed), ("cost", weights.cost))
    total = sum(weight for _, weight in each)
    return ", ".join(f"{weight / total:.0%} {name}" for name, weight in each if weight)


def _value(measure: str, value: float) -> str:
    return seconds(value) if measure == "speed" else dollars(value)


# For imported figures: the published letter, ours, and why they differ, per cell.


PUBLISHED_TITLE = "Published and Ours"


def published_section(result: RunResult) -> Iterator[Section]:
    """All cells, with the reason where the letters differ or the cost was computed anew."""
    from flatfield.scoring.published import compare_published

    found = compare_published(result)
    if not found:
        return
    told = [cell for cell in found if not cell.same or cell.repriced is not None]
    columns = ("task", "agent", "measure", "published", "ours", "why they differ")
    rows = tuple(
        (cell.task, cell.agent, cell.measure, cell.published, cell.ours or UNKNOWN, cell.reason if cell in told else "")
        for cell in found
    )
    table = Table(columns=columns, rows=rows, names=frozenset({"task", "agent"}), fold=frozenset({"why they differ"}))
    yield Section(title=PUBLISHED_TITLE, paragraphs=_counts(found), tables=(table,))


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
        f"{len(repriced)} costs are computed anew from their tokens: the published ones are up to {most:.2f} times"
        f" what the tokens cost; {changed} of them have another letter."
    )
    return first, second
