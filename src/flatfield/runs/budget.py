"""Keeps a run within its dollars and its minutes: counts what was spent and reserves for what is running."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.scoring.measures.scales import mean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flatfield.clock import Clock
    from flatfield.records import TrialRecord


class Terms(Struct, frozen=True, kw_only=True):
    """What is known of one trial before it starts.

    `most_usd` is the most dollars that its limits allow, None where nothing bounds them. `priced`: a price of its model
    is known. `can_be_held`: its agent can be ended at any number of dollars, because a price tells what it has used.
    `likely_seconds` is what it is forecast to take, None where there is no forecast, and `is_guess` whether that stands
    on no trial of its agent; `most_seconds` is what its limits allow.
    """

    most_usd: float | None = None
    priced: bool = False
    can_be_held: bool = False
    likely_seconds: float | None = None
    is_guess: bool = False
    most_seconds: float = math.inf


UNKNOWN_TERMS = Terms()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reserved:
    """What is set aside for a running trial; `purse_usd`: it is ended where it would use more, None: by its limits."""

    agent: str
    usd: float
    purse_usd: float | None = None
    priced: bool = False


class Budget:
    """How much a run may cost and take; without a limit, `limit_usd` and `limit_seconds` are None.

    A trial reserves the most dollars that its limits allow; what it did not use is free when it ends. Where so many are
    not left, or nothing bounds them, it starts when no other one that costs something is running, as long as there is
    as much left as the dearest trial of its agent took, and is ended where it would use more than there is. Where no
    price is known, or nothing could end it in time, an agent's first trial runs alone and the others reserve what the
    dearest took; if nobody knows either what the first one cost, its agent is in `unknown_agents`, and no trial starts
    any more but first ones of other agents, unless it is one of `ignored`, whose unknown dollars nobody counts.

    `spent_usd` at the start is what earlier sittings of the run have cost, and `earlier` are the trials of theirs that
    tell what others will; `limit_seconds` are of this sitting.
    """

    def __init__(
        self,
        limit_usd: float | None,
        *,
        spent_usd: float = 0.0,
        ignored: Collection[str] = (),
        limit_seconds: float | None = None,
        clock: Clock | None = None,
        earlier: Sequence[TrialRecord] = (),
    ) -> None:
        self.limit_usd = limit_usd
        self.limit_seconds = limit_seconds
        self.spent_usd = spent_usd
        self.closed = False
        self.unknown_agents: list[str] = []
        self._held_usd = 0.0
        self._ignored = frozenset(ignored)
        self._clock = clock
        self._began = clock.now() if clock else 0.0
        self._dearest_usd: dict[str, float] = {}
        self._wall_seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._running: dict[str, _Reserved] = {}
        self._changed = asyncio.Event()
        for record in earlier:
            self._learn(record)
        for record in earlier:
            self._doubt(record)

    @property
    def seconds(self) -> float:
        """How long this sitting has taken until now."""
        return self._clock.now() - self._began if self._clock else 0.0

    def charge(self, usd: float) -> None:
        """Count what was spent on something else than a trial, such as a judge."""
        self.spent_usd += usd

    def needs_pilot(self, agent: str, terms: Terms) -> bool:
        """Whether nobody knows what a trial of this agent costs before one has been done."""
        is_bounded = terms.can_be_held or terms.most_usd is not None
        tried = agent in self._dearest_usd or agent in self.unknown_agents
        return self.limit_usd is not None and not (is_bounded or tried or agent in self._ignored)

    async def admit(self, trial: str, agent: str, terms: Terms = UNKNOWN_TERMS) -> bool:
        """Whether this trial may start; True reserves for it until `settle`.

        Waits while only what is reserved for running trials stands in the way. False is final: from then on no trial
        is admitted, so that the agents that come later do not get more of the budget than others.
        """
        while not self.closed and (not self.unknown_agents or self.needs_pilot(agent, terms)):
            reserved = self._reservation(agent, terms)
            if reserved is not None:
                self._running[trial] = reserved
                return True
            if not self._is_any_paid():
                self.closed = True
                break
            self._changed.clear()
            await self._changed.wait()
        return False

    def purse_usd(self, trial: str) -> float | None:
        """What a running trial may use at most where its own limits allow more than there is; None: they do not."""
        return self._running[trial].purse_usd if trial in self._running else None

    def settle(
        self, trial: str, cost_usd: float | None, *, measured: bool = True, used: bool = True, cut: bool = False
    ) -> None:
        """The trial has ended and cost this much; only measured trials tell what the next one will cost.

        `cost_usd` None: nobody knows what it cost; not `used`: it asked no model, and cost nothing. `cut`: it was ended
        because there was not enough left for it, so there is not for another one.
        """
        reserved = self._running.pop(trial)
        if cost_usd is not None:
            self.spent_usd += cost_usd
            if measured:
                self._dearest_usd[reserved.agent] = max(cost_usd, self._dearest_usd.get(reserved.agent, 0.0))
        elif used:
            self._lose_count(reserved, measured=measured)
        self.closed = self.closed or cut
        self._changed.set()

    def took(self, record: TrialRecord) -> None:
        """A trial has ended: how long it took tells how long the next of its agent and task will."""
        if record.failure is None:
            self._wall_seconds[record.agent, record.task].append(record.wall_seconds)

    def expected_seconds(self, agent: str, task: str, terms: Terms) -> float:
        """What a trial will take: the mean of those before it in this run, else its forecast, else what limits allow.

        Where its forecast is a guess, what the agent took for other tasks of the run is better.
        """
        past = self._wall_seconds.get((agent, task))
        if past:
            return mean(past)
        others = [mean(each) for (name, _), each in self._wall_seconds.items() if name == agent]
        if others and (terms.is_guess or terms.likely_seconds is None):
            return mean(others)
        return terms.most_seconds if terms.likely_seconds is None else terms.likely_seconds

    def ends_in_time(self, agent: str, task: str, terms: Terms) -> bool:
        """Whether a trial that starts now will have ended before the run's time is over."""
        if self.limit_seconds is None:
            return True
        return self.seconds + self.expected_seconds(agent, task, terms) <= self.limit_seconds

    def _reservation(self, agent: str, terms: Terms) -> _Reserved | None:
        """What a trial reserves if it may start now, None if it may not."""
        if self.limit_usd is None:
            return _Reserved(agent=agent, usd=0.0)
        left_usd, needed_usd = self._left_usd(), self._needed_usd(agent, terms)
        if self.spent_usd >= self.limit_usd:
            return None
        if needed_usd is not None and needed_usd <= left_usd:
            return _Reserved(agent=agent, usd=needed_usd, priced=terms.priced)
        if self._is_any_paid() or left_usd <= 0 or self._dearest_usd.get(agent, 0.0) > left_usd:
            return None
        purse_usd = left_usd if terms.can_be_held else None
        return _Reserved(agent=agent, usd=left_usd, purse_usd=purse_usd, priced=terms.priced)

    def _needed_usd(self, agent: str, terms: Terms) -> float | None:
        """What has to be left for a trial to start beside others; None: however much there is, it starts alone."""
        if terms.most_usd is not None:
            return terms.most_usd
        if agent in self._ignored and not terms.priced:
            return 0.0
        return None if terms.can_be_held else self._dearest_usd.get(agent)

    def _left_usd(self) -> float:
        """What is neither spent nor reserved."""
        reserved = math.fsum(each.usd for each in self._running.values())
        return math.inf if self.limit_usd is None else self.limit_usd - self.spent_usd - self._held_usd - reserved

    def _is_any_paid(self) -> bool:
        """Whether a trial is running that has reserved something, so that there is more left when it ends."""
        return any(each.usd > 0 for each in self._running.values())

    def _lose_count(self, reserved: _Reserved, *, measured: bool) -> None:
        """A trial cost what nobody knows: what it could have cost stays set aside.

        If none of its agent is known to have cost anything, that is the end, but for one that failed and has a price.
        """
        if self.limit_usd is None or reserved.agent in self._ignored:
            return
        if reserved.agent in self._dearest_usd or (reserved.priced and not measured):
            self._held_usd += (
                self._dearest_usd.get(reserved.agent, reserved.usd) if reserved.purse_usd else reserved.usd
            )
            return
        if reserved.agent not in self.unknown_agents:
            self.unknown_agents.append(reserved.agent)

    def _learn(self, record: TrialRecord) -> None:
        self.took(record)
        if record.failure is None and record.cost_usd is not None:
            self._dearest_usd[record.agent] = max(record.cost_usd, self._dearest_usd.get(record.agent, 0.0))

    def _doubt(self, record: TrialRecord) -> None:
        """An earlier sitting's trial of an agent of which nobody knows what any trial cost."""
        if record.cost_usd is None and record.turns:
            self._lose_count(_Reserved(agent=record.agent, usd=0.0), measured=record.failure is None)
