"""The posterior of scores in 0..1: each agent's mean on tasks like these, and its mean on each of these tasks.

Scores are counted as a beta-binomial counts passes. Of an agent with mean m the trials' scores vary by phi m (1 - m)
(phi = 1: all or nothing), of which the tasks make a share rho: its mean on a task is Beta(k p, k (1 - p)), where p
is what the agent and the task's difficulty let expect, and trials around that are counted as n / phi' passes and fails.

Sources: the beta-binomial: Skellam, Journal of the Royal Statistical Society B 10 (1948), 257; its use as a
quasi-likelihood for graded scores: Williams, Applied Statistics 31 (1982), 144; the prior of m: Jeffreys, Proceedings
of the Royal Society A 186 (1946), 453, whose intervals' coverage Brown, Cai & DasGupta, Statistical Science 16 (2001),
101 found near what it should be; agents lend each other what they know of rho by a power prior: Ibrahim & Chen,
Statistical Science 15 (2000), 46.

Departures: phi is estimated, not drawn, and widened as Student's t is wider than the normal; the difficulty of a task
is estimated from the other agents, not drawn; rho has a prior of its own on each scale.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatfield.scoring.certainty.group import towards_group
from flatfield.scoring.certainty.table import Cells

Array = NDArray[np.float64]
Drawn = NDArray[np.floating]

PRIOR = 0.6
"""Passes, and fails, that an agent's mean on these tasks has before any trial: a little more than Jeffreys's half."""
MOST_PRIOR = 0.85
"""And its mean on the next, with many tasks; with three it is PRIOR. So single pass/fail trials have about the exact
coverage that they should, on average over all rates, and nowhere one far below (bench/certainty.py)."""
LENT = 0.5
"""What all other agents together say about an agent's rho counts as much as so many of them."""
LEAST_PHI = 0.02
USUAL_PHI, USUAL_FREEDOM = 0.3, 1.0
"""What graded scores vary by, of the largest variance there can be, and in how many degrees of freedom it counts."""
PRIOR_FREEDOM = 2.5
"""What is known beforehand of the spread of scores, in degrees of freedom."""
TASKS_APART = (1.15, 1.0)
FEW_TASKS_APART = (0.6, 5.0)
"""The beta priors of rho: for how tasks differ in all, and for how they differ beyond what they are for everybody."""
MOST_FACTORS = 6
TOTAL_CELLS = 2_000_000
"""So many values of a likelihood are worked out at most; grids get coarser beyond."""


class DrawnRates(Struct, frozen=True, kw_only=True):
    """Draws (rows) by agent: `next`, the mean on tasks like these; and what draws of cells are made from.

    `level` is the logit of an agent's mean before a task's `difficulty` (agents × tasks, logits), `k` how closely its
    means on tasks keep to that, `weight` how many passes and fails a trial counts for.
    """

    next: Array
    level: Array
    k: Array
    weight: Array
    difficulty: Array
    cells: Cells

    def draw_cells(self, generator: np.random.Generator, tasks: slice) -> Drawn:
        """Agents × these tasks × draws: each agent's mean score on each."""
        half = np.float32
        level, weight, k = (x.T.astype(half)[:, None] for x in (self.level, self.weight, self.k))
        count, mean, difficulty = (
            x[:, tasks, None].astype(half) for x in (self.cells.count, self.cells.mean, self.difficulty)
        )
        expected = logistic(level + difficulty)
        n = count * weight
        passed = n * mean
        expected *= k
        passed += expected
        n += k
        n -= passed
        found: Drawn = generator.beta(np.maximum(passed, 1e-3), np.maximum(n, 1e-3)).astype(half)
        return found


