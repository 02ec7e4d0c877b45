"""How sure grades are: the range of each on these tasks, of an agent's on the next ones too, and ranks as ranges.

All come from the draws of one posterior (`scoring.certainty`). An interval never leaves its own estimate outside: the
draws lend an agent what is known of others and of the task, the estimate is what its trials came to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.records import Grade, Interval
from flatfield.scoring.measures.scales import blended, capped, exact, letter_of
from flatfield.scoring.scorecards import counts_dearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from flatfield.records import Cell, ScaleGrade, Scorecard, Weights
    from flatfield.scoring.certainty.posterior import DrawnMeans
    from flatfield.scoring.certainty.study import Study

    Array = NDArray[np.float64]

THESE, NEXT = "on these tasks", "on the next task like these"
DEEP = 0.025
"""The share of draws that is cut off at either end of a rank range."""


def ranged(grade: Grade, ends: tuple[float, float] | None, ahead: tuple[float, float] | None = None) -> Grade:
    """The grade with its interval on these tasks, the letters at its ends, and the interval on the next ones."""
    if grade.score is None or ends is None:
        return grade
    these = _interval(grade.score, ends, THESE)
    return Grade(
        score=grade.score,
        letter=grade.letter,
        n=grade.n,
        interval=these,
        at_worst=letter_of(these.low),
        at_best=letter_of(these.high),
        next_interval=None if ahead is None else _interval(grade.score, ahead, NEXT),
        note=grade.note,
        lacks=grade.lacks,
    )


def _interval(score: float, ends: tuple[float, float], method: str) -> Interval:
    low, high = exact(max(min(ends[0], score), 0.0)), exact(min(max(ends[1], score), 1.0))
    return Interval(low=low, high=high, method=method)


def range_cells(cells: Sequence[Cell], study: Study, weights: Weights) -> tuple[Cell, ...]:
    """The cells with their ranges; those of who has no draws, such as a control, stay as they are."""
    rows = {name: row for row, name in enumerate(study.table.agents)}
    columns = {name: column for column, name in enumerate(study.table.tasks)}
    found = {key: values.tolist() for key, values in study.ends.cells.items()}

    def ends(cell: Cell, measure: str, *, aimed: bool = False) -> tuple[float, float] | None:
        table = found.get((measure, aimed))
        return None if table is None else tuple(table[rows[cell.agent]][columns[cell.task]])

    def scale(cell: Cell, measure: str, both: ScaleGrade) -> ScaleGrade:
        if both.relative.score is None and both.absolute.score is None:
            return both
        aimed = ends(cell, measure, aimed=True)
        relative, absolute = ranged(both.relative, ends(cell, measure) or aimed), ranged(both.absolute, aimed)
        return replace(both, relative=relative, absolute=absolute)

    def one(cell: Cell) -> Cell:
        if cell.agent not in rows or cell.task not in columns or not cell.n:
            return cell
        performance = ranged(cell.performance, ends(cell, "performance"))
        speed, cost = scale(cell, "speed", cell.speed), scale(cell, "cost", cell.cost)
        overall = ranged(cell.overall, joint_ends(performance, speed.relative, cost.relative, weights))
        return replace(cell, performance=performance, speed=speed, cost=cost, overall=overall)

    return tuple(map(one, cells))


def joint_ends(performance: Grade, speed: Grade, cost: Grade, weights: Weights) -> tuple[float, float] | None:
    """A cell's overall: the blend of all lower ends, and of all upper ends, each capped; a little too wide."""
    dearest = counts_dearest(performance, cost, weights)
    low = [_end(grade, "low") for grade in (performance, speed, cost)]
    high = [_end(grade, "high") for grade in (performance, speed, cost)]
    if dearest:
        low[2] = high[2] = 0.0
    if low[0] is None or high[0] is None:
        return None
    worst, best = blended(low[0], low[1], low[2], weights), blended(high[0], high[1], high[2], weights)
    return None if worst is None or best is None else (capped(worst, low[0]), capped(best, high[0]))


