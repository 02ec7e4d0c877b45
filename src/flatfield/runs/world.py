"""Opens the world: what trials, judges, proofs, forecasts and looks are done with, in this one place."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flatfield.agent.provider_pool import ProviderPool
from flatfield.clock import SystemClock
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.models import cache_folder
from flatfield.runs.traffic.lanes import Lanes, shared_devices
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import nobody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from flatfield.clock import Clock
    from flatfield.http.retrying import RetryPolicy
    from flatfield.http.services import Kept
    from flatfield.records import LaneLimits
    from flatfield.tasks.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """What a run is given from outside, whatever it is that is run.

    `environ` is what providers look their keys and addresses up in; `access` decides what may run code and be sent
    keys; `lane_limits` are those that the user sets to servers, by host or provider.
    """

    clock: Clock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    access: Access = field(default_factory=nobody)
    prices: Prices = field(default_factory=Prices)
    lane_limits: Mapping[str, LaneLimits] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """The folder of what is kept between runs: models, locks of devices, prices."""
        return cache_folder(self.environ)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What is open while something is run: the providers of its agents, and the lanes that they are asked through."""

    outside: Outside
    pool: ProviderPool
    lanes: Lanes

    @property
    def services(self) -> Services:
        """What all of the providers share, the HTTP session among it."""
        return self.pool.services


@asynccontextmanager
async def open_world(
    outside: Outside,
    tell: Callable[[str], None] | None = None,
    *,
    traffic: Lanes | None = None,
    kept: Kept | None = None,
    retry: RetryPolicy | None = None,
    heard: Callable[[Mapping[str, str]], None] | None = None,
) -> AsyncIterator[World]:
    """Open a world, and close it again.

    `tell` hears what is waited for while other processes use a device. None: nothing here is at work on a device or
    asks a server for much, so no device is shared and no server's limits are kept. `traffic`: what others of this
    process ask servers through, and so does this one. `kept` is what may go on running afterwards.
    `retry`: another patience than the usual one. `heard` is told the headers of every answer.

    Raises:
        NotReady: authorities are named whose certificates are trusted, and they cannot be read.
    """
    async with AsyncExitStack() as stack:
        lanes = traffic or Lanes(outside.clock)
        if tell is not None:
            lanes = lanes.with_devices(stack.enter_context(shared_devices(outside.cache, outside.clock, tell)))
        services = Services(
            session=await stack.enter_async_context(open_session(outside.clock, outside.environ, heard)),
            clock=outside.clock,
            environ=outside.environ,
            cache=outside.cache,
            retry=retry,
            pressure=None if tell is None else lanes,
            access=outside.access,
            kept=kept,
        )
        pool = await stack.enter_async_context(ProviderPool(services))
        yield World(outside=outside, pool=pool, lanes=lanes)
