"""The ends of every cell's 95% interval, taken while the posterior's draws go by: they are too many to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatfield.scoring.certainty.posterior import POSITIONS, SCORES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.scoring.certainty.table import SumTable

Array = NDArray[np.float64]
Drawn = NDArray[np.floating]
PlacedMeasure = tuple[str, bool]
"""`performance`, `speed` or `cost`, and whether it is placed on the task's own target instead of the relative scale."""

DRAWN = {"performance": "score", "speed": "speed", "cost": "cost"}
AMOUNTS = {"speed": "seconds", "cost": "usd"}
DEEP = (0.025, 0.975)


class Ends(Struct, frozen=True, kw_only=True):
    """By measure: agents × tasks × (low, high) of a cell, on this task, in scores; and draws × agents against targets.

    `aimed`: the mean score over the tasks that have a target.
    """

    cells: Mapping[PlacedMeasure, Array]
    aimed: Mapping[str, Array]


class EndsWatch:
    """Sees the draws of some tasks after the others (`posterior.posterior_of`).

    `targets`: by task and measure (speed, cost), in seconds or dollars per work done.
    """

    def __init__(self, table: SumTable, targets: Mapping[tuple[str, str], float]) -> None:
        self._table, self._targets = table, targets
        self._cells: dict[PlacedMeasure, Array] = {}
        self._sums: dict[str, tuple[Array, int]] = {}

    def __call__(self, part: slice, drawn: Mapping[str, Drawn]) -> None:
        """Take what is needed of agents × these tasks × draws."""
        for measure, name in DRAWN.items():
            if name in drawn:
                self._keep((measure, False), part, drawn[name])
        if not self._targets:
            return
        work, tasks = np.log(np.maximum(drawn["score"], 1e-9)), self._table.tasks[part]
        for measure, name in AMOUNTS.items():
            columns = [c for c, task in enumerate(tasks) if self._targets.get((task, measure))]
            if columns and name in drawn:
                targets = np.log([self._targets[tasks[c], measure] for c in columns])
                over = drawn[name][:, columns] - work[:, columns] - targets[:, None]
                self._aim(measure, [part.start + column for column in columns], over, drawn["score"][:, columns])

    def found(self) -> Ends:
        """The low and the high end of each cell's draws, and mean scores against targets, of all that was taken."""
        return Ends(cells=self._cells, aimed={name: total.T / count for name, (total, count) in self._sums.items()})

    def _keep(self, measure: PlacedMeasure, part: slice, values: Drawn) -> None:
        ends = self._cells.setdefault(measure, np.full((*self._table.idle.shape, 2), np.nan))
        ends[:, part] = _ends(values)

    def _aim(self, measure: str, columns: list[int], over: Drawn, work: Drawn) -> None:
        """`over`: the logarithm of amount per work done over target."""
        score = np.interp(over / np.log(2.0) + 1.0, np.arange(len(POSITIONS)), SCORES)
        if measure == "cost":
            score[self._table.free] = 1.0
        score = np.where(self._table.idle[:, columns, None], np.minimum(score, work), score)
        ends = self._cells.setdefault((measure, True), np.full((*self._table.idle.shape, 2), np.nan))
        ends[:, columns] = _ends(score)
        total, count = self._sums.get(measure, (np.zeros((len(score), score.shape[2])), 0))
        self._sums[measure] = total + score.sum(axis=1), count + len(columns)


def _ends(values: Drawn) -> Array:
    """Agents × tasks × 2 of agents × tasks × draws."""
    low, high = (round(share * (values.shape[2] - 1)) for share in DEEP)
    found: Array = np.sort(values, axis=2)[:, :, [low, high]].astype(float)
    return found
