"""Who stands above whom, where trials are missing: compared on what is known, and what is not measured never helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.scoring.scales import HOLDS, mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import Cell, Scorecard


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
