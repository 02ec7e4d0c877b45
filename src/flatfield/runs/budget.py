"""Keeps a run within its dollars: counts what was spent and reserves for what is running."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict


class Budget:
    """How much a run may cost; a run without a limit has `limit_usd` None.

    A running trial reserves the mean cost of its agent's finished trials, and nothing before the first of them has
    finished: what its first trials cost is not known before. A trial without a known price counts nothing and is
    counted in `unpriced_trials`. `spent_usd` at the start is what earlier sittings of the run have cost.
    """

    def __init__(self, limit_usd: float | None, *, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.unpriced_trials = 0
        self.closed = False
        self._cost_usd: defaultdict[str, float] = defaultdict(float)
        self._trials: Counter[str] = Counter()
        self._running: dict[str, tuple[str, float]] = {}
        self._changed = asyncio.Event()

    def charge(self, usd: float) -> None:
        """Count what was spent on something else than a trial, such as a judge."""
        self.spent_usd += usd

    async def admit(self, trial: str, agent: str) -> bool:
        """Whether this trial may start; True reserves for it until `settle`.

        Waits while only what is reserved for running trials stands in the way. False is final: from then on no trial
        is admitted, so that the agents that come later do not get more of the budget than others.
        """
        while self.limit_usd is not None and not self.closed and not self._fits(agent, self.limit_usd):
            if not self._running:
                self.closed = True
                break
            self._changed.clear()
            await self._changed.wait()
        if self.closed:
            return False
        self._running[trial] = (agent, self._expected_usd(agent))
        return True

    def settle(self, trial: str, cost_usd: float | None, *, measured: bool = True) -> None:
        """The trial has ended and cost this much; only measured trials tell what the next one will cost."""
        agent, _ = self._running.pop(trial)
        if cost_usd is not None:
            self.spent_usd += cost_usd
            if measured:
                self._cost_usd[agent] += cost_usd
                self._trials[agent] += 1
        elif measured:
            self.unpriced_trials += 1
        self._changed.set()

    def _fits(self, agent: str, limit_usd: float) -> bool:
        reserved = sum(usd for _, usd in self._running.values())
        return self.spent_usd < limit_usd and self.spent_usd + reserved + self._expected_usd(agent) <= limit_usd

    def _expected_usd(self, agent: str) -> float:
        trials = self._trials[agent]
        return self._cost_usd[agent] / trials if trials else 0.0
