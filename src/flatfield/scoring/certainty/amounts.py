"""The posterior of log-seconds and log-dollars: agent + task + agent × task + noise, with partial pooling.

Source: the two-way layout with random tasks and interaction: Searle, Casella & McCulloch, Variance Components (1992),
chapters 4 and 9; draws of variances: scaled inverse chi-squared, Gelman et al., Bayesian Data Analysis (2013), sections
3.2 and 5.4.

Departures: the additive part is estimated by moments and its error drawn; each agent has a variance of its own, which
all agents' pooled one counts in with a few degrees of freedom. Without repeats nobody knows how much of what is left is
noise: a share of it is drawn. What is drawn is the mean logarithm, so the typical amount (the geometric mean); `swell`
turns it into an expected one, by the same factor for all agents.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatfield.scoring.certainty.chance import FREEDOM, Chance
from flatfield.scoring.certainty.table import Cells  # noqa: TC001 - msgspec

Array = NDArray[np.float64]
Drawn = NDArray[np.floating]

POOLED = 2.0
"""Degrees of freedom that USUAL has in variances pooled over agents."""
USUAL = 0.25
"""What log-amounts vary by, beyond agent and task, where nothing is known: a factor of 1.6."""
USUAL_TASKS = 0.5
"""What they vary by from task to task, for all agents: a factor of 2."""
LEAST_SEEN = 0.02
USUAL_AGENTS = 1.5
"""Standard deviation of agents' mean logarithms where fewer than two are known."""
NOISE = (3.0, 1.0)
"""The beta distribution of noise's share in what agent and task leave unexplained, where nothing was repeated."""
MOST_SWELL = 1.5
MOST_WIDE = 16.0
"""Drawn variances are at most so many times the estimate: an amount's expected value needs a bound."""
MOST_AHEAD = 2.5
"""And expected amounts at most this far, as a logarithm, beyond the most that was seen."""


class Amounts(Struct, frozen=True, kw_only=True):
    """Draws (rows) by agent of `next`, the mean logarithm on tasks like these; and what cells are drawn from.

    `additive`: agents × tasks; `error`: by draw and agent; `task_error`: by draw and task; `between` and `noise`:
    variances by draw and agent; `swell`: by draw, the logarithm of mean over typical amount.
    """

    next: Array
    additive: Array
    error: Array
    task_error: Array
    between: Array
    noise: Array
    swell: Array
    cells: Cells

    def draw_cells(self, generator: np.random.Generator, tasks: slice) -> Drawn:
        """Agents × these tasks × draws: each agent's mean logarithm on each."""
        half = np.float32
        between, noise = self.between.T.astype(half)[:, None], self.noise.T.astype(half)[:, None]
        count = self.cells.count[:, tasks, None].astype(half)
        if (count == count[:, :1]).all():  # as it mostly is; then what follows is the same for all tasks
            count = count[:, :1]
        trust = between * count
        trust /= trust + noise
        drawn = self.additive[:, tasks, None].astype(half) + self.error.T.astype(half)[:, None]
        drawn += self.task_error.T[tasks].astype(half)
        drawn += trust * (self.cells.mean[:, tasks, None].astype(half) - drawn)
        np.subtract(1.0, trust, out=trust)
        trust *= between
        np.sqrt(trust, out=trust)
        chance = generator.standard_normal(drawn.shape, dtype=half)
        chance *= trust
        drawn += chance
        return drawn

    def expected(self, logarithms: Drawn) -> Drawn:
        """The expected amounts of cells with these mean logarithms."""
        most = float(self.cells.mean[self.cells.count > 0.0].max()) + MOST_AHEAD
        found = logarithms + self.swell.astype(np.float32)
        np.minimum(found, np.float32(most), out=found)
        return np.exp(found, out=found)


class _Fit(Struct, frozen=True, kw_only=True):
    """The additive part: `level` by agent, `shift` by task (mean 0, 0 where one agent is `alone`), and what is `left`.

    `usual`: the prior's variance of shifts, halfway (in logarithms) from what is usual to what is seen; `pooled`: the
    variance of what is left; `others`: by agent, as the others alone show it.
    `uncertain`: the variance of each task's shift around its estimate. `grown`: how much more than what is left varies
    what the shifts were not fitted to.
    """

    level: Array
    shift: Array
    left: Array
    pooled: float
    others: Array
    usual: float
    uncertain: Array
    grown: float
    alone: bool


def draw_amounts(cells: Cells, chance: Chance) -> Amounts | None:
    """None where no agent has a known amount. One without any is drawn from among the others: nobody is left out."""
    known = cells.count > 0.0
    measured = known.any(axis=1)
    if not measured.any():
        return None
    fit = _fit(cells, known)
    many = known.sum(axis=1).astype(float)
    noise, between, around = _variances(cells, fit, many, chance)
    error = np.sqrt(around / np.maximum(many, 1.0)) * chance.generator.standard_normal(around.shape)
    off_tasks = chance.tasks - chance.tasks.mean(axis=1, keepdims=True)
    task_error = np.sqrt(fit.uncertain)[None, :] * _turned(off_tasks, chance)
    own = chance.tasks @ fit.left.T + chance.beside(0.0, np.sqrt(fit.others))
    following = fit.level + chance.scale(many, 0) * own
    if not fit.alone:
        shared = (chance.tasks @ fit.shift)[:, None] + chance.beside(np.sqrt(fit.usual), 0.0)
        following = following + chance.scale(np.full(len(many), float(known.shape[1])), 1) * shared
    missing = ~measured
    if missing.any():
        some = fit.level[measured]
        apart = float(some.std(ddof=1)) * np.sqrt(1.0 + 1.0 / len(some)) if len(some) > 1 else USUAL_AGENTS
        unknown = max(apart, 0.3) * chance.generator.standard_normal(around.shape)
        error = np.where(missing, unknown, error)
        following = np.where(missing, following + unknown, following)
    return Amounts(
        next=following,
        additive=fit.level[:, None] + fit.shift[None, :],
        error=error,
        task_error=task_error,
        between=between,
        noise=noise,
        swell=np.minimum(noise.mean(axis=1) / 2.0, MOST_SWELL),
        cells=cells,
    )


