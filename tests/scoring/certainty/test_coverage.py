"""A small simulation with fixed seeds: intervals hold the truth, and P(best) is what it says (bench/certainty.py)."""

from __future__ import annotations

import numpy as np
import pytest

from bench.certainty import permutation
from bench.simulated import Setting, World, simulate, table_of, trials
from flatfield.scoring.certainty.posterior import posterior_of

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    "family", ["probit", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lost", "flat", "even", "graded"))]
)
def test_intervals_hold_the_truth(family: str) -> None:
    tallies = [
        simulate(Setting(family=family, agents=3, tasks=tasks, repeats=repeats), 30, number)
        for number, (tasks, repeats) in enumerate(((3, 2), (8, 1), (15, 4)))
    ]
    held = {question: [one for tally in tallies for one in tally.held[question]] for question in tallies[0].held}
    for question, found in held.items():
        assert np.mean(found) > 0.86, question
    said = np.asarray([one for tally in tallies for one in tally.said], dtype=float)
    for low, high in ((0.1, 0.5), (0.5, 0.9)):
        some = said[(said[:, 0] > low) & (said[:, 0] < high)]
        assert some[:, 1].mean() == pytest.approx(some[:, 0].mean(), abs=0.15)


def test_who_differs_is_told_apart_as_often_as_by_a_permutation_test() -> None:
    setting = Setting(family="even", agents=2, tasks=5, repeats=5)
    ours = theirs = 0
    for turn in range(60):
        r = np.random.default_rng([3, turn])
        drawn = trials(setting, World(setting, r, np.asarray([0.8, 0.5])).tasks(5), r)
        table = table_of(drawn, 2, 5)
        means = posterior_of(table, draws=1000, seed=turn).these.performance
        low, high = np.percentile(means[:, 0] - means[:, 1], [2.5, 97.5])
        ours += bool(low > 0.0 or high < 0.0)
        theirs += permutation(table, r, 499) <= 0.05
    assert ours >= 0.9 * theirs
    assert ours > 20
