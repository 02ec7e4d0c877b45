"""The ends that are taken while draws go by are those of the draws."""

from __future__ import annotations

import numpy as np

from flatfield.scoring.certainty.ends import EndsWatch
from flatfield.scoring.certainty.table import tabulate


def test_ends_are_the_draws_and_targets_have_their_own() -> None:
    r = np.random.default_rng(1)
    score, seconds = r.uniform(0.2, 1.0, (2, 4, 2000)), r.normal(3.0, 0.4, (2, 4, 2000))
    # The second agent is free, and scored nothing on `b`.
    a, t = np.repeat([0, 1], 4), np.tile(np.arange(4), 2)
    passed, usd = np.asarray([1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]), np.repeat([0.1, 0.0], 4)
    table = tabulate(a, t, np.stack([passed, passed, usd + 1, usd + 1, usd], axis=1), ("x", "y"), ("a", "b", "c", "d"))
    targets = {("b", "speed"): 20.0, ("b", "cost"): 0.1, ("d", "speed"): 20.0, ("d", "cost"): 0.1}
    watch = EndsWatch(table, targets)
    for part in (slice(0, 3), slice(3, 4)):
        drawn = {"score": score, "speed": score / 2.0, "seconds": seconds, "usd": seconds}
        watch(part, {name: values[:, part] for name, values in drawn.items()})
    found = watch.found()
    low, high = np.percentile(score, [2.5, 97.5], axis=2)
    np.testing.assert_allclose(found.cells["performance", False], np.stack([low, high], axis=2), atol=0.01)
    np.testing.assert_allclose(found.cells["speed", False][:, :, 1], high / 2.0, atol=0.01)
    assert ("cost", False) not in found.cells
    aimed = found.cells["speed", True]
    assert np.isnan(aimed[:, [0, 2]]).all()
    assert (aimed[:, [1, 3], 0] < aimed[:, [1, 3], 1]).all()
    assert (found.cells["cost", True][1, 3] == 1.0).all()
    np.testing.assert_allclose(found.cells["cost", True][1, 1], [low[1, 1], high[1, 1]], atol=0.01)
    assert found.aimed["speed"].shape == (2000, 2)
