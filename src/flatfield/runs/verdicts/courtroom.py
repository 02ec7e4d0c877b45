"""Opens what judges are asked with, where no trials are run: providers, lanes, one HTTP session."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flatfield.agent.provider_pool import ProviderPool
from flatfield.errors import FlatfieldError, NotReady
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.models import cache_folder
from flatfield.runs.traffic.devices import shared_devices
from flatfield.runs.traffic.lanes import Lanes, limit_agents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from flatfield.clock import Clock
    from flatfield.records import AgentConfig, LaneLimits
    from flatfield.tasks.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What judges are asked with: time, environment variables, the user's own limits by host or provider.

    `access` decides whether they may be run and be sent keys.
    """

    clock: Clock
    environ: Mapping[str, str]
    limits: Mapping[str, LaneLimits]
    access: Access


@asynccontextmanager
async def courtroom(
    judges: Sequence[AgentConfig], bar: Bar, tell: Callable[[str], None]
) -> AsyncIterator[tuple[ProviderPool, Lanes]]:
    """Providers and lanes, when all judges can be asked.

    A judge on a device takes turns with the runs of other processes there, which `tell` is told of.

    Raises:
        NotReady: judges are not ready, all of them in one message; nothing was spent.
    """
    clock, environ = bar.clock, bar.environ
    async with AsyncExitStack() as stack:
        cache = cache_folder(environ)
        lanes = Lanes(clock, stack.enter_context(shared_devices(cache, clock, tell)))
        session = await stack.enter_async_context(open_session(clock, environ))
        services = Services(
            session=session, clock=clock, environ=environ, cache=cache, pressure=lanes, access=bar.access
        )
        pool = await stack.enter_async_context(ProviderPool(services))
        reasons = await asyncio.gather(*(_reason(pool, agent) for agent in judges))
        if any(reasons):
            raise NotReady("\n  ".join(dict.fromkeys(filter(None, reasons))))
        limit_agents(lanes, pool, judges, bar.limits)
        yield pool, lanes


async def _reason(pool: ProviderPool, agent: AgentConfig) -> str:
    try:
        await pool.check(agent)
    except FlatfieldError as error:
        return f"judge {agent.name!r}: {error}"
    return ""
