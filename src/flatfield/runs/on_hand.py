"""Which models can be asked from here, told without a request to a vendor: by keys, servers on this machine, files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flatfield import plugins
from flatfield.evidence.choosing import OnHand, Surroundings
from flatfield.machine.memory import machine_memory
from flatfield.machine.models import list_models
from flatfield.runs.readiness import agent_spec, find_servers, listed_models
from flatfield.tasks.agents import is_control
from flatfield.tasks.roster import notice, retirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.runs.readiness import RunningServer


async def surroundings(roster: Sequence[AgentConfig], services: Services, today: date) -> Surroundings:
    """The agents of a roster and what servers and files here hold, with what each lacks; retired models are not there.

    Nothing is spent: servers that usually listen on this machine are asked which models they have.
    """
    servers = await find_servers(services)
    own = [agent for agent in roster if _is_own_server(agent)]
    answers = await asyncio.gather(*(listed_models(services, agent.base_url or "") for agent in own))
    pulled = frozenset(entry.name for entry in list_models(services.cache) if entry.pulled and entry.fits != "no")
    memory = machine_memory()
    hosted = (_hosted(agent, services.environ, today) for agent in roster if _is_asked(agent, today))
    return Surroundings(
        models=(
            *_on_device(roster, pulled),
            *(found for found in hosted if found is not None),
            *(
                OnHand(agent=agent.name, model=agent.model, local=bool(agent.on_device))
                for agent, models in zip(own, answers, strict=True)
                if models and agent.model in models
            ),
            *(found for server in servers for found in _served(server, roster)),
        ),
        memory_bytes=memory.total_bytes if memory else None,
        today=today.isoformat(),
    )


def _is_own_server(agent: AgentConfig) -> bool:
    """Whether it is asked at an address that the user names, without a key."""
    return bool(agent.base_url) and agent.api_key_env is None


def _is_asked(agent: AgentConfig, today: date) -> bool:
    traits = plugins.traits_or_usual(agent.provider)
    return not (is_control(agent) or traits.is_scaffold or traits.is_on_device or retirement(agent, today))


def _hosted(agent: AgentConfig, environ: Mapping[str, str], today: date) -> OnHand | None:
    """An agent behind an API, with the variable of its key where none is set; None: a server of the user's own."""
    traits = plugins.traits_or_usual(agent.provider)
    if traits.own_server or _is_own_server(agent):
        return None
    keys = (agent.api_key_env,) if agent.api_key_env else traits.key_variables
    has_key = not keys or any(environ.get(name, "").strip() for name in keys)
    note = notice(agent, today)
    return OnHand(agent=agent.name, model=agent.model, needs="" if has_key else keys[0], note=note)


def _on_device(roster: Sequence[AgentConfig], pulled: frozenset[str]) -> Iterator[OnHand]:
    for agent in roster:
        if plugins.traits_or_usual(agent.provider).is_on_device and agent.model in pulled:
            yield OnHand(agent=agent.name, model=agent.model, local=True)


def _served(server: RunningServer, roster: Sequence[AgentConfig]) -> Iterator[OnHand]:
    """The models of a server on this machine, by the name of a configured agent where it has one."""
    names = {
        agent.model: agent.name
        for agent in reversed(roster)
        if agent.provider == server.usual.provider and not agent.base_url and not server.usual.address
    }
    for model in server.models:
        yield OnHand(agent=names.get(model) or agent_spec(server, model), model=model, local=True)
