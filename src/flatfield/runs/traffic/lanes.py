"""Keeps apart what must not run at the same time: first come, first served, and the waiting is measured.

A lane to a server that refuses is narrower for a while: fewer trials start, and the next attempts of those that run
wait for a place in it.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from flatfield.runs.traffic.gate import Gate
from flatfield.runs.traffic.servers import Server, limits_of, narrower
from flatfield.vendors.base import THIS_DEVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.clock import Clock
    from flatfield.records import AgentConfig, LaneLimits
    from flatfield.runs.traffic.devices import Devices
    from flatfield.runs.traffic.servers import Attempt
    from flatfield.vendors.base import Lane


class _Places:
    """A lane's gate, and the smallest width that it was named with."""

    __slots__ = ("gate", "place", "width")

    def __init__(self, place: str, server: Server | None) -> None:
        self.place = place
        self.width = math.inf
        self.gate = Gate(lambda: self.width if server is None else min(self.width, server.width))


class Lanes:
    """All lanes of one event loop; runs that share a device or a provider share one of these.

    `devices` None: devices are shared with no other process, and with no verifier.
    """

    def __init__(self, clock: Clock, devices: Devices | None = None) -> None:
        self._clock = clock
        self._devices = devices
        self._places: dict[str, _Places] = {}
        self._servers: dict[str, Server] = {}

    def with_devices(self, devices: Devices) -> Lanes:
        """The same lanes to the same servers, with devices that tell somebody else what is waited for."""
        lanes = Lanes(self._clock, devices)
        lanes._places, lanes._servers = self._places, self._servers
        return lanes

    def limit(self, place: str, limits: LaneLimits) -> None:
        """Ask the server at `place` (host and port) no more than this; to be said before it is asked anything.

        Saying what holds already changes nothing: what the server was asked in the last minute still counts.
        """
        if place in self._servers:
            limits = narrower(limits, self._servers[place].limits)
            if limits == self._servers[place].limits:
                return
        self._servers[place] = Server(self._clock, limits)

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
        places = self._of(lane)
        await places.gate.enter(on_wait)
        try:
            yield self._clock.now() - asked
        finally:
            places.gate.leave()
            if places.gate.idle:
                self._places.pop(lane.name, None)

    def alone(self, lane: Lane) -> AbstractAsyncContextManager[float]:
        """Have the lane's device to oneself, also among processes; the value is the seconds that were waited for it.

        To be asked for last, when nothing else is waited for any more: nobody who holds a device may wait for others.
        """
        return self._device(lane.device, shared=False)

    def beside(self) -> AbstractAsyncContextManager[float]:
        """Use this device beside others of the kind, but not while a model on it is measured; else as `alone`."""
        return self._device(THIS_DEVICE, shared=True)

    def here(self) -> AbstractAsyncContextManager[float]:
        """Have this device to oneself, as `alone` does where a model on it is measured."""
        return self._device(THIS_DEVICE, shared=False)

    def admit(self, place: str, tokens: int) -> AbstractAsyncContextManager[Attempt]:
        """Wait until the server at `place` may be asked once more; see `agent.protocols.Pressure`."""
        return self._server(place).admit(tokens)

    def refused(self, place: str, wait_seconds: float | None) -> None:
        """The server at `place` was asked too much: its lanes become narrower."""
        self._server(place).refused(wait_seconds)

    def served(self, place: str) -> None:
        """The server at `place` answered: its lanes may become wider again, up to their width."""
        if self._server(place).served():
            for places in self._places.values():
                if places.place == place:
                    places.gate.admit()

    def _of(self, lane: Lane) -> _Places:
        server = self._server(lane.place) if lane.place else None
        places = self._places.setdefault(lane.name, _Places(lane.place, server))
        places.width = min(places.width, lane.width if server is None else server.lane_width(lane.width))
        return places

    def _server(self, place: str) -> Server:
        if place not in self._servers:
            self._servers[place] = Server(self._clock)
        return self._servers[place]

    def _device(self, device: str, *, shared: bool) -> AbstractAsyncContextManager[float]:
        if self._devices is None or not device:
            return nullcontext(0.0)
        return self._devices.hold(device, shared=shared)


def limit_agents(
    lanes: Lanes, pool: ProviderPool, agents: Iterable[AgentConfig], given: Mapping[str, LaneLimits]
) -> None:
    """Set the limits that the user gives by host or provider to the servers that these agents ask."""
    for agent in agents if given else ():
        place = pool.of(agent).lane(agent).place
        limits = limits_of(place, agent.provider, given) if place else None
        if limits is not None:
            lanes.limit(place, limits)
