"""Opens what judges are asked with, where no trials are run: providers, lanes, one HTTP session."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flatfield.agent.http.transport import open_session
from flatfield.agent.models import cache_folder
from flatfield.agent.protocols import Services
from flatfield.agent.provider_pool import ProviderPool
from flatfield.errors import FlatfieldError, NotReady
from flatfield.runs.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from flatfield.agent.clock import Clock
    from flatfield.records import AgentConfig


@asynccontextmanager
async def courtroom(
    judges: Sequence[AgentConfig], clock: Clock, environ: Mapping[str, str]
) -> AsyncIterator[tuple[ProviderPool, Lanes]]:
    """Providers and lanes, when all judges can be asked.

    Raises:
        NotReady: judges are not ready, all of them in one message; nothing was spent.
    """
    lanes = Lanes(clock)
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=environ, cache=cache_folder(environ), pressure=lanes)
        async with ProviderPool(services) as pool:
            reasons = await asyncio.gather(*(_reason(pool, agent) for agent in judges))
            if any(reasons):
                raise NotReady("\n  ".join(dict.fromkeys(filter(None, reasons))))
            yield pool, lanes


async def _reason(pool: ProviderPool, agent: AgentConfig) -> str:
    try:
        await pool.check(agent)
    except FlatfieldError as error:
        return f"judge {agent.name!r}: {error}"
    return ""
