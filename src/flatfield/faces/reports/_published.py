"""For imported figures: the published letter, ours, and why they differ, per cell."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._summary import legend, numbers
from flatfield.faces.wording import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import RunResult
    from flatfield.scoring.published import PublishedCell

TITLE = "Published and Ours"


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
        yield Section(title=TITLE, paragraphs=_counts(found), items=legend(result), tables=(table,))
        return
    columns = ("task", "agent", "measure", "published", "ours", "why they differ")
    rows = tuple(
        (cell.task, cell.agent, cell.measure, cell.published, cell.ours or UNKNOWN, cell.reason if cell in told else "")
        for cell in found
    )
    yield Section(title=TITLE, paragraphs=_counts(found), tables=(Table(columns=columns, rows=rows),))


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
