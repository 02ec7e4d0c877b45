"""The bootstrap clustered by task: 95% intervals of an agent's averages from twenty tasks up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from flatfield.records import Interval
from flatfield.scoring.scales import HOLDS, exact
from flatfield.scoring.work import MEASURES, task_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from flatfield.records import Weights
    from flatfield.scoring.performance import Figures
    from flatfield.scoring.work import Scales, Scores

TASKS = 20
RESAMPLES = 2000
REDRAWS = 24
FIGURES = ("performance", "speed", "cost", "overall")


def bootstrap(
    entries: Mapping[str, Mapping[str, Sequence[Figures]]],
    weights: Weights,
    sources: Scales,
) -> dict[tuple[str, str], Interval]:
    """Percentile intervals by (agent, figure), for the ranked agents' trials in `entries[task][agent]`.

    Each resample draws tasks with replacement, then each agent's trials of the task with replacement, and finds the
    anchors anew from what was drawn (except frozen ones); a task's redraws come from a pool of
    24. Redrawn trials reach further than measured ones, and so would the anchors: the percentiles are moved so that
    the resamples' median is the estimate. The seed is fixed: the same records give the same intervals. Empty below
    twenty tasks, and where nobody is ranked.

    Source: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8 (two-stage resampling).
    """
    agents = sorted({agent for task in entries.values() for agent in task})
    if len(entries) < TASKS or not agents:
        return {}
    import numpy as np

    pool = np.asarray([_pool(task, agents, entries[task], sources) for task in sorted(entries)], dtype=float)
    generator = np.random.default_rng(20)
    count = len(entries)
    means = np.empty((RESAMPLES + 1, len(agents), 3))
    means[0] = _known_mean(pool[:, 0])
    for sample in range(1, RESAMPLES + 1):
        tasks, redraws = generator.integers(count, size=count), generator.integers(1, REDRAWS + 1, size=count)
        means[sample] = _known_mean(pool[tasks, redraws])
    figures = np.concatenate([means, _overall(means, weights)[..., None]], axis=2)
    method = f"bootstrap clustered by task, {RESAMPLES} resamples of {count} tasks"
    return {
        (agent, figure): interval
        for a, agent in enumerate(agents)
        for f, figure in enumerate(FIGURES)
        if (interval := _percentiles(figures[1:, a, f], float(figures[0, a, f]), method)) is not None
    }


def _known_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over tasks (tasks × agents × 3 → agents × 3) of what was measured; NaN where nothing was."""
    import numpy as np

    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(known, scores, 0.0).sum(axis=0) / known.sum(axis=0)
    return found


def _pool(
    task: str,
    agents: Sequence[str],
    entries: Mapping[str, Sequence[Figures]],
    sources: Scales,
) -> list[list[Scores]]:
    """1 + REDRAWS × agents × 3 scores of one task: as measured, then each from trials drawn again."""
    generator = random.Random(task)  # noqa: S311 - resampling, not secrets
    single = all(len(figures) <= 1 for figures in entries.values())
    pool = [_row(task, agents, entries, sources)]
    if single:
        return pool * (1 + REDRAWS)
    for _ in range(REDRAWS):
        again = {a: generator.choices(list(figures), k=len(figures)) for a, figures in entries.items() if figures}
        pool.append(_row(task, agents, again, sources))
    return pool


def _row(
    task: str,
    agents: Sequence[str],
    entries: Mapping[str, Sequence[Figures]],
    sources: Scales,
) -> list[Scores]:
    scales = {m: sources.of(task, m, entries) for m in MEASURES}
    scores = task_scores(entries, scales)
    return [scores.get(agent, (None, None, None)) for agent in agents]


def _overall(means: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """The overall scores of many resamples at once (samples × agents × 3 → samples × agents)."""
    import numpy as np

    shares = np.asarray([weights.performance, weights.speed, weights.cost])
    if shares.sum() <= 0.0:
        return np.full(means.shape[:2], np.nan)
    counted = shares > 0.0
    blend = (means[..., counted] * shares[counted]).sum(axis=2) / shares.sum()
    performance = means[..., 0]
    capped: NDArray[np.float64] = np.where(performance < HOLDS, np.minimum(blend, performance), blend)
    return capped


def _percentiles(values: NDArray[np.float64], estimate: float, method: str) -> Interval | None:
    import numpy as np

    known = values[~np.isnan(values)]
    if known.size == 0 or np.isnan(estimate):
        return None
    low, middle, high = np.percentile(known, [2.5, 50.0, 97.5])
    ends = estimate + float(low - middle), estimate + float(high - middle)
    return Interval(low=exact(max(ends[0], 0.0)), high=exact(min(ends[1], 1.0)), method=method)
