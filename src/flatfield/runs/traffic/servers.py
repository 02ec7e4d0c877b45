"""What each server is asked at once and in a minute: every attempt of every trial and judge passes here."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield.records import LaneLimits
from flatfield.runs.traffic.gate import Gate
from flatfield.runs.traffic.pace import Pace, Sending
from flatfield.runs.traffic.pressure import Pressure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flatfield.clock import Clock


class Attempt:
    """One attempt that may go out; see `agent.protocols.Admission`."""

    __slots__ = ("_sent", "queue_seconds")

    def __init__(self, sent: Sending, queue_seconds: float) -> None:
        self._sent = sent
        self.queue_seconds = queue_seconds

    def used(self, tokens: int) -> None:
        """Count what it really took."""
        self._sent.tokens = tokens


class Server:
    """One server: what is under way to it, how wide its lane is now, and what its last minute held."""

    def __init__(self, clock: Clock, limits: LaneLimits | None = None) -> None:
        limits = limits or LaneLimits()
        self._clock = clock
        self.limits = limits
        self._asked = 0
        self._under_way = 0
        self._pace = Pace(
            clock, requests_per_minute=limits.requests_per_minute, tokens_per_minute=limits.tokens_per_minute
        )
        self._pressure = Pressure(clock, math.inf if limits.concurrent is None else limits.concurrent)
        self._gate = Gate(lambda: self._pressure.width)

    @property
    def width(self) -> float:
        """How much it may be asked at once now."""
        return self._pressure.width

    def lane_width(self, width: int) -> int:
        """How wide a lane to it is that would be so wide of its own: what the user says goes first.

        Of several lanes to one server the widest is the server's width, whichever is asked for first.
        """
        if self.limits.concurrent is not None:
            return self.limits.concurrent
        if width > self._asked:
            self._asked = width
            self._pressure.fill(width)
            self._gate.admit()
        return width

    @asynccontextmanager
    async def admit(self, tokens: int) -> AsyncIterator[Attempt]:
        """Hold one of its places, from when it may be asked until the attempt is over."""
        asked = self._clock.now()
        await self._gate.enter()
        try:
            sent = await self._pace.take(tokens)
            self._under_way += 1
            try:
                yield Attempt(sent, self._clock.now() - asked)
            finally:
                self._under_way -= 1
        finally:
            self._gate.leave()

    def refused(self, wait_seconds: float | None) -> None:
        """It was asked too much: fewer at once, and none for as long as it says; to be told within `admit`."""
        self._pressure.refused(self._under_way)
        if wait_seconds is not None:
            self._pace.pause(wait_seconds)

    def served(self) -> bool:
        """It answered a request; returns whether its lane has become wider."""
        if not self._pressure.served():
            return False
        self._gate.admit()
        return True


def limits_of(place: str, provider: str, given: Mapping[str, LaneLimits]) -> LaneLimits | None:
    """What the user says of a server: by its host and port, else by its host, else by the provider."""
    host = urlsplit(f"//{place}").hostname or ""
    return next((given[key] for key in (place, host, provider) if key in given), None)


def narrower(one: LaneLimits, other: LaneLimits) -> LaneLimits:
    """The smaller of each."""
    names = ("concurrent", "requests_per_minute", "tokens_per_minute")
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    return LaneLimits(
        source=one.source,
        **{name: min((each for each in pair if each is not None), default=None) for name, pair in pairs.items()},
    )