def draw_rates(cells: Cells, spread: Array, order: Array, generator: np.random.Generator) -> DrawnRates:
    """Draws of all that is unknown of a score.

    Args:
        cells: scores by agent and task.
        spread: by agent, the mean of y (1 - y) over its trials.
        order: draws × agents, standard normal: in which order the draws of `next` come, so that agents that do well on
            the same tasks move together (Iman & Conover, Communications in Statistics B 11 (1982), 311).
        generator: of chance; the same one gives the same draws.
    """
    # Repeats of the same tasks tell what trials vary by, and little about other tasks.
    by_tasks = np.maximum((cells.count > 0.0).sum(axis=1) - 1.0, 0.0)
    phi = _phi(cells, spread, by_tasks)
    count = order.shape[0]
    total = _posterior(cells, np.zeros_like(cells.mean), phi, TASKS_APART)
    share = total.shares[_places(total, count, generator)]
    moved = moves(cells)
    places = np.argsort(np.argsort(order, axis=0), axis=0)
    means = _means(cells, phi, share, moved, generator)
    following = towards_group(np.take_along_axis(np.sort(means, axis=0), places, axis=0), generator)
    difficulty = _logits(cells, moved)
    phi = _phi(cells, spread, np.maximum(cells.count.sum(axis=1) - 1.0, by_tasks))
    own = _posterior(cells, difficulty, phi, FEW_TASKS_APART)
    chosen = _places(own, count, generator)
    share = own.shares[chosen]
    level = _levels(own, chosen, _together(share, cells, order, generator))
    between = np.clip(share * phi, 1e-4, 1.0 - 1e-4)
    return DrawnRates(
        next=following,
        level=level,
        k=(1.0 - between) / between,
        weight=(1.0 - between) / np.maximum(phi * (1.0 - share), 1e-4),
        difficulty=difficulty,
        cells=cells,
    )


def logistic(x: Drawn) -> Drawn:
    """1 / (1 + exp(-x))."""
    found: Drawn = 1.0 / (1.0 + np.exp(-np.clip(x, -40.0, 40.0)))
    return found


def _phi(cells: Cells, spread: Array, freedom: Array) -> Array:
    """By agent, the variance of its trials over the largest that its mean allows; 1 where all is 0 or 1.

    `freedom`: the degrees of freedom that an agent's own variance has.
    """
    n = cells.count.sum(axis=1)
    m = (cells.count * cells.mean).sum(axis=1) / np.maximum(n, 1.0)
    largest = m * (1.0 - m)
    varies = np.maximum(largest - spread, 0.0) * n / np.maximum(n - 1.0, 1.0)
    own = np.clip(varies / np.maximum(largest, 1e-12), LEAST_PHI, 1.0)
    own = np.where(spread <= 1e-12, 1.0, own)
    known = freedom.sum() + USUAL_FREEDOM
    usual = 1.0 if (spread <= 1e-12).all() else USUAL_PHI
    pooled = np.exp(((freedom * np.log(own)).sum() + USUAL_FREEDOM * np.log(usual)) / known)
    mixed = (freedom * own + PRIOR_FREEDOM * pooled) / (freedom + PRIOR_FREEDOM)
    freedom = freedom + PRIOR_FREEDOM
    wider = np.where(mixed >= 1.0 - 1e-9, 1.0, freedom / (freedom - 2.0))
    found: Array = np.clip(mixed * wider, LEAST_PHI, 1.0)
    return found


def _together(share: Array, cells: Cells, order: Array, generator: np.random.Generator) -> Array:
    """Draws × agents, uniform: where in its distribution each level is, to go with the mean on tasks like these.

    Both are off by the same noise, the means by the choice of tasks too: they correlate as much as noise makes of all.
    """
    repeats = cells.count.sum(axis=1) / np.maximum((cells.count > 0.0).sum(axis=1), 1)
    noise = (1.0 - share.mean(axis=0)) / np.maximum(repeats, 1.0)
    part = noise / (noise + share.mean(axis=0))
    mixed = np.sqrt(part) * order + np.sqrt(1.0 - part) * generator.standard_normal(order.shape)
    places = np.argsort(np.argsort(mixed, axis=0), axis=0)
    return np.asarray((places + generator.random(order.shape)) / len(order))


def _means(cells: Cells, phi: Array, share: Array, moved: Array, generator: np.random.Generator) -> Array:
    """Draws × agents of the mean on tasks like these, given rho.

    As many passes and fails as the tasks are worth, with what they make of the trials' variance: a task of n trials is
    worth 1 / (phi (rho + (1 - rho) / n)). Unlike the mean of the beta-binomial's own posterior, it stays true where the
    tasks' means are not beta-distributed at all. Where an agent lacks tasks, its mean is moved by what they are for
    others.
    """
    total, summed = np.zeros_like(share), np.zeros_like(share)
    for repeats in np.unique(cells.count[cells.count > 0.0]):
        mine = cells.count == repeats
        worth = 1.0 / (phi * (share + (1.0 - share) / repeats))
        total += worth * mine.sum(axis=1)
        summed += worth * np.where(mine, cells.mean - moved, 0.0).sum(axis=1)
    seen = summed / np.maximum(total, 1e-9) + moved.mean(axis=1)
    mean = np.clip(seen, 0.0, 1.0)
    prior = MOST_PRIOR * total / (total + 1.2)
    found: Array = generator.beta(prior + total * mean, prior + total * (1.0 - mean))
    return found


