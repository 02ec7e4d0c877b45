"""What is not measured leaves open: the intervals that reach so far, and who stands above whom all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Interval
from flatfield.scoring.measures.scales import HOLDS, blended, capped, exact, letter_of, mean
from flatfield.scoring.measures.work import task_scores
from flatfield.scoring.scorecards import counts_dearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import Anchors, Cell, Grade, Scorecard, Weights
    from flatfield.scoring.measures.performance import Figures
    from flatfield.scoring.measures.scales import Measure
    from flatfield.scoring.measures.work import Scores


class KnownPart(Struct, frozen=True, kw_only=True):
    """What an agent's trials leave open: `gap`, the mean share of them that is not measured (0..1).

    A trial that lacks a check which others have counts with that check's share. `least`: its performance by task if all
    of that had failed; `tasks`: those on which nothing of it was measured.
    """

    gap: float
    least: Mapping[str, float]
    tasks: tuple[str, ...]


def known(agents: Iterable[str], cells: Sequence[Cell]) -> dict[str, KnownPart]:
    """By agent. Tasks on which none of the agents was measured are left out: they tell nobody from another."""
    names = set(agents)
    counted = {cell.task for cell in cells if cell.n and cell.agent in names}
    found: dict[str, list[Cell]] = {agent: [] for agent in names}
    for cell in cells:
        if cell.agent in names and cell.task in counted:
            found[cell.agent].append(cell)
    return {agent: _known(own) for agent, own in found.items()}


def _known(cells: Sequence[Cell]) -> KnownPart:
    planned = {cell.task: max(cell.planned, cell.n, 1) for cell in cells}
    return KnownPart(
        gap=mean(1.0 - (1.0 - cell.down - cell.up) * cell.n / planned[cell.task] for cell in cells) if cells else 0.0,
        least={cell.task: _least(cell) * cell.n / planned[cell.task] for cell in cells},
        tasks=tuple(cell.task for cell in cells if not cell.n),
    )


def _least(cell: Cell) -> float:
    return (cell.performance.score or 0.0) - cell.down


def best_first(cards: Sequence[Scorecard], found: Mapping[str, KnownPart]) -> tuple[str, ...]:
    """The agents of `found` with an overall, best first: who does the job (C or better), then by overall, performance.

    One with unmeasured trials or checks comes after all that `did_as_well`, whatever its averages are: also after who
    does not do the job, for then nobody knows that it does itself.
    """
    field = [card for card in cards if card.agent in found and card.overall.score is not None]
    able = surely_able(field, found)
    waiting = sorted(field, key=lambda card: (card.agent not in able, *_merit(card)))
    above = {card.agent: above_of(card, field, found) for card in field}
    order: list[str] = []
    while waiting:
        free = (card for card in waiting if not above[card.agent].difference(order))
        chosen = next(free)
        waiting.remove(chosen)
        order.append(chosen.agent)
    return tuple(order)


def above_of(card: Scorecard, field: Sequence[Scorecard], found: Mapping[str, KnownPart]) -> frozenset[str]:
    """Who of the field stands above the agent whatever the averages say."""
    able = surely_able(field, found)
    return frozenset(
        other.agent
        for other in field
        if (other.agent in able and card.agent not in able) or did_as_well(found[other.agent], found[card.agent])
    )


def surely_able(field: Sequence[Scorecard], found: Mapping[str, KnownPart]) -> frozenset[str]:
    """Who does the job, and of whom nobody that does not do it did as well as is known.

    What follows from `did_as_well` never leads from these back to the others, so that the order has no circle.
    """
    failing = [found[card.agent] for card in field if not does_the_job(card)]
    return frozenset(
        card.agent
        for card in field
        if does_the_job(card) and not any(did_as_well(one, found[card.agent]) for one in failing)
    )


def does_the_job(card: Scorecard) -> bool:
    """Whether its performance is C or better."""
    return (card.performance.score or 0.0) >= HOLDS


def did_as_well(one: KnownPart, other: KnownPart) -> bool:
    """Whether `one`, of which less is missing, did as well on every task as `other` is known to have done."""
    if one.gap >= other.gap:
        return False
    return all(one.least.get(task, 0.0) >= least - 1e-9 for task, least in other.least.items())


def _merit(card: Scorecard) -> tuple[float, float, str]:
    return -(card.overall.score or 0.0), -(card.performance.score or 0.0), card.agent


# ---------------------------------------------------------------------------- what checks leave open


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
        method=f"{ends.method}, and {UNCHECKED}" if ends.method else UNCHECKED,
    )
    return replace(grade, interval=interval, at_worst=letter_of(interval.low), at_best=letter_of(interval.high))
