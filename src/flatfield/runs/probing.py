"""Finds out the tool protocol of agents that leave it open, before their first trial, and keeps what was found."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from flatfield import json_text, plugins
from flatfield.agent.probes import all_probes, find_protocol, offered_tools, worded
from flatfield.errors import FlatfieldError
from flatfield.http.connecting import leads_here
from flatfield.records import Probed
from flatfield.tasks.agents import member_name
from flatfield.tasks.cache import replace_whole
from flatfield.vendors.base import base_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.records import AgentConfig, Run, TrialRecord
    from flatfield.runs.traffic.lanes import Lanes


UNKNOWN = Probed(protocol="text", problem="its server does not say which model and build it serves")
"""What is taken where nothing can be found out: native calls, and those in a text where there are no others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probing:
    """What probes are asked through; `tell` hears what is going on, as it may take a minute."""

    pool: ProviderPool
    lanes: Lanes
    tell: Callable[[str], None]


def leaves_open(agent: AgentConfig, environ: Mapping[str, str]) -> bool:
    """Whether the agent's protocol is to be found out: it says so, or says nothing and its provider usually does."""
    if agent.protocol is not None or agent.tools == ():
        return agent.protocol == "auto"
    traits = plugins.traits_or_usual(agent.provider)
    if traits.finds_protocol == "on loopback":
        return leads_here(base_url(agent, environ, traits))
    return traits.finds_protocol == "always"


async def with_protocol(agent: AgentConfig, probing: Probing) -> tuple[AgentConfig, Probed | None]:
    """The agent with a protocol of its own, and how that was found out; None: nothing had to be.

    What is found is kept by what the model and its server are. Where a server does not say what it serves, nothing
    could be kept, and nothing is asked: calls are then taken as they come, natively or in the text.
    """
    services = probing.pool.services
    if not leaves_open(agent, services.environ):
        return agent, None
    identity = await _identity(agent, probing.pool)
    if not identity:
        return structs.replace(agent, protocol=UNKNOWN.protocol), UNKNOWN
    async with probing.lanes.hold(probing.pool.of(agent).lane(agent)):
        path = _path(services.cache, identity)
        found = await asyncio.to_thread(_kept, path)
        if found is None:
            probing.tell(f"{agent.name}: finding out how it calls tools, with {len(all_probes())} small questions")
            found = await _found(agent, probing)
            if not found.problem:
                await asyncio.to_thread(_keep, path, found)
            probing.tell(f"{agent.name}: {worded(found)}")
    return structs.replace(agent, protocol=found.protocol), found


async def known_protocol(agent: AgentConfig, pool: ProviderPool) -> Probed | None:
    """What was found out earlier for the agent's model and server, whatever the agent says; None: nothing."""
    if plugins.traits_or_usual(agent.provider).finds_protocol == "never":
        return None
    identity = await _identity(agent, pool)
    return await asyncio.to_thread(_kept, _path(pool.services.cache, identity)) if identity else None


async def with_protocols(run: Run, agents: Sequence[AgentConfig], probing: Probing, stop: asyncio.Event) -> Run:
    """The run, of whose agents those that are named have a protocol; as it was, where `stop` is set meanwhile."""
    work = asyncio.ensure_future(_with_protocols(run, agents, probing))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else run
    finally:
        for task in (work, stopped):
            task.cancel()
        await asyncio.wait({work, stopped})


async def _with_protocols(run: Run, agents: Sequence[AgentConfig], probing: Probing) -> Run:
    """One after the other: most share one device."""
    probed = dict(run.probed)
    named = {agent.name for agent in agents}
    resolved = []
    for agent in run.agents:
        members = []
        for member in agent.members:
            whole, found = await with_protocol(member, probing) if agent.name in named else (member, None)
            members.append(whole)
            if found is not None:
                probed[member_name(agent, member)] = found
        resolved.append(structs.replace(agent, steps=tuple(members)) if agent.steps else members[0])
    return structs.replace(run, agents=tuple(resolved), probed=probed)


def as_carried_out(run: Run, record: TrialRecord) -> Run:
    """A delegated run with the protocol that its agent was found to need."""
    used = next((turn.reply.request.protocol for turn in record.turns if turn.reply.request.protocol), None)
    agents = tuple(
        structs.replace(agent, protocol=used) if used and agent.protocol in {None, "auto"} else agent
        for agent in run.agents
    )
    return structs.replace(run, agents=agents)


async def _found(agent: AgentConfig, probing: Probing) -> Probed:
    pool = probing.pool
    async with probing.lanes.alone(pool.of(agent).lane(agent)):
        return await find_protocol(agent, pool.converse, pool.services.clock, offered_tools())


async def _identity(agent: AgentConfig, pool: ProviderPool) -> str:
    """What the model and its server are, in all that bears on how tools are called; "" where that cannot be told."""
    of_vendor = getattr(plugins.load("provider", agent.provider), "identity_of", None)
    if of_vendor is None:
        return ""
    try:
        return str(await of_vendor(agent, pool.services))
    except FlatfieldError:
        return ""


def _path(cache: Path, identity: str) -> Path:
    asked = msgspec.json.encode([identity, all_probes(), offered_tools()])
    return cache / "protocols" / f"{hashlib.sha256(asked).hexdigest()[:32]}.json"


def _kept(path: Path) -> Probed | None:
    try:
        found: Probed = json_text.decoded(path.read_bytes(), Probed)
    except (OSError, ValueError):
        return None
    return found


def _keep(path: Path, found: Probed) -> None:
    """Write it down for other runs; a cache that cannot be written costs the probes again, and nothing else."""
    with suppress(OSError):
        replace_whole(path, msgspec.json.encode(found))
