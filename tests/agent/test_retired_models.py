"""A model that is known to be retired: an agent that is not ready says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.provider_pool import ProviderPool
from flatfield.errors import NotReady
from flatfield.http.services import Services
from flatfield.records import AgentConfig
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from pathlib import Path


class Later(FakeClock):
    def utc(self) -> datetime:
        return datetime(2026, 12, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (AgentConfig(name="a", provider="openai", model="gpt-5"), True),
        (AgentConfig(name="a", provider="openai", model="gpt-5.5"), False),
        (AgentConfig(name="a", provider="openai", model="gpt-5", base_url="http://h/v1", api_key_env="K"), False),
    ],
)
async def test_why_it_is_not_ready(agent: AgentConfig, said: bool, tmp_path: Path) -> None:
    session: Any = None  # without a key nothing is asked
    services = Services(session=session, clock=Later(), environ={}, cache=tmp_path)
    async with ProviderPool(services) as pool:
        with pytest.raises(NotReady, match="needs a key") as caught:
            await pool.check(agent)
    told = "(gpt-5 was retired by its vendor on 2026-12-11; the one to use instead is gpt-6.1-sol)"
    assert (told in str(caught.value)) is said
