"""Runs one side of a comparison, ours or a bare one, and prints what that took; `harness.py` starts it.

Usage: python -m bench.side bare|bytes|flatfield LOAD, where LOAD is a `Load` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench import bare
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flatfield.http.services import Services
    from flatfield.vendors.base import Conversation, Opening

PROMPT = "Read the files one after the other and say when you are done. " * 64  # 4 KB


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What one process does: so many trials of so many turns, so many at a time, streamed or whole."""

    provider: str
    base_url: str
    folder: str
    mode: str
    trials: int
    turns: int
    concurrent: int


async def run_bare(load: Load) -> None:
    """Run the bare loop's trials."""
    import aiohttp

    protocol, stream = bare.bare_of(load.provider), load.mode == "stream"
    url, work = load.base_url + protocol.path(stream=stream), (PROMPT, Path(load.folder))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            assert await bare.trial(session, url, protocol, work, stream=stream) == load.turns

        await together(load, one)


async def run_bytes(load: Load) -> None:
    """Send bodies as large as the bare loop's, made beforehand, and take the replies in: no client can do with less."""
    import aiohttp

    protocol, stream = bare.bare_of(load.provider), load.mode == "stream"
    one_more = (
        new_wire(load.provider).result_mark + (Path(load.folder) / "file_1.txt").read_bytes() + b"read_file " * 70
    )
    bodies = [PROMPT.encode() + one_more * turn for turn in range(load.turns)]
    url = load.base_url + protocol.path(stream=stream)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            for body in bodies:
                async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                    await response.read()

        await together(load, one)


async def run_flatfield(load: Load) -> None:
    """Run our trials: conversation, loop, tools and record."""
    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.loop import NanoAgent
    from flatfield.agent.toolbox import open_tools
    from flatfield.agent.workspace import Workspace
    from flatfield.clock import SystemClock
    from flatfield.http.services import Services
    from flatfield.http.transport import open_session
    from flatfield.machine.protocols import SandboxLimits
    from flatfield.records import AgentConfig, Limits, Task
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.vendors.base import Opening

    clock, folder = SystemClock(), Path(load.folder)
    limits = Limits(turns=load.turns, output_tokens=1_000_000)
    agent = AgentConfig(
        name="a", provider=load.provider, model=bare.MODEL, base_url=load.base_url, api_key_env="BENCH_KEY"
    )
    task = Task(id="t", title="t", prompt=PROMPT)
    async with open_session(clock) as session:
        environ, lanes = {"BENCH_KEY": "bench-key"}, Lanes(clock)
        services = Services(session=session, clock=clock, environ=environ, cache=folder, pressure=lanes)
        converse = converser(services, load)

        async def one() -> None:
            with ConfinedFiles(folder) as files:
                workspace = Workspace(root=folder, files=files, sandbox=None, command_limits=SandboxLimits())
                tools = open_tools(("read_file",), workspace, clock)
                opening = Opening(agent=agent, system_prompt=bare.SYSTEM, prompt=PROMPT, tools=tools.specs, task=task)
                conversation = await converse(opening)
                nano = NanoAgent(conversation, tools, limits, price=lambda _: None, observe=lambda _: None)
                outcome = await nano.run()
                assert (outcome.stop, len(outcome.turns)) == ("answered", load.turns), outcome
                msgspec.json.encode(outcome)

        await together(load, one)


def converser(services: Services, load: Load) -> Callable[[Opening], Awaitable[Conversation]]:
    """What opens a provider's conversations; `local` has its server's process, but not its model, taken away."""
    from flatfield import plugins
    from flatfield.vendors.base import Address
    from flatfield.vendors.local import conversation as local
    from flatfield.vendors.openai_chat.conversation import open_chat
    from flatfield.vendors.openai_chat.traits import Endpoint

    if load.provider != "local":
        converse: Callable[[Opening], Awaitable[Conversation]]
        converse = plugins.load("provider", load.provider).create(services).converse
        return converse
    endpoint = Endpoint(address=Address(base_url=load.base_url), extra_body={"cache_prompt": False})

    class Running:
        turns, used_at, peak_memory_bytes = 0, 0.0, None
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def beside(opening: Opening) -> Conversation:
        server: Any = Running()
        return local.LocalConversation(open_chat(opening, services, endpoint), server, services.clock)

    return beside


async def together(load: Load, one: Callable[[], Awaitable[None]]) -> None:
    """Run all trials, so many at a time."""
    await bare.gathered(load.concurrent, load.trials, one)


def main(side: str, load: Load) -> None:
    """Run one side after a warm-up and print its figures as JSON."""
    run = {"bare": run_bare, "bytes": run_bytes, "flatfield": run_flatfield}[side]
    asyncio.run(run(msgspec.structs.replace(load, trials=1)))
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = time.process_time(), time.perf_counter()
    asyncio.run(run(load))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    after_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    turns = load.trials * load.turns
    mb = (after_mb - before_mb) / load.concurrent
    print(json.dumps({"cpu_ms": cpu / turns * 1000, "turns_s": turns / wall, "mb": mb}))


if __name__ == "__main__":
    main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Load))
