"""One posterior of all measures: draws of every agent's means on these tasks, and on the next task like these.

Each draw is one state of the world that the trials allow: every agent's mean score, seconds and dollars on every task,
and from these what section "Work done" of the grades makes of them: positions on each task's relative scale, whose ends
are that draw's own, and their scores. So the same rules that grade the records grade every draw.

Cells are agents × tasks × draws in single precision: most of the time goes there, and draws are what there are most of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from flatfield.scoring.certainty.amounts import draw_amounts
from flatfield.scoring.certainty.chance import FREEDOM, Chance, chance_of, order_of
from flatfield.scoring.certainty.rates import draw_rates
from flatfield.scoring.scales import HOLDS, KNOTS, LEAST_USD, SPREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.scoring.certainty.amounts import Amounts
    from flatfield.scoring.certainty.rates import DrawnRates
    from flatfield.scoring.certainty.table import SumTable


Array = NDArray[np.float64]
Drawn = NDArray[np.floating]

MOST_DRAWS, LEAST_DRAWS, MOST_VALUES = 4000, 500, 10_000_000
"""Draws of the posterior: as many as make so many values of agent × task, within these limits."""
AT_ONCE = 60_000
"""So many values at a time, which a processor's own memory holds."""
USUAL = {"speed": 0.4, "cost": 0.4, "paid": 0.8, "wait": 0.8}
"""What values vary by over tasks where nothing is known, as shares of their mean."""
POSITIONS = np.asarray([position for position, _ in KNOTS])
SCORES = np.asarray([score for _, score in KNOTS])
PIECES = 20
"""In so many equal pieces of the scale scores are straight lines: all knots lie between two of them."""
STARTS = np.interp(np.arange(PIECES + 1) / PIECES, POSITIONS, SCORES).astype(np.float32)
FALLS = np.append(np.diff(STARTS), np.float32(0.0))
FAR = 1e30
"""Beyond every logarithm of an amount."""

KEPT_BITS = 12
"""Of a draw's mantissa: far more than chance leaves to tell, and few enough to hand draws on as they are."""
MOST_LOGARITHM = 700.0
"""Of seconds and dollars: e to the 700 is the largest that a float holds, nearly."""


class Scale(Struct, frozen=True, kw_only=True):
    """The frozen ends of one task's scale: logarithms of seconds or of dollars per work done."""

    best: float
    worst: float


class DrawnMeans(Struct, frozen=True, kw_only=True):
    """Draws × agents of the means over tasks.

    `performance`, `speed`, `cost`: scores in 0..1; `solved`: the share of trials that passes every check. `seconds`,
    `usd`: typical ones of a trial (the geometric mean). `expected_usd` and `expected_wait_seconds` are arithmetic
    means, which money is counted in: what a flat rate pays for costs nothing there. None where no agent has a known
    price, or no scale to place it on; `seconds` are NaN where it is not known of any trial how long it took.
    """

    performance: Array
    speed: Array
    cost: Array | None
    solved: Array
    seconds: Array
    usd: Array | None
    expected_usd: Array | None
    expected_wait_seconds: Array


class Posterior(Struct, frozen=True, kw_only=True):
    """Draws of two named means: on `these` tasks, and on tasks like these, of which the `next` will be one."""

    agents: tuple[str, ...]
    tasks: tuple[str, ...]
    these: DrawnMeans
    next: DrawnMeans


class Hyper(Struct, frozen=True, kw_only=True):
    """What draws of cells are made from; `usd` None: no price is known."""

    chance: Chance
    score: DrawnRates
    solved: DrawnRates
    seconds: Amounts
    wait: Amounts
    usd: Amounts | None


