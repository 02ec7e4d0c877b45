"""Keeps apart what must not run at the same time: first come, first served, and the waiting is measured.

A lane to a server that refuses is narrower for a while: what runs goes on, fewer start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from flatfield.runs.pressure import Pressure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from flatfield.agent.clock import Clock
    from flatfield.agent.protocols import Lane


class _Places:
    """Who holds a lane's places and who waits for one, in order of arrival."""

    __slots__ = ("held", "place", "waiting", "width")

    def __init__(self, lane: Lane) -> None:
        self.width = lane.width
        self.place = lane.place
        self.held = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Lanes:
    """All lanes of one event loop; runs that share a device or a provider share one of these."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._places: dict[str, _Places] = {}
        self._pressures: dict[str, Pressure] = {}

    @asynccontextmanager
    async def hold(self, lane: Lane, on_wait: Callable[[], None] | None = None) -> AsyncIterator[float]:
        """Hold one of the lane's places; the value is the seconds that were waited for it.

        `on_wait` is called once, when there is no place at once. Where two name the same lane with different
        widths, the smaller counts until the lane is empty. Cancelling while waiting or holding gives the place on.

        Raises:
            ValueError: the lane's width is below 1: nothing could ever run in it.
        """
        if lane.width < 1:
            message = f"lane {lane.name!r} has width {lane.width}; it must be at least 1"
            raise ValueError(message)
        asked = self._clock.now()
        await self._take(lane, on_wait)
        try:
            yield self._clock.now() - asked
        finally:
            self._give(lane.name)

    def refused(self, place: str) -> None:
        """The server at `place` was asked too much: its lanes become narrower."""
        if place in self._pressures:
            self._pressures[place].refused()

    def served(self, place: str) -> None:
        """The server at `place` answered: its lanes may become wider again, up to their width."""
        if place in self._pressures and self._pressures[place].served():
            for places in self._places.values():
                if places.place == place:
                    self._admit(places)

    async def _take(self, lane: Lane, on_wait: Callable[[], None] | None) -> None:
        places = self._places.setdefault(lane.name, _Places(lane))
        if lane.place:
            self._pressures.setdefault(lane.place, Pressure(self._clock, lane.width))
        places.width = min(places.width, lane.width)
        if places.held < self._width(places):
            places.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        places.waiting.append(turn)
        try:
            if on_wait is not None:
                on_wait()
            await turn
        except BaseException:
            # The place may have been handed over in the very moment of the cancellation: pass it on.
            if turn.done() and not turn.cancelled():
                self._give(lane.name)
            else:
                with suppress(ValueError):
                    places.waiting.remove(turn)
            raise

    def _give(self, name: str) -> None:
        places = self._places[name]
        places.held -= 1
        self._admit(places)
        if not places.held and not places.waiting:
            del self._places[name]

    def _admit(self, places: _Places) -> None:
        while places.waiting and places.held < self._width(places):
            turn = places.waiting.popleft()
            if not turn.done():
                places.held += 1
                turn.set_result(None)

    def _width(self, places: _Places) -> int:
        pressure = self._pressures.get(places.place)
        return places.width if pressure is None else min(places.width, pressure.width)
