"""Chance that all measures share: which tasks there might have been, and how wide that makes the mean over tasks.

A mean over T tasks that deviate from it by d_t is drawn as mean + (sum of g_t d_t + what is known beforehand) /
sqrt(T chi), with g_t standard normal and chi from the chi-squared distribution. That is the multivariate t posterior of
a normal sample's means (Geisser & Cornfield, Journal of the Royal Statistical Society B 25 (1963), 368), written as a
multiplier bootstrap (Praestgaard & Wellner, Annals of Probability 21 (1993), 2053). The same g_t for all agents and all
measures keep what goes together together, without an estimate of any covariance.

Departure: what tasks are for all agents, and what they are for each beyond that, have a prior each, of FREEDOM degrees
of freedom. That of an agent is what the *other* agents show, for with few tasks they lend each other what they know of
how far tasks lie apart; that of the common part is fixed, for all agents saw the same tasks. With many tasks neither
counts.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]

FREEDOM = 2.0


class Chance(Struct, frozen=True, kw_only=True):
    """Standard normal draws by task, by agent and alone, draws of tasks' weights, and a generator for the rest."""

    tasks: Array
    agents: Array
    common: Array
    weights: Array
    generator: np.random.Generator

    def scale(self, tasks: Array, part: int) -> Array:
        """Draws × agents: 1 / sqrt(T chi) of agents measured on so many tasks; the same for the same T and `part`."""
        found = np.empty((len(self.common), len(tasks)))
        for many in np.unique(tasks):
            counted = max(float(many), 1.0)
            seeded = np.random.default_rng([int(many), part])
            chi = 2.0 * seeded.standard_gamma((counted - 1.0 + FREEDOM) / 2.0, size=len(self.common))
            found[:, tasks == many] = (1.0 / np.sqrt(counted * chi))[:, None]
        return found

    def beside(self, common: Array | float, own: Array | float) -> Array:
        """What is known beforehand, draws × agents: standard deviations of what tasks are for all, and for each."""
        found: Array = np.sqrt(FREEDOM) * (common * self.common[:, None] + own * self.agents)
        return found


def chance_of(agents: int, tasks: int, draws: int, seed: int) -> Chance:
    """The random numbers that a posterior of so many agents and tasks is drawn with; the same seed gives the same."""
    generator = np.random.default_rng(seed)
    return Chance(
        tasks=generator.standard_normal((draws, tasks)),
        agents=generator.standard_normal((draws, agents)),
        common=generator.standard_normal(draws),
        weights=generator.standard_exponential((draws, tasks)),
        generator=generator,
    )


def order_of(values: Array, known: NDArray[np.bool_], chance: Chance) -> Array:
    """Draws × agents, standard normal, which go together as the agents' values on the same tasks do.

    How closely they do is uncertain: each draw weighs the tasks anew (Rubin, Annals of Statistics 9 (1981), 130).
    """
    n = np.maximum(known.sum(axis=1), 1)[:, None]
    centre = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / n
    off = np.where(known, values - centre, 0.0)
    common, own = shared_variance(off, known)
    tasks = off.shape[1]
    # With few tasks what looks common may be chance.
    common, own = common * (tasks - 1.0) / (tasks + 2.0), own + common * 3.0 / (tasks + 2.0)
    weighted = np.sqrt(chance.weights)
    drawn = (weighted * chance.tasks) @ off.T + chance.beside(np.sqrt(common), np.sqrt(own))
    size = chance.weights @ (off**2).T + FREEDOM * (common + own)
    found: Array = drawn / np.sqrt(size)
    return found


def shared_variance(off: Array, known: NDArray[np.bool_]) -> tuple[float, float]:
    """Of deviations from agents' means: the variance of what tasks are for all agents, and of what they are beyond."""
    tasks = max(off.shape[1], 2)
    summed, squares = off.sum(axis=0), (off**2).sum(axis=0)
    many = known.sum(axis=0)
    grown = tasks / (tasks - 1.0)
    total = grown * float(squares.sum()) / max(float(many.sum()), 1.0)
    pairs = float((many * (many - 1.0)).sum())
    common = grown * float((summed**2 - squares).sum()) / pairs if pairs > 0.0 else 0.0
    common = min(max(common, 0.0), total)
    return common, max(total - common, 1e-4)
