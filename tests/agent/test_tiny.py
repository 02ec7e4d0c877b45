"""A tiny request beside a trial: who is at fault for a silence, and whether a model is served that no list names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield import plugins
from flatfield.agent.provider_pool import ProviderPool
from flatfield.errors import NotReady, ProviderError
from flatfield.records import AgentConfig, Reply, Task, ToolResult, ToolSpec, TurnBudget, Usage
from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires import new_wire
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.clock import Clock
    from flatfield.http.services import Services
    from flatfield.testing.clocks import IdleTime
    from flatfield.testing.fake_server import Step

pytestmark = pytest.mark.whole

ASKED = [traits.name for traits in plugins.all_traits() if traits.asks_server and not traits.is_scaffold]
OK = FakeReply(text="ok", usage=Usage(input_tokens=9, output_tokens=2))


@pytest.fixture(params=ASKED)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def services_clock(idle_time: IdleTime) -> Clock:
    return idle_time


@pytest.fixture(autouse=True)
def _with_a_key(services: Services) -> None:
    services.environ = {"MY_KEY": "planted-key-0123456789"}


def agent(provider: str, server: FakeServer, **settings: Any) -> AgentConfig:
    given: dict[str, Any] = {"model": "fake-model", "base_url": server.base_url, "api_key_env": "MY_KEY"} | settings
    return AgentConfig(name="a", provider=provider, **given)


async def turn(services: Services, agent: AgentConfig, seconds: float = 60.0) -> Reply:
    task = Task(id="t", title="t", prompt="")
    opening = Opening(agent=agent, system_prompt="Be brief.", prompt="Do it.", tools=(), task=task)
    async with ProviderPool(services) as pool:
        return await (await pool.converse(opening)).turn((), TurnBudget(seconds=seconds, output_tokens=1000))


# ---------------------------------------------------------------------------- silence


async def test_a_server_that_answers_the_tiny_request_had_a_slow_model(services: Services, provider: str) -> None:
    async with FakeServer(new_wire(provider), [Fault(kind="stall"), OK]) as server:
        reply = await turn(services, agent(provider, server))
        assert server.violations == []
        assert len(server.requests) == 2
    assert (reply.finish, reply.text, len(reply.wire)) == ("time", "beginn", 2)
    assert reply.model_seconds == pytest.approx(60.0, abs=0.1), "the turn's minute, and no wait for the tiny request"
    assert reply.retry_seconds > 0, "what the tiny request took is none of the model's time"
    paid = reply.abandoned_usage[-1]
    assert (paid.kept, paid.usage.input_tokens, paid.usage.output_tokens) == (False, 9, 2)


@pytest.mark.parametrize("second", [Fault(kind="slow_headers"), Fault(status=503), Fault(kind="cut")], ids=str)
async def test_one_that_does_not_is_at_fault(services: Services, provider: str, second: Fault) -> None:
    async with FakeServer(new_wire(provider), [Fault(kind="stall"), second]) as server:
        with pytest.raises(
            ProviderError, match="its server sent nothing for 60 s, and nothing to a tiny second request"
        ) as caught:
            await turn(services, agent(provider, server))
    assert len(caught.value.left.wire) == 2
    assert all(not item.kept for item in caught.value.left.abandoned)


async def test_no_headers_are_the_servers_fault_at_once(services: Services, provider: str) -> None:
    async with FakeServer(new_wire(provider), [Fault(kind="slow_headers")]) as server:
        with pytest.raises(ProviderError, match="no answer's headers either"):
            await turn(services, agent(provider, server, on_device=False, base_url=server.base_url))
        assert len(server.requests) == 1


async def test_on_ones_own_device_they_may_come_with_the_first_token(services: Services, provider: str) -> None:
    async with FakeServer(new_wire(provider), [Fault(kind="slow_headers"), OK]) as server:
        reply = await turn(services, agent(provider, server, on_device=True))
    assert (reply.finish, reply.has_headers) == ("time", False)


async def test_a_short_rest_of_time_decides_nothing(services: Services, provider: str) -> None:
    """At its limit a model has used its time, whatever the last request came to."""
    calling = FakeReply(text="Looking.", calls=(("look", '{"at": "it"}'),))
    parameters = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    look = ToolSpec(name="look", description="Look.", parameters={**parameters, "additionalProperties": False})
    async with FakeServer(new_wire(provider), [calling, Fault(kind="slow_headers")]) as server:
        opening = Opening(
            agent=agent(provider, server, on_device=False),
            system_prompt="",
            prompt="Do it.",
            tools=(look,),
            task=Task(id="t", title="t", prompt=""),
        )
        async with ProviderPool(services) as pool:
            conversation = await pool.converse(opening)
            first = await conversation.turn((), TurnBudget(seconds=100.0, output_tokens=1000))
            result = ToolResult(call_id=first.calls[0].id, name="look", text="seen")
            reply = await conversation.turn((result,), TurnBudget(seconds=10.0, output_tokens=1000))
    assert reply.finish == "time"


# ---------------------------------------------------------------------------- a model that no list names


def serving(*names: str) -> Callable[[dict[str, Any], int], Step]:
    def answer(request: dict[str, Any], _number: int) -> Step:
        known = request.get("model", "fast") in names
        return OK if known else Fault(status=404, message="no such model: tpyo")

    return answer


async def test_one_that_is_served_all_the_same_is_taken_with_a_note(services: Services, provider: str) -> None:
    async with FakeServer(new_wire(provider), serving("fast"), models=["other"]) as server:
        async with ProviderPool(services) as pool:
            said = await pool.check(agent(provider, server, model="fast"))
        assert len(server.requests) == 1
        assert server.violations == []
    assert "agent 'a': 'fast' is not in its server's list of models, but is served" in said


async def test_one_that_is_not_is_told_its_neighbours(services: Services, provider: str) -> None:
    def refusing(_request: dict[str, Any], _number: int) -> Step:
        return Fault(status=404, message="no such model")

    async with FakeServer(new_wire(provider), refusing, models=["other", "great-model"]) as server:
        async with ProviderPool(services) as pool:
            with pytest.raises(NotReady, match=r"(serves|pulled): great-model"):
                await pool.check(agent(provider, server, model="graet-model"))
        assert len(server.requests) == 1


@pytest.mark.parametrize("busy", [Fault(status=429), Fault(status=503), Fault(kind="slow_headers")], ids=str)
async def test_a_busy_server_is_given_the_benefit_of_the_doubt(services: Services, provider: str, busy: Fault) -> None:
    async with FakeServer(new_wire(provider), [busy], models=["other"]) as server, ProviderPool(services) as pool:
        said = await pool.check(agent(provider, server, model="fast"))
    assert "whether it is served was not to be told" in said


async def test_a_listed_model_is_not_asked_for(services: Services, provider: str) -> None:
    async with FakeServer(new_wire(provider), []) as server:
        async with ProviderPool(services) as pool:
            assert await pool.check(agent(provider, server)) == ""
        assert server.requests == []
