"""The ends that are taken while draws go by are those of the draws."""

from __future__ import annotations

import numpy as np

from flatfield.scoring.certainty.ends import EndsWatch


def test_ends_are_the_draws_and_targets_have_their_own() -> None:
    r = np.random.default_rng(1)
    score, seconds = r.uniform(0.2, 1.0, (2000, 2, 4)), r.normal(3.0, 0.4, (2000, 2, 4))
    free = np.asarray([False, True])
    watch = EndsWatch(2, ("a", "b", "c", "d"), free, {("b", "speed"): 20.0, ("d", "speed"): 20.0, ("d", "cost"): 0.1})
    for part in (slice(0, 3), slice(3, 4)):
        drawn = {"score": score, "speed": score / 2.0, "seconds": seconds, "usd": seconds}
        watch(part, {name: values[:, :, part] for name, values in drawn.items()})
    found = watch.found()
    low, high = np.percentile(score, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(found.cells["performance", False], np.stack([low, high], axis=2), atol=0.01)
    np.testing.assert_allclose(found.cells["speed", False][:, :, 1], high / 2.0, atol=0.01)
    assert ("cost", False) not in found.cells
    aimed = found.cells["speed", True]
    assert np.isnan(aimed[:, [0, 2]]).all()
    assert (aimed[:, [1, 3], 0] < aimed[:, [1, 3], 1]).all()
    assert (found.cells["cost", True][1, 3] == 1.0).all()
    assert found.aimed["speed"].shape == (2000, 2)