def _turned(values: Array, chance: Chance) -> Array:
    """Other standard normal draws by task, centred: those of `chance` stand for other tasks, not for errors."""
    drawn = chance.generator.standard_normal(values.shape)
    found: Array = drawn - drawn.mean(axis=1, keepdims=True)
    return found


def _fit(cells: Cells, known: NDArray[np.bool_]) -> _Fit:
    """Levels and shifts by alternating means, the shifts then shrunk by what agents' disagreement leaves of them."""
    n_agent, n_task = np.maximum(known.sum(axis=1), 1), np.maximum(known.sum(axis=0), 1)
    measured = known.any(axis=1)
    values = np.where(known, cells.mean, 0.0)
    level, shift = values.sum(axis=1) / n_agent, np.zeros(known.shape[1])
    alone = int(measured.sum()) < 2
    for _ in range(0 if alone else 30):
        shift = np.where(known, values - level[:, None], 0.0).sum(axis=0) / n_task
        shift -= shift.mean()
        before, level = level, np.where(known, values - shift[None, :], 0.0).sum(axis=1) / n_agent
        if np.abs(level - before).max() < 1e-12:  # at once where no cell is missing
            break
    left = np.where(known, values - level[:, None] - shift[None, :], 0.0)
    used = float(measured.sum()) + (0.0 if alone else float((known.sum(axis=0) > 0).sum()) - 1.0)
    freedom = max(float(known.sum()) - used, 0.0)
    squares = (left**2).sum(axis=1)
    usual = USUAL + USUAL_TASKS if alone else USUAL
    pooled = (float(squares.sum()) + POOLED * usual) / (freedom + POOLED)
    lent = freedom * (1.0 - known.sum(axis=1) / known.sum())
    others = (squares.sum() - squares + POOLED * usual) / (lent + POOLED)
    uncertain, grown, seen = np.zeros(len(shift)), 1.0, 0.0
    if not alone:
        seen = float(np.var(shift, ddof=1)) if len(shift) > 1 else USUAL_TASKS
        tasks = max(seen - float(np.mean(pooled / n_task)), 0.0)
        kept = tasks / (tasks + pooled / n_task)
        shift, uncertain = kept * shift, tasks * (1.0 - kept)
        grown = 1.0 / (1.0 - min(float(np.mean(kept / n_task)), 0.5))
        level = np.where(known, values - shift[None, :], 0.0).sum(axis=1) / n_agent
        left = np.where(known, values - level[:, None] - shift[None, :], 0.0)
    level = np.where(measured, level, level[measured].mean())
    return _Fit(
        level=level,
        shift=shift,
        left=left,
        pooled=pooled,
        others=others,
        usual=float(np.sqrt(USUAL_TASKS * max(seen, LEAST_SEEN))),
        uncertain=uncertain,
        grown=grown,
        alone=alone,
    )


def _variances(cells: Cells, fit: _Fit, many: Array, chance: Chance) -> tuple[Array, Array, Array]:
    """Draws × agents: the variances of a trial, of agent × task, and of an observed cell around the additive part."""
    draws, generator = len(chance.common), chance.generator
    freedom = np.maximum(many - 1.0, 0.0) + FREEDOM
    squares = (fit.left**2).sum(axis=1) * fit.grown + FREEDOM * fit.others
    around = squares / (2.0 * generator.standard_gamma(freedom / 2.0, size=(draws, len(many))))
    around = np.minimum(around, MOST_WIDE * squares / freedom)
    repeats = np.maximum(cells.count - 1.0, 0.0).sum(axis=1)
    within = cells.within.sum(axis=1)
    share = generator.beta(*NOISE, size=(draws, 1))
    pooled = (within.sum() + POOLED * share * fit.pooled) / (repeats.sum() + POOLED)
    chi = 2.0 * generator.standard_gamma((repeats + POOLED) / 2.0, size=(draws, len(many)))
    drawn = (within + POOLED * pooled) / np.maximum(chi, 1e-6)
    inverse = np.where(cells.count > 0.0, 1.0 / np.maximum(cells.count, 1.0), 0.0).sum(axis=1) / np.maximum(many, 1.0)
    inverse = np.where(many > 0.0, inverse, 1.0)
    # Where hardly anything was repeated, noise is a share of what is seen around the additive part.
    known = repeats / (repeats + POOLED)
    noise = known * drawn + (1.0 - known) * around / inverse * share
    noise = np.minimum(noise, MOST_WIDE * (within.sum() + POOLED * fit.pooled) / (repeats.sum() + POOLED))
    between = np.maximum(around - noise * inverse, 0.02 * around)
    return noise, between, around