def _end(grade: Grade, name: str) -> float | None:
    return None if grade.interval is None else getattr(grade.interval, name)


def range_cards(cards: Sequence[Scorecard], study: Study, weights: Weights) -> tuple[Scorecard, ...]:
    """The scorecards with their ranges, on these tasks and on the next ones."""
    these, following = study.posterior.these, study.posterior.next
    here, ahead = overalls(cards, study, these, weights), overalls(cards, study, following, weights)
    rows = {name: row for row, name in enumerate(study.table.agents)}

    def one(card: Scorecard) -> Scorecard:
        row = rows.get(card.agent)
        if row is None:
            return card
        aimed = {name: _ends(values, row) for name, values in study.ends.aimed.items()}
        cost = _ends(these.cost, row) or aimed.get("cost")
        return replace(
            card,
            performance=ranged(card.performance, _ends(these.performance, row), _ends(following.performance, row)),
            speed=ranged(card.speed, _ends(these.speed, row), _ends(following.speed, row)),
            cost=ranged(card.cost, cost, _ends(following.cost, row)),
            overall=ranged(card.overall, _ends(here, row), _ends(ahead, row)),
            speed_absolute=ranged(card.speed_absolute, aimed.get("speed")),
            cost_absolute=ranged(card.cost_absolute, aimed.get("cost")),
        )

    return tuple(map(one, cards))


def overalls(cards: Sequence[Scorecard], study: Study, means: DrawnMeans, weights: Weights) -> Array:
    """Draws × agents of the overall score; a cost that the draws have no scale for counts what its grade does."""
    import numpy as np

    from flatfield.scoring.certainty.utility import utility

    own = {card.agent: card for card in cards}
    if means.cost is None and weights.cost > 0.0:
        known = [own[name].cost.score or 0.0 if name in own else 0.0 for name in study.table.agents]
        means = replace(means, cost=np.broadcast_to(known, means.performance.shape))
    elif means.cost is not None:
        dearest = [
            name in own and counts_dearest(own[name].performance, own[name].cost, weights)
            for name in study.table.agents
        ]
        means = replace(means, cost=np.where(dearest, 0.0, means.cost))
    return utility(means, weights)


def _ends(values: Array | None, row: int) -> tuple[float, float] | None:
    import numpy as np

    if values is None or np.isnan(values[0, row]):
        return None
    low, high = np.percentile(values[:, row], [100.0 * DEEP, 100.0 * (1.0 - DEEP)])
    return float(low), float(high)


def rank_ranges(
    field: Sequence[Scorecard], study: Study, weights: Weights, gaps: Mapping[str, float]
) -> dict[str, tuple[int, int]]:
    """(best, worst) rank of each, on these tasks: the central 95% of its ranks over the draws.

    `gaps`: the share of each agent's trials that is not measured: it counts anything between all 0 and all 1, so that
    the range is as wide as it leaves it. Who has no draws may be anywhere.

    Source: ranks of draws: Goldstein & Spiegelhalter, Journal of the Royal Statistical Society A 159 (1996), 385.
    """
    import numpy as np

    rows = {name: row for row, name in enumerate(study.table.agents)}
    known = [card for card in field if card.agent in rows]
    unknown = len(field) - len(known)
    if not known:
        return {card.agent: (1, len(field)) for card in field}
    values = overalls(field, study, study.posterior.these, weights)[:, [rows[card.agent] for card in known]]
    gap = np.asarray([gaps.get(card.agent, 0.0) for card in known])
    if gap.any():
        chance = np.random.default_rng(study.seed + 8).random(values.shape)
        values = values + (chance - values) * gap
    ranges = {card.agent: (1, len(field)) for card in field}
    for column, card in enumerate(known):
        mine = values[:, column, None]
        best, worst = 1 + (values > mine).sum(axis=1), (values >= mine).sum(axis=1)
        low = int(np.quantile(best, DEEP, method="inverted_cdf"))
        ranges[card.agent] = (low, int(np.quantile(worst, 1.0 - DEEP, method="inverted_cdf")) + unknown)
    return ranges
