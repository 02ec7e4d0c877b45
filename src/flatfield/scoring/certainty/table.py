"""Measured trials as arrays: what each agent's trials of each task come to, and what is missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from flatfield.scoring.measures.scales import LEAST_USD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flatfield.scoring.certainty.values import Observation


Array = NDArray[np.float64]
LEAST_SECONDS = 1e-3
"""Shorter trials count as this long, so that every duration has a logarithm."""


class Cells(Struct, frozen=True, kw_only=True):
    """One measure of each agent's trials (rows) of each task (columns).

    `count`: trials; `mean`: their mean, 0 where there is none; `within`: the sum of squares around it.
    """

    count: Array
    mean: Array
    within: Array


class SumTable(Struct, frozen=True, kw_only=True):
    """All measures of a set of trials. Logarithms are natural; dollars below a tenth of LEAST_USD count as that much.

    `solved` is 1 for a trial that passed every check, else 0. `spread`: by agent the mean of y (1 - y) over its trials,
    which is 0 where every score is 0 or 1. `free`: by agent whether all its known prices are $0; `prepaid`: whether a
    flat rate pays for all its trials. `idle`: cells without any score of an agent that is free, or scored nowhere:
    what it takes there is for nothing as long as it does no work.
    """

    agents: tuple[str, ...]
    tasks: tuple[str, ...]
    score: Cells
    solved: Cells
    log_seconds: Cells
    log_wait: Cells
    log_usd: Cells
    spread: Array
    free: NDArray[np.bool_]
    prepaid: NDArray[np.bool_]
    idle: NDArray[np.bool_]


def table_of(observations: Iterable[Observation], agents: Sequence[str], tasks: Sequence[str]) -> SumTable:
    """The table of these agents; tasks that nobody was measured on are left out, for they tell nothing."""
    rows = {name: i for i, name in enumerate(agents)}
    found = [one for one in observations if one.agent in rows]
    measured = {one.task for one in found}
    kept = tuple(task for task in tasks if task in measured)
    columns = {name: i for i, name in enumerate(kept)}
    a = np.asarray([rows[one.agent] for one in found], dtype=np.intp)
    t = np.asarray([columns[one.task] for one in found], dtype=np.intp)
    values = np.asarray(
        [
            (
                one.score,
                float(one.solved),
                _known(one.seconds),
                _known(one.seconds if one.wait_seconds is None else one.wait_seconds),
                _known(one.usd),
            )
            for one in found
        ],
        dtype=float,
    ).reshape(len(found), 5)
    billed = {one.agent for one in found if not one.prepaid}
    return replace(
        tabulate(a, t, values, tuple(agents), kept), prepaid=np.asarray([name not in billed for name in agents])
    )


def _known(amount: float | None) -> float:
    return math.nan if amount is None else amount


def tabulate(
    a: NDArray[np.intp], t: NDArray[np.intp], values: Array, agents: tuple[str, ...], tasks: tuple[str, ...]
) -> SumTable:
    """The table of trials: agents' and tasks' places; score, solved, seconds, wait and dollars (NaN: not known)."""
    shape = (len(agents), len(tasks))
    score, solved, seconds, wait, usd = values.T
    count = np.bincount(a, minlength=shape[0])
    spread = np.bincount(a, weights=score * (1.0 - score), minlength=shape[0]) / np.maximum(count, 1)
    priced = ~np.isnan(usd)
    dear = np.bincount(a[priced], weights=usd[priced], minlength=shape[0]) > 0.0
    free = (np.bincount(a[priced], minlength=shape[0]) > 0) & ~dear
    scores = _cells(a, t, score, shape)
    nothing = scores.mean <= 0.0
    return SumTable(
        agents=agents,
        tasks=tasks,
        score=scores,
        solved=_cells(a, t, solved, shape),
        log_seconds=_cells(a, t, np.log(np.maximum(seconds, LEAST_SECONDS)), shape),
        log_wait=_cells(a, t, np.log(np.maximum(wait, LEAST_SECONDS)), shape),
        log_usd=_cells(a, t, np.log(np.maximum(usd, LEAST_USD / 10.0)), shape),
        spread=spread,
        free=free,
        prepaid=np.zeros(shape[0], dtype=bool),
        idle=nothing & (free | nothing.all(axis=1))[:, None],
    )


def _cells(a: NDArray[np.intp], t: NDArray[np.intp], values: Array, shape: tuple[int, int]) -> Cells:
    known = ~np.isnan(values)
    place, values = (a * shape[1] + t)[known], values[known]
    size = shape[0] * shape[1]
    count = np.bincount(place, minlength=size).astype(float)
    mean = np.bincount(place, weights=values, minlength=size) / np.maximum(count, 1.0)
    within = np.bincount(place, weights=(values - mean[place]) ** 2, minlength=size)
    return Cells(count=count.reshape(shape), mean=mean.reshape(shape), within=within.astype(float).reshape(shape))
