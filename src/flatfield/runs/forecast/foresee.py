"""Predicts a run for those who have nothing open yet: opens what a forecast needs, asks nobody, and closes it again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flatfield.agent.provider_pool import ProviderPool
from flatfield.clock import SystemClock
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.models import cache_folder
from flatfield.runs.forecast.forecasting import forecast
from flatfield.runs.forecast.history import Desk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flatfield.records import AgentConfig, LaneLimits, Run
    from flatfield.runs.forecast.forecasting import Forecast
    from flatfield.runs.store.store import Store
    from flatfield.scoring.prices.pricing import Prices

DIFFERENCE = 0.1
"""Of performance: what two agents are to be told apart by, where nobody says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForecastTerms:
    """What a prediction counts with; `source` is the folder that plain LOPs copy."""

    environ: Mapping[str, str]
    prices: Prices
    lanes: Mapping[str, LaneLimits]
    source: Path


async def foresee(
    run: Run, judges: Sequence[AgentConfig], store: Store, terms: ForecastTerms, difference: float = DIFFERENCE
) -> Forecast:
    """What the run will probably take. No key is needed.

    Raises:
        NotFound: a provider, or a task's workspace, is not there.
        FlatfieldError: a workspace is too large.
        StoreError: the store cannot be read.
    """
    clock = SystemClock()
    async with open_session(clock, terms.environ) as session:
        services = Services(session=session, clock=clock, environ=terms.environ, cache=cache_folder(terms.environ))
        async with ProviderPool(services) as pool:
            desk = Desk(pool=pool, prices=terms.prices, lanes=terms.lanes, source=terms.source)
            return await asyncio.to_thread(forecast, run, judges, store, desk, difference)
