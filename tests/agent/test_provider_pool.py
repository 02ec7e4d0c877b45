"""Providers are opened once, when they are asked for, and all closed at the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from flatfield import plugins
from flatfield.agent.provider_pool import ProviderPool
from flatfield.errors import NotFound
from flatfield.records import AgentConfig

if TYPE_CHECKING:
    from flatfield.http.services import Services


class Recorded:
    """A provider that notes when it is closed, and may fail at it."""

    def __init__(self, name: str, closed: list[str], *, fails: bool) -> None:
        self.name = name
        self.closed = closed
        self.fails = fails

    async def close(self) -> None:
        self.closed.append(self.name)
        if self.fails:
            raise OSError(f"{self.name} does not close")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    log: list[str] = []

    def load(kind: str, name: str) -> Any:
        assert kind == "provider"
        return SimpleNamespace(create=lambda _: Recorded(name, log, fails=name == "bad"))

    monkeypatch.setattr(plugins, "load", load)
    return log


def agent(provider: str) -> AgentConfig:
    return AgentConfig(name=f"a-{provider}", provider=provider)


async def test_each_is_opened_once_and_closed_in_reverse(services: Services, closed: list[str]) -> None:
    async with ProviderPool(services) as pool:
        first = pool.of(agent("one"))
        assert pool.of(agent("one")) is first
        assert pool.of(agent("two")) is not first
        assert closed == []
    assert closed == ["two", "one"]


async def test_one_that_does_not_close_keeps_no_other_open(services: Services, closed: list[str]) -> None:
    pool = ProviderPool(services)
    for name in ("one", "bad", "two"):
        pool.of(agent(name))
    with pytest.raises(OSError, match="bad does not close"):
        await pool.__aexit__(None, None, None)
    assert closed == ["two", "bad", "one"]


async def test_an_unknown_provider_is_named_beside_those_that_exist(services: Services) -> None:
    async with ProviderPool(services) as pool:
        with pytest.raises(NotFound, match=r"no provider 'openia'.*noop.*openai-chat.*oracle"):
            pool.of(agent("openia"))