def draws_for(agents: int, tasks: int) -> int:
    """How many draws so large a table gets."""
    return int(np.clip(MOST_VALUES // max(agents * tasks, 1), LEAST_DRAWS, MOST_DRAWS))


def posterior_of(
    table: SumTable,
    scales: Mapping[tuple[str, str], Scale] | None = None,
    *,
    draws: int | None = None,
    seed: int = 0,
    watch: Callable[[slice, Mapping[str, Drawn]], None] | None = None,
) -> Posterior:
    """The posterior of a table with at least one measured trial; the same table and seed give the same draws.

    Args:
        table: what was measured.
        scales: frozen scales by (task, "speed" or "cost"); tasks without one get those of each draw.
        draws: instead of as many as fit the size.
        seed: of chance.
        watch: sees the draws of all cells (`draw_part`), some tasks at a time.
    """
    agents, tasks = table.score.count.shape
    chance = chance_of(agents, tasks, draws or draws_for(agents, tasks), seed)
    return swept(table, hyper_of(table, chance), dict(scales or {}), watch)


def without_time(found: Posterior) -> Posterior:
    """The posterior of trials of which it is not known how long they took: NaN seconds, and speed is worth nothing."""
    return replace(found, these=_timeless(found.these), next=_timeless(found.next))


def _timeless(means: DrawnMeans) -> DrawnMeans:
    none = np.zeros_like(means.performance)
    return replace(means, speed=none, seconds=np.full_like(none, np.nan), expected_wait_seconds=none)


def hyper_of(table: SumTable, chance: Chance) -> Hyper:
    """Draws of what lies above the single cells: what agents and tasks share, for each measure."""
    order = order_of(table.score.mean, table.score.count > 0.0, chance)
    score = draw_rates(table.score, table.spread, order, chance.generator)
    solved = score
    if not np.array_equal(table.solved.mean, table.score.mean):
        order = order_of(table.solved.mean, table.solved.count > 0.0, chance)
        solved = draw_rates(table.solved, np.zeros(len(table.agents)), order, chance.generator)
    seconds = draw_amounts(table.log_seconds, chance)
    if seconds is None:
        raise ValueError("a posterior needs at least one measured trial")
    wait = seconds
    if not np.array_equal(table.log_wait.mean, table.log_seconds.mean):
        wait = draw_amounts(table.log_wait, chance) or seconds
    dear = replace(table.log_usd, count=np.where(table.free[:, None], 0.0, table.log_usd.count))
    usd = draw_amounts(dear, chance)
    return Hyper(chance=chance, score=score, solved=solved, seconds=seconds, wait=wait, usd=usd)


def swept(
    table: SumTable,
    hyper: Hyper,
    scales: Mapping[tuple[str, str], Scale],
    watch: Callable[[slice, Mapping[str, Drawn]], None] | None = None,
) -> Posterior:
    """All draws of all cells, some tasks at a time, added up to the means."""
    draws, tasks = hyper.chance.tasks.shape
    agents = len(table.agents)
    step = max(AT_ONCE // (draws * agents), 1)
    sums = {
        name: _Sum(draws, agents) for name in ("score", "solved", "seconds", "usd", "speed", "cost", "paid", "wait")
    }
    graded = has_cost_scale(table, scales)
    for start in range(0, tasks, step):
        part = slice(start, min(start + step, tasks))
        g = np.ascontiguousarray(hyper.chance.tasks[:, part].T, dtype=np.float32)
        drawn = draw_part(table, hyper, scales, part)
        if watch is not None:
            watch(part, drawn)
        for name, values in drawn.items():
            sums[name].add(values, g if name in USUAL else None)
    mean = {name: each.total.T / tasks for name, each in sums.items()}
    ahead = {name: sums[name].ahead(hyper.chance, tasks, usual) for name, usual in USUAL.items()}
    these = _these(table, hyper, mean, graded=graded)
    following = _next(table, hyper, ahead, these, graded=graded)
    return Posterior(agents=table.agents, tasks=table.tasks, these=_rounded(these), next=_rounded(following))


def _rounded(means: DrawnMeans) -> DrawnMeans:
    """The draws with KEPT_BITS each, so that who is handed them (a page) counts with the very same numbers."""
    return DrawnMeans(
        performance=_in_bits(means.performance),
        speed=_in_bits(means.speed),
        cost=None if means.cost is None else _in_bits(means.cost),
        solved=_in_bits(means.solved),
        seconds=_in_bits(means.seconds),
        usd=None if means.usd is None else _in_bits(means.usd),
        expected_usd=None if means.expected_usd is None else _in_bits(means.expected_usd),
        expected_wait_seconds=_in_bits(means.expected_wait_seconds),
    )


def _in_bits(draws: Array) -> Array:
    """Each number to the nearest that has a mantissa of KEPT_BITS."""
    dropped = np.uint64(52 - KEPT_BITS)
    bits = np.ascontiguousarray(draws, dtype=np.float64).view(np.uint64)
    half = np.uint64(1) << (dropped - np.uint64(1))
    found: Array = (((bits + half) >> dropped) << dropped).view(np.float64)
    return np.where(np.isfinite(draws), found, draws)


def _these(table: SumTable, hyper: Hyper, mean: Mapping[str, Array], *, graded: bool) -> DrawnMeans:
    """The means over these tasks; an agent that is free costs 0, one of which nobody can tell NaN."""
    free = table.free[None, :]
    usd: Array | None = None
    if hyper.usd is not None:
        usd = np.where(free, 0.0, _amount(mean["usd"]))
    elif free.any():
        usd = np.where(free, 0.0, np.nan) + np.zeros_like(mean["usd"])
    return DrawnMeans(
        performance=mean["score"],
        speed=mean["speed"],
        cost=mean["cost"] if graded else None,
        solved=mean["solved"],
        seconds=_amount(mean["seconds"]),
        usd=usd,
        expected_usd=_billed(table, mean["paid"]) if hyper.usd is not None or (free | table.prepaid).all() else None,
        expected_wait_seconds=mean["wait"],
    )


def _next(table: SumTable, hyper: Hyper, ahead: Mapping[str, Array], these: DrawnMeans, *, graded: bool) -> DrawnMeans:
    """The means over tasks like these: of scores and logarithms by their own posterior, else by `ahead`."""
    free, usd = table.free[None, :], hyper.usd
    return DrawnMeans(
        performance=hyper.score.next,
        speed=np.clip(ahead["speed"], 0.0, 1.0),
        cost=np.where(free & ~table.idle.any(axis=1), 1.0, np.clip(ahead["cost"], 0.0, 1.0)) if graded else None,
        solved=hyper.solved.next,
        seconds=_amount(hyper.seconds.next),
        usd=np.where(free, 0.0, _amount(usd.next)) if usd is not None else these.usd,
        expected_usd=None if these.expected_usd is None else _billed(table, np.maximum(ahead["paid"], 0.0)),
        expected_wait_seconds=np.maximum(ahead["wait"], 0.0),
    )


def draw_tasks(
    table: SumTable, scales: Mapping[tuple[str, str], Scale], *, seed: int = 0
) -> Iterator[tuple[str, DrawnMeans]]:
    """Each task with the draws of its cells, as means over this task alone."""
    agents, tasks = table.score.count.shape
    hyper = hyper_of(table, chance_of(agents, tasks, draws_for(agents, tasks), seed))
    graded, free = has_cost_scale(table, scales), table.free[None, :]
    for column, task in enumerate(table.tasks):
        drawn = {
            name: values[:, 0].T.astype(float)
            for name, values in draw_part(table, hyper, scales, slice(column, column + 1)).items()
        }
        usd = np.where(free, 0.0, _amount(drawn["usd"])) if "usd" in drawn else None
        yield (
            task,
            DrawnMeans(
                performance=drawn["score"],
                speed=drawn["speed"],
                cost=drawn["cost"] if graded else None,
                solved=drawn["solved"],
                seconds=_amount(drawn["seconds"]),
                usd=usd,
                expected_usd=_billed(table, drawn["paid"]) if "paid" in drawn else None,
                expected_wait_seconds=drawn["wait"],
            ),
        )


class _Sum:
    """Agents × draws: the sum over tasks, and what the mean over other tasks like them is made from."""

    def __init__(self, draws: int, agents: int) -> None:
        self.total = np.zeros((agents, draws))
        self._squares = np.zeros((agents, draws))
        self._moved = np.zeros((agents, draws))

    def add(self, values: Drawn, g: Drawn | None) -> None:
        """Values of agents × tasks × draws; `g`: standard normal draws of those tasks (None: the sum is all)."""
        self.total += values.sum(axis=1)
        if g is None:
            return
        self._squares += (values * values).sum(axis=1)
        self._moved += (values * g).sum(axis=1)

    def ahead(self, chance: Chance, tasks: int, usual: float) -> Array:
        """The mean over tasks like these (chance.py), with the tasks' deviations of the same draw.

        `usual`: the standard deviation of a value over tasks, as a share of the agents' mean, where nothing is known.
        """
        mean = self.total.T / tasks
        agents = mean.shape[1]
        grown = tasks / (tasks - 1.0) if tasks > 1 else 1.0
        own = grown * np.maximum(self._squares.T / tasks - mean**2, 0.0)
        known = (agents - 1.0) * (tasks - 1.0)
        fixed = (usual * np.abs(mean).mean(axis=1, keepdims=True)) ** 2
        others = ((own.sum(axis=1, keepdims=True) - own) * (tasks - 1.0) + FREEDOM * fixed) / (known + FREEDOM)
        beside = chance.beside(0.0, np.sqrt(others))
        moved = self._moved.T - mean * chance.tasks.sum(axis=1, keepdims=True)
        found: Array = mean + chance.scale(np.full(agents, float(tasks)), 0) * (moved + beside)
        return found


def draw_part(table: SumTable, hyper: Hyper, scales: Mapping[tuple[str, str], Scale], part: slice) -> dict[str, Drawn]:
    """Agents × some tasks × draws of all measures."""
    generator = hyper.chance.generator
    score = hyper.score.draw_cells(generator, part)
    seconds = hyper.seconds.draw_cells(generator, part)
    found = {
        "score": score,
        "seconds": seconds,
        "solved": score if hyper.solved is hyper.score else hyper.solved.draw_cells(generator, part),
    }
    wait = seconds if hyper.wait is hyper.seconds else hyper.wait.draw_cells(generator, part)
    found["wait"] = hyper.wait.expected(wait)
    work = np.log(np.maximum(score, np.float32(1e-9)))
    names = table.tasks[part]
    nobody = np.zeros(len(table.agents), dtype=bool)
    idle = np.where(table.idle[:, part, None], score, np.float32(1.0)) if table.idle[:, part].any() else None
    found["speed"] = relative_scores(seconds - work, score, nobody, _frozen(scales, names, "speed"))
    if hyper.usd is not None:
        usd = hyper.usd.draw_cells(generator, part)
        found["usd"] = usd
        found["paid"] = np.where(table.free[:, None, None], np.float32(0.0), hyper.usd.expected(usd))
    if has_cost_scale(table, scales):
        found["cost"] = np.ones_like(score)
        if hyper.usd is not None:
            frozen = _frozen(scales, names, "cost")
            found["cost"] = relative_scores(found["usd"] - work, score, table.free, frozen, least=np.log(LEAST_USD))
    if idle is not None:
        # Nothing scored is F at any speed and price, so both are as far from it as the score may be.
        found |= {name: np.minimum(found[name], idle) for name in ("speed", "cost") if name in found}
    return found


def has_cost_scale(table: SumTable, scales: Mapping[tuple[str, str], Scale]) -> bool:
    """Whether dollars have a place on a scale.

    All agents are free; or two or more have a price above 0, or one where nobody is free, or the scales are frozen.
    """
    priced = int(((table.log_usd.count > 0.0).any(axis=1) & ~table.free).sum())
    if priced == 0:
        return bool(table.free.all())
    frozen = all((task, "cost") in scales for task in table.tasks)
    return priced > 1 or not table.free.any() or frozen


def _frozen(scales: Mapping[tuple[str, str], Scale], names: tuple[str, ...], measure: str) -> list[Scale | None]:
    return [scales.get((name, measure)) for name in names]


def relative_scores(
    amounts: Drawn,
    score: Drawn,
    free: NDArray[np.bool_],
    frozen: Sequence[Scale | None],
    *,
    least: float | None = None,
) -> Drawn:
    """The score of log-amounts per work done on each draw's own relative scale (`work.find_anchors`, `work.place`).

    Agents × tasks × draws. Its ends are set by the agents with performance C or better in that draw; if there are none,
    by all. Beside agents that are `free`, at least two with a price set them. Below `least` nobody is told apart.
    """
    priced = ~free[:, None, None]
    counted = (score >= HOLDS) & priced
    few = counted.sum(axis=0) < (2 if free.any() else 1)
    counted |= few & priced
    # Adding and multiplying takes a tenth of the time that choosing does.
    away = np.logical_not(counted).astype(amounts.dtype) * amounts.dtype.type(FAR)
    best, worst = (amounts + away).min(axis=0), (amounts - away).max(axis=0)
    if free.any():
        best = np.minimum(best, worst - np.log(SPREAD))
    for column, scale in enumerate(frozen):
        if scale is not None:
            best[column], worst[column] = scale.best, scale.worst
    with np.errstate(invalid="ignore"):
        place = (amounts - best) / np.maximum(worst - best, np.log(SPREAD))
    if least is not None:
        place[amounts < least] = 0.0
    place[free] = 0.0
    return score_of(place)


def score_of(place: Drawn) -> Drawn:
    """The scores of positions, as `scales.score_at` has them."""
    found: Drawn = np.fmin(np.fmax(place, 0.0), 1.0)
    found *= PIECES
    piece = found.astype(np.intp)
    found -= piece
    found *= FALLS.take(piece)
    found += STARTS.take(piece)
    return found


def _billed(table: SumTable, usd: Array) -> Array:
    """Draws × agents: nothing of what a flat rate pays for. Only the means are, so that nobody else's draws change."""
    found: Array = np.where(table.prepaid[None, :], 0.0, usd)
    return found


def _amount(logarithm: Array) -> Array:
    """The amount of a logarithm, kept below what a float can hold: a draw may be of any size."""
    found: Array = np.exp(np.minimum(logarithm, MOST_LOGARITHM))
    return found