def moves(cells: Cells) -> Array:
    """Agents × tasks: by how much a task moves an agent's score, as the *other* agents' scores say.

    Deviations from each agent's mean, averaged over the others and shrunk by how reliable that average is. An agent's
    own score is left out, so that nothing is counted twice.
    """
    known = cells.count > 0.0
    agents, tasks = known.shape
    if agents < 2 or tasks < 2:
        return np.zeros((agents, tasks))
    n = np.maximum(known.sum(axis=1), 1)[:, None]
    m = (cells.mean * known).sum(axis=1, keepdims=True) / n
    off = np.where(known, cells.mean - m, 0.0)
    summed, squares = off.sum(axis=0), (off**2).sum(axis=0)
    pairs = known.sum(axis=0) * (known.sum(axis=0) - 1.0)
    shared = max(float((summed**2 - squares).sum() / max(pairs.sum(), 1.0)) * tasks / (tasks - 1.0), 0.0)
    own = max(float(squares.sum() / max(known.sum(), 1)) * tasks / (tasks - 1.0) - shared, 1e-6)
    others = known.sum(axis=0)[None, :] - known
    average = (summed[None, :] - off) / np.maximum(others, 1)
    shrunk = average * shared / (shared + own / np.maximum(others, 1))
    found: Array = np.where(others > 0, shrunk, 0.0)
    return found


