"""A real server of the Messages API: llama.cpp, with a model of this device and no vendor's key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import pytest
import pytest_asyncio

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.loop import NanoAgent
from flatfield.agent.toolbox import open_tools
from flatfield.agent.workspace import Workspace
from flatfield.clock import SystemClock
from flatfield.errors import ContextTooLong, NotReady
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.llama.hosting import LocalServer, ServerSpec, start_server
from flatfield.machine.protocols import SandboxLimits
from flatfield.plugins import default_tools
from flatfield.records import AgentConfig, Limits, Task, ToolResult, TurnBudget
from flatfield.vendors.anthropic import create
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flatfield.records import ToolSpec

pytestmark = [pytest.mark.whole, pytest.mark.needs("model")]
BUDGET = TurnBudget(seconds=60, output_tokens=16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalServer]:
    """One for all tests, for loading a model takes longer than most of them."""
    spec = ServerSpec(path=os.environ["FLATFIELD_TEST_MODEL"], alias="small", context_tokens=2048, threads=2)
    clock, cache = SystemClock(), tmp_path_factory.mktemp("cache")
    async with open_session(clock) as session:
        started = await start_server(spec, Services(session=session, clock=clock, environ=os.environ, cache=cache))
        yield started
        await started.stop()


def opening(
    server: LocalServer,
    *,
    protocol: Literal["native", "json"] = "native",
    tools: tuple[ToolSpec, ...] = (),
    prompt: str = "Say hello.",
    model: str = "small",
) -> Opening:
    # The header is what our own child process asks for; a server on the desk mostly asks for nothing.
    agent = AgentConfig(
        name="a",
        provider="anthropic",
        model=model,
        protocol=protocol,
        base_url=server.url,
        headers=server.headers,
        temperature=0.0,
        max_output_tokens=40,
    )
    task = Task(id="t", title="t", prompt=prompt)
    return Opening(agent=agent, system_prompt="Be brief.", prompt=prompt, tools=tools, task=task)


@pytest.mark.parametrize("protocol", ["native", pytest.param("json", marks=pytest.mark.slow)])
@pytest.mark.slow
async def test_a_whole_trial(
    services: Services, server: LocalServer, tmp_path: Path, protocol: Literal["native", "json"]
) -> None:
    with ConfinedFiles(tmp_path) as files:
        workspace = Workspace(root=tmp_path, files=files, sandbox=None, command_limits=SandboxLimits())
        tools = open_tools(default_tools()[:2], workspace, services.clock)
        talk = await create(services).converse(opening(server, protocol=protocol, tools=tools.specs))
        limits = Limits(turns=2, seconds=60, output_tokens=2000)
        outcome = await NanoAgent(talk, tools, limits, price=lambda _: None, observe=lambda _: None).run()
        after = await talk.turn([ToolResult(call_id="toolu_1", name="read_file", text="red")], BUDGET)
    assert outcome.stop in {"answered", "turn_limit", "token_limit"}, outcome.problem
    for turn in outcome.turns:
        assert turn.reply.usage
        assert turn.reply.usage.input_tokens > 0
        assert 0 < turn.reply.usage.output_tokens <= 40
        assert turn.reply.model_seconds >= (turn.reply.first_token_seconds or 0) > 0
        assert server.headers["Authorization"].split()[1] not in str(turn.reply.request)
    # The conversation goes on with all of its history, whatever the small model made of it.
    first = outcome.turns[0].reply.usage
    assert first
    assert after.usage
    assert after.usage.input_tokens > first.input_tokens


@pytest.mark.slow
async def test_it_is_checked_and_a_prompt_that_does_not_fit_is_named(services: Services, server: LocalServer) -> None:
    provider = create(services)
    await provider.check(opening(server).agent)
    with pytest.raises(NotReady, match=r"does not serve 'large'.*it serves: small"):
        await provider.check(opening(server, model="large").agent)
    with pytest.raises(ContextTooLong):
        await (await provider.converse(opening(server, prompt="word " * 4000))).turn((), BUDGET)
