"""What is ahead of a run that was begun is predicted by itself, not as its share of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.records import AgentConfig
from flatfield.runs.evaluation.forecasting import DIFFERENCE, ForecastDesk, forecast
from flatfield.runs.order import plan
from flatfield.runs.store.store import Store
from flatfield.runs.world import Outside, open_world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runs.conftest import RunMaker


async def test_repeats_of_the_cheap_one_cost_what_these_cost(tmp_path: Path, make_run: RunMaker) -> None:
    agents = tuple(AgentConfig(name=name, provider="openai", model=name) for name in ("gpt-5", "gpt-5-nano"))
    run, store = structs.replace(make_run(), agents=agents), Store(tmp_path)
    async with open_world(Outside(environ={"FLATFIELD_CACHE": str(tmp_path)})) as world:
        desk = ForecastDesk(world=world, source=tmp_path)
        whole = forecast(run, (), store, desk, DIFFERENCE)
        ahead = [one for one in plan(run) if one.agent == "gpt-5-nano"]
        part = forecast(run, (), store, desk, DIFFERENCE, ahead)
    assert part.trials == len(ahead) == whole.trials // 2
    assert whole.usd is not None
    assert part.usd is not None
    assert part.usd == pytest.approx(next(one.usd for one in whole.agents if one.name == "gpt-5-nano"))
    assert part.usd < whole.usd / 10
