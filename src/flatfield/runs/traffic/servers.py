"""What each server is asked at once and in a minute: every attempt of every trial and judge passes here."""

from __future__ import annotations

import math
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield.records import LaneLimits
from flatfield.runs.traffic.gate import Gate
from flatfield.runs.traffic.pace import Pace, Sending
from flatfield.runs.traffic.pressure import Pressure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractContextManager

    from flatfield.clock import Clock
    from flatfield.runs.traffic.pressure import Asking


class Server:
    """One server, for all its models together: what the user says that it may be asked, at once and in a minute."""

    def __init__(self, clock: Clock, limits: LaneLimits | None = None) -> None:
        self.limits = limits or LaneLimits()
        self.pace = Pace(
            clock,
            requests_per_minute=self.limits.requests_per_minute,
            tokens_per_minute=self.limits.tokens_per_minute,
        )
        concurrent = self.limits.concurrent
        most = math.inf if concurrent is None else concurrent
        self.resting = 0
        self.trials = Gate(lambda: most + spare(self.resting, most))
        self.requests = Gate(lambda: most)

    def lane_width(self, width: int) -> int:
        """How wide a lane to it is that would be so wide of its own: what the user says goes first."""
        return width if self.limits.concurrent is None else self.limits.concurrent


def spare(resting: int, width: float) -> int:
    """Places of those who wait to try again are lent to others, up to half of all: they will be back."""
    return int(min(resting, width / 2))


class Quarters:
    """What one model has of a server: how much it is asked at once now, and whether it asked to be left alone."""

    def __init__(self, clock: Clock, on_growth: Callable[[], None]) -> None:
        self._clock = clock
        self._asked = 0
        self.resting = 0
        self._pause = Pace(clock, requests_per_minute=None, tokens_per_minute=None)
        self._on_growth = on_growth
        self.pressure = Pressure()
        self._gate = Gate(lambda: self.pressure.width)

    @property
    def width(self) -> float:
        """How much it may be asked at once now."""
        return self.pressure.width

    @property
    def spare(self) -> int:
        """How many more trials may run because others only wait to try again; none where the model refuses much."""
        return spare(self.resting, self._asked) if self.width >= self._asked else 0

    def fill(self, width: int) -> None:
        """Be as wide as the widest of the lanes that lead here, whichever is asked for first."""
        if width > self._asked:
            self._asked = width
            self.pressure.fill(width)
            self._gate.admit()

    @asynccontextmanager
    async def admit(
        self, server: Server, tokens: int, resting: Callable[[], AbstractContextManager[None]]
    ) -> AsyncIterator[Attempt]:
        """Hold a place here and at the server, from when the model may be asked until the attempt is over.

        Who waits because the model refused is `resting` meanwhile.
        """
        asked = self._clock.now()
        with ExitStack() as stack:

            def rest() -> None:
                stack.enter_context(resting())

            await self._gate.enter(rest)
            try:
                if self._pause.is_closed:
                    rest()
                await self._pause.take(0)
            except BaseException:
                self._gate.leave()
                raise
        try:
            async with server.requests:
                sending = await server.pace.take(tokens)
                asking = self.pressure.sent()
                try:
                    yield Attempt(self, asking, sending, self._clock.now() - asked)
                finally:
                    self.pressure.ended()
        finally:
            self._gate.leave()

    def refused(self, asking: Asking, wait_seconds: float | None, times: int) -> None:
        """An attempt under way was refused: where many are, fewer at once, and none for as long as it says."""
        if self.pressure.refused(asking, times) and wait_seconds is not None:
            self._pause.pause(wait_seconds)

    def served(self, asking: Asking) -> None:
        """An attempt was answered."""
        if self.pressure.served(asking):
            self._gate.admit()
            self._on_growth()


class Attempt:
    """One attempt that may go out; see `http.services.Admission`."""

    __slots__ = ("_asking", "_quarters", "_sending", "queue_seconds")

    def __init__(self, quarters: Quarters, asking: Asking, sending: Sending, queue_seconds: float) -> None:
        self._quarters = quarters
        self._asking = asking
        self._sending = sending
        self.queue_seconds = queue_seconds

    def used(self, tokens: int) -> None:
        """Count what it really took."""
        self._sending.tokens = tokens

    def refused(self, wait_seconds: float | None, times: int = 1) -> None:
        """The model was asked too much."""
        self._quarters.refused(self._asking, wait_seconds, times)

    def served(self) -> None:
        """The model answered."""
        self._quarters.served(self._asking)


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