def _logits(cells: Cells, moved: Array) -> Array:
    """The moves as logits, by the slope that agents have on average."""
    known = cells.count > 0.0
    m = (cells.mean * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    found: Array = moved / np.maximum(float(np.mean(m * (1.0 - m))), 0.05)
    return found


class _Grid(Struct, frozen=True, kw_only=True):
    """A posterior on a grid: agents × levels × shares of rho; `levels` are by agent."""

    levels: Array
    shares: Array
    mass: Array


def _posterior(cells: Cells, difficulty: Array, phi: Array, prior: tuple[float, float]) -> _Grid:
    """By agent, the posterior of its level and of rho: a grid first over all levels, then over those that count."""
    shares, log_prior = _shares(prior)
    cells, difficulty, times = _alike(cells, difficulty)
    agents = times.shape[0]
    fine = int(np.clip(TOTAL_CELLS / (times.size * len(shares)), 13, 41))
    coarse = np.linspace(-9.0, 9.0, 31)[None, :].repeat(agents, axis=0)
    some = slice(None, None, len(shares) // 2)
    mass = _mass(cells, times, difficulty, phi, coarse, shares[some]) + log_prior[some]
    levels = _zoomed(coarse, mass, fine)
    mass = _mass(cells, times, difficulty, phi, levels, shares) + log_prior
    own = np.exp(mass - mass.max(axis=(1, 2), keepdims=True))
    if agents > 1:
        by_share = np.log(own.sum(axis=1) + 1e-300) - log_prior
        by_share -= by_share.max(axis=1, keepdims=True)
        lent = LENT / (agents - 1.0) * (by_share.sum(axis=0, keepdims=True) - by_share)
        own = own * np.exp(lent - lent.max(axis=1, keepdims=True))[:, None, :]
    return _Grid(levels=levels, shares=shares, mass=own / own.sum(axis=(1, 2), keepdims=True))


def _shares(prior: tuple[float, float]) -> tuple[Array, Array]:
    edges = np.asarray([0.0, 0.02, 0.05, 0.1, 0.17, 0.26, 0.37, 0.5, 0.63, 0.76, 0.88, 1.0])
    shares = (edges[1:] + edges[:-1]) / 2.0
    log_prior = np.log(np.diff(edges)) + (prior[0] - 1.0) * np.log(shares) + (prior[1] - 1.0) * np.log1p(-shares)
    return shares, log_prior


def _zoomed(levels: Array, log_mass: Array, count: int) -> Array:
    """By agent, a grid of levels over those that hold nearly all of the posterior."""
    by_level = np.logaddexp.reduce(log_mass, axis=2)
    near = by_level > by_level.max(axis=1, keepdims=True) - 12.0
    step = levels[0, 1] - levels[0, 0]
    low = np.where(near, levels, np.inf).min(axis=1) - step
    high = np.where(near, levels, -np.inf).max(axis=1) + step
    found: Array = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, count)[None, :]
    return found


def _mass(cells: Cells, times: Array, difficulty: Array, phi: Array, levels: Array, shares: Array) -> Array:
    """The logarithm of likelihood × prior of the level, agents × levels × shares."""
    between = np.clip(phi[:, None] * shares[None, :], 1e-4, 1.0 - 1e-4)
    weight = ((1.0 - between) / np.maximum(phi[:, None] * (1.0 - shares[None, :]), 1e-4))[:, None, :, None]
    k = ((1.0 - between) / between)[:, None, :, None]
    expected = logistic(levels[:, :, None, None] + difficulty[:, None, None, :])
    n = cells.count[:, None, None, :] * weight
    passed = n * cells.mean[:, None, None, :]
    up, down = k * expected, k * (1.0 - expected)
    found = rising(up, passed) + rising(down, n - passed) - rising(k, n)
    # Of scores that are counted as fractions of passes, how they are counted depends on rho: it is a density in them.
    if (phi < 1.0).any():
        found += np.where(n > 0.0, _lgamma(n + 1.0) + np.log(np.maximum(n, 1e-300)), 0.0)
        found -= _lgamma(passed + 1.0) + _lgamma(n - passed + 1.0)
    summed = np.einsum("akrt,at->akr", np.broadcast_to(found, (*found.shape[:3], times.shape[1])), times)
    m = logistic(levels)
    before = PRIOR * (np.log(m) + np.log1p(-m))
    result: Array = summed + before[:, :, None]
    return result


def _places(grid: _Grid, count: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Draws × agents: which of the shares each has.

    One chance decides for all agents: how far tasks lie apart beyond what is seen is much the same for all of them, so
    where it is little for one, it is little for the agents that set its scales.
    """
    below = grid.mass.sum(axis=1).cumsum(axis=1)
    uniform = generator.random(count)
    found = [np.searchsorted(own[:-1], uniform * own[-1]) for own in below]
    return np.stack(found, axis=1)


def _levels(grid: _Grid, chosen: NDArray[np.intp], uniform: Array) -> Array:
    """Draws × agents of the level, each from the distribution that the chosen share gives it."""
    density = grid.mass + 1e-15
    steps = (density[:, 1:] + density[:, :-1]) / 2.0
    below = np.zeros_like(density)
    np.cumsum(steps, axis=1, out=below[:, 1:])
    below /= below[:, -1:]
    # All shares' distributions one after the other, so that one look finds the place in any of them.
    ladder = below + np.arange(len(grid.shares))
    found = [
        np.interp(chosen[:, a] + uniform[:, a], ladder[a].T.ravel(), np.tile(grid.levels[a], len(grid.shares)))
        for a in range(len(ladder))
    ]
    return np.stack(found, axis=1)


def _alike(cells: Cells, difficulty: Array) -> tuple[Cells, Array, Array]:
    """Cells with the same trials, score and difficulty as one column: its cells, its difficulty, and who has how many.

    Only where that makes fewer columns than there are tasks. Scores are told apart to 0.001, difficulties to 0.05.
    """
    agents, tasks = cells.count.shape
    rows = np.stack([cells.count, np.round(cells.mean, 3), np.round(difficulty / 0.05) * 0.05], axis=-1)
    flat, inverse = np.unique(rows.reshape(-1, 3), axis=0, return_inverse=True)
    if len(flat) >= tasks:
        return cells, difficulty, (cells.count > 0.0).astype(float)
    place = inverse.reshape(agents, tasks)
    times = np.stack([np.bincount(place[a], minlength=len(flat)) for a in range(agents)]).astype(float)
    times[:, flat[:, 0] == 0.0] = 0.0
    column = Cells(count=flat[None, :, 0], mean=flat[None, :, 1], within=np.zeros((1, len(flat))))
    return column, flat[None, :, 2], times


def rising(x: Array, n: Array) -> Array:
    """The logarithm of Γ(x + n) / Γ(x): of whole n, as trials that pass or fail have, a product."""
    most = float(n.max(initial=0.0))
    if most <= MOST_FACTORS and (n == np.rint(n)).all():
        product = np.ones(np.broadcast_shapes(x.shape, n.shape))
        for step in range(int(most)):
            product *= np.where(n > step, x + step, 1.0)
        return np.log(product)
    found: Array = _lgamma(x + n) - _lgamma(x)
    return found


def _lgamma(x: Array) -> Array:
    """By Stirling's series from four steps further up."""
    shifted = x + 4.0
    series = (shifted - 0.5) * np.log(shifted) - shifted + 1.0 / (12.0 * shifted) - 1.0 / (360.0 * shifted**3)
    found: Array = series - np.log(np.maximum(x, 1e-300) * (x + 1.0) * (x + 2.0) * (x + 3.0))
    return found
