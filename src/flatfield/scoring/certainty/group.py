"""What is known of an agent because it is one of a group: its mean on tasks like these is drawn towards the others'.

Of many that are nearly alike the one that did best was lucky, too; each by itself, it would be called the best far too
often. So means come from a group whose spread is drawn: on the scale of the arcsine of the root, where a share's noise
does not depend on the share (Efron & Morris, Journal of the American Statistical Association 70 (1975), 311), an agent
is Student-t around the group (West, Journal of the Royal Statistical Society B 46 (1984), 431), so that one who is
unlike all others stays where it is; the group's spread is half-Cauchy (Gelman, Bayesian Analysis 1 (2006), 515), drawn
by Gibbs sampling, the half-Cauchy as a mixture (Wand et al., Bayesian Analysis 6 (2011), 847), in many short chains.

Departures: what all agents share, such as luck with the tasks, is left as it was drawn. An agent's own noise keeps its
width where a normal theory would narrow it too: how alike agents are is not known so well (Morris, Journal of the
American Statistical Association 78 (1983), 47; Armstrong, Kolesár & Plagborg-Møller, Econometrica 90 (2022), 2567), and
on published agents narrowed intervals held in 91% (bench/certainty.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

USUAL = 0.8
"""The scale of the group's spread: wide, for the agents themselves say it."""
FREEDOM = 3.0
"""Degrees of freedom of an agent's t distribution around its group."""
PRIOR_VARIANCE = 0.15
"""Of what draws had before any trial: shares with as many passes and fails as `rates` begins with."""
CHAINS, STEPS = 200, 12
LEAST = 1e-6


def towards_group(draws: Array, generator: np.random.Generator) -> Array:
    """Draws × agents of means in 0..1, each by itself, as those of a group; one agent alone stays as it is."""
    count, agents = draws.shape
    if agents < 2:
        return draws
    angles = np.arcsin(np.sqrt(np.clip(draws, 0.0, 1.0)))
    centre = angles.mean(axis=0)
    off = angles - centre
    shared = off.mean(axis=1, keepdims=True)
    own = off - shared
    # What each was thought to be before its trials is taken out, for the group says it now.
    trials = np.clip(1.0 - off.var(axis=0) / PRIOR_VARIANCE, 0.5, 1.0)
    seen = np.pi / 4.0 + (centre - np.pi / 4.0) / trials
    noise = (own**2).mean(axis=0) * agents / (agents - 1.0) / trials + LEAST
    kept, group = _drawn(seen, noise, generator)
    chain = np.arange(count) % CHAINS
    kept = kept[chain]
    found = shared + own / np.sqrt(trials) + kept * seen + (1.0 - kept) * group[chain, None]
    result: Array = np.sin(np.clip(found, 0.0, np.pi / 2.0)) ** 2
    return result


def _drawn(seen: Array, noise: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    """By chain: how much of what was seen of each agent counts, the group's mean counting for the rest; and that."""
    agents = len(seen)
    # Chains begin everywhere that the prior goes.
    spread = (USUAL * np.clip(np.abs(generator.standard_cauchy(CHAINS)), 0.05, 20.0)) ** 2
    tail = np.ones((CHAINS, agents))

    def group_of(between: Array) -> tuple[Array, Array]:
        weight = 1.0 / (between + noise)
        total = weight.sum(axis=1)
        return (weight * seen).sum(axis=1) / total, 1.0 / np.sqrt(total)

    for _ in range(STEPS):
        between = spread[:, None] * tail
        mean, error = group_of(between)
        mean = (mean + error * generator.standard_normal(CHAINS))[:, None]
        kept = between / (between + noise)
        apart = kept * (seen - mean) + np.sqrt(kept * noise) * generator.standard_normal((CHAINS, agents))
        squares = apart**2
        tail = (FREEDOM + squares / spread[:, None]) / (
            2.0 * generator.standard_gamma((FREEDOM + 1.0) / 2.0, size=(CHAINS, agents))
        )
        scale = generator.standard_gamma(1.0, size=CHAINS) / (1.0 / USUAL**2 + 1.0 / spread)
        spread = (scale + (squares / tail).sum(axis=1) / 2.0) / generator.standard_gamma(
            (agents + 1.0) / 2.0, size=CHAINS
        )
    between = spread[:, None] * tail
    return between / (between + noise), group_of(between)[0]
