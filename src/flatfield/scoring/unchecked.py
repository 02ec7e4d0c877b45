"""What checks that were not measured leave open: the intervals shown reach as far as these may move a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Interval
from flatfield.scoring.scales import blended, capped, exact, letter_of, mean
from flatfield.scoring.scorecards import counts_dearest
from flatfield.scoring.work import task_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import Anchors, Cell, Grade, Scorecard, Weights
    from flatfield.scoring.performance import Figures
    from flatfield.scoring.scales import Measure
    from flatfield.scoring.work import Scores


UNCHECKED = "what checks that were not measured leave"


class ScoreBounds(Struct, frozen=True, kw_only=True):
    """One agent's scores on one task as they are, and if all that was not checked had failed, or had been full."""

    cell: Cell
    now: Scores
    least: Scores
    most: Scores


def bounds_of(cell: Cell, figures: Sequence[Figures], anchors: Mapping[Measure, Anchors | None]) -> ScoreBounds:
    """The cell's scores, with the scales held."""

    def scores(moved: Iterable[Figures]) -> Scores:
        return task_scores({"": tuple(moved)}, anchors)[""]

    return ScoreBounds(
        cell=cell,
        now=scores(figures),
        least=scores(replace(each, score=max(each.score - each.down, 0.0)) for each in figures),
        most=scores(replace(each, score=min(each.score + each.up, 1.0)) for each in figures),
    )


def widen_cell(found: ScoreBounds, weights: Weights) -> Cell:
    """The cell with intervals that hold what was not checked."""
    cell = found.cell
    ends = _ends([found], weights, dearest=False)
    return replace(
        cell,
        performance=_widen(cell.performance, ends[0]),
        speed=replace(cell.speed, relative=_widen(cell.speed.relative, ends[1])),
        cost=replace(cell.cost, relative=_widen(cell.cost.relative, ends[2])),
        overall=_widen(cell.overall, ends[3]),
    )


def widen_card(card: Scorecard, found: Sequence[ScoreBounds], weights: Weights) -> Scorecard:
    """The scorecard with intervals that hold what was not checked on any of its tasks."""
    ends = _ends(found, weights, dearest=counts_dearest(card.performance, card.cost, weights))
    return replace(
        card,
        performance=_widen(card.performance, ends[0]),
        speed=_widen(card.speed, ends[1]),
        cost=_widen(card.cost, ends[2]),
        overall=_widen(card.overall, ends[3]),
    )


def _ends(found: Sequence[ScoreBounds], weights: Weights, *, dearest: bool) -> list[tuple[float, float]]:
    """How far performance, speed, cost and overall may fall and rise."""
    least, now, most = (
        _figures([getattr(each, name) for each in found], weights, dearest=dearest) for name in ("least", "now", "most")
    )
    return [
        (exact(max(here - low, 0.0)), exact(max(high - here, 0.0)))
        for low, here, high in zip(least, now, most, strict=True)
    ]


def _figures(tasks: Sequence[Scores], weights: Weights, *, dearest: bool) -> tuple[float, float, float, float]:
    """Performance, speed, cost and overall, each a mean over tasks; what is not known at all is 0."""
    columns = [[each for each in column if each is not None] for column in zip(*tasks, strict=True)]
    performance, speed, cost = (mean(column) if column else None for column in columns)
    done = performance or 0.0
    blend = blended(done, speed, 0.0 if cost is None and dearest else cost, weights)
    return done, speed or 0.0, cost or 0.0, capped(blend or 0.0, done)


def _widen(grade: Grade, by: tuple[float, float]) -> Grade:
    if grade.score is None or by == (0.0, 0.0):
        return grade
    ends = grade.interval or Interval(low=grade.score, high=grade.score, method="")
    interval = Interval(
        low=exact(max(ends.low - by[0], 0.0)),
        high=exact(min(ends.high + by[1], 1.0)),
        method=f"{ends.method}, and {UNCHECKED}" if ends.method else f"{UNCHECKED}, too few values for chance",
        chance=grade.interval is not None,
    )
    return replace(grade, interval=interval, at_worst=letter_of(interval.low))
