"""What one MCP server works with, and where the clients' agents may work."""

from __future__ import annotations

import asyncio
import os
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mcp.shared.message import ServerMessageMetadata
from mcp_types import ListRootsRequest, ListRootsResult

from flatfield.errors import FlatfieldError, NotFound
from flatfield.tasks.access import is_broad, nobody
from flatfield.tasks.agents import ROUTES, near_provider, select_agents
from flatfield.tasks.near_names import meant, near
from flatfield.tasks.project import find_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcp.server.mcpserver import Context

    from flatfield.clock import Clock
    from flatfield.records import AgentConfig
    from flatfield.runs.world import Outside
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project


# Asks a client for its roots: the folders that it works in.


PATIENCE_SECONDS = 5.0
"""How long a client is given to answer; one that never does has none."""


async def client_roots(context: Context[Any, Any]) -> tuple[Path, ...]:
    """The folders that the client works in; none where it does not tell, or cannot be asked."""
    session = context.session
    capabilities = session.client_capabilities
    if capabilities is None or capabilities.roots is None or not session.can_send_request:
        return ()
    # Asked on the call's own stream: over HTTP a client may have no other open, and would never hear of it.
    call = ServerMessageMetadata(related_request_id=context.request_id)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            listed = await session.send_request(ListRootsRequest(), ListRootsResult, metadata=call)
    except Exception:  # noqa: BLE001 - whatever a client answers to it, it has then told no roots
        return ()
    parts = [urlsplit(str(root.uri)) for root in listed.roots]
    return tuple(Path(unquote(part.path)) for part in parts if part.scheme == "file" and part.path)


AGENTS_AT_ONCE = 16
ADDRESS_REFUSED = (
    "an agent with an address of its own is refused here: configure it in flatfield.toml, or start the server with "
    "--allow-urls"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerDesk:
    """One server's means: where it was started, what the user allowed, and the time.

    `roots` are the folders of `--root`; `agent` is who works when a call names nobody; `environ_of` reads what
    providers look keys up in; `trusts_client` False: a client's own roots open nothing, they can only narrow.
    `lops` are folders whose LOPs and HOPs may be evaluated too; `aloud`: evaluations that it starts speak for
    themselves. `access_of` decides what a project's files may do; `held` are its agents as they were when that was last
    allowed, `waits` says of some of them why they are not used as their files say now. `allow` are protected paths and
    globs in workspaces that agents may change. An evaluation of more than `ask_usd` dollars or `ask_minutes` is asked
    about; `lop_prompts`: each LOP is a prompt, a client's slash command. So many agents work at once: `parallel`.
    """

    cwd: Path
    clock: Clock
    environ_of: Callable[[Project], Mapping[str, str]]
    prices_of: Callable[[Project], Prices]
    announce: Callable[[str], None]
    config: Path | None = None
    roots: tuple[Path, ...] = ()
    agent: str | None = None
    allow_urls: bool = False
    trusts_client: bool = True
    lops: tuple[Path, ...] = ()
    aloud: bool = False
    access_of: Callable[[Project], Access] = lambda _project: nobody()
    held: dict[str, AgentConfig] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    parallel: int = AGENTS_AT_ONCE
    ask_usd: float = 1.0
    ask_minutes: float = 60.0
    lop_prompts: bool = False

    def project(self) -> Project:
        """The project in force, read anew: a roster may change while the server runs.

        Raises:
            InvalidFiles, NotFound: as `find_project`.
        """
        return self._settled(find_project(self.cwd, self.config, os.environ))

    def outside(self, project: Project) -> Outside:
        """What the project's agents, judges and forecasts are given from outside."""
        from flatfield.runs.world import Outside

        return Outside(
            clock=self.clock,
            environ=self.environ_of(project),
            access=self.access_of(project),
            prices=self.prices_of(project),
            lane_limits=project.lanes,
        )

    def _settled(self, project: Project) -> Project:
        """The project with its agents as they may be used: one that wants more than before stays as it was."""
        access = self.access_of(project)
        if not access.origins and not any(agent.folder for agent in project.roster):
            return project  # nothing is written here; looking closer would load every vendor's package
        from flatfield.runs.permission import agent_wants

        environ = self.environ_of(project)
        roster: list[AgentConfig] = []
        waits: dict[str, str] = {}
        for agent in project.roster:
            if access.allows(tuple(agent_wants(agent, environ, access))):
                self.held[agent.name] = agent
                roster.append(agent)
                continue
            before = self.held.get(agent.name)
            left = "it cannot be used" if before is None or before == agent else "the one from before is used"
            whose = f"agent {agent.name} of {agent.source}"
            place = shlex.quote(str(agent.folder or project.folder))
            waits[agent.name] = f"{whose} waits for `flatfield trust {place}`: {left}"
            roster.append(before or agent)
        self.waits.update(waits)
        for name in set(self.waits) - set(waits):  # other calls read it meanwhile
            self.waits.pop(name, None)
        return replace(
            project, roster=replace(project.roster, agents=tuple(roster)), notes=(*project.notes, *waits.values())
        )

    def chosen(self, project: Project, agent: str | None, provider: str | None, model: str | None) -> AgentConfig:
        """The one agent that a call means.

        Raises:
            FlatfieldError: none is meant, several are, or one that is not configured; it says what is valid.
        """
        if agent is not None and (provider is not None or model is not None):
            raise FlatfieldError("name either agent, or model with its provider, not both")
        if agent is None and model is None:
            return self._default(project, provider)
        if model is not None:
            return _by_model(model, provider, project.roster)
        return self._by_name(str(agent), project)

    def _by_name(self, name: str, project: Project) -> AgentConfig:
        configured = next((one for one in project.roster if one.name == name), None)
        if configured is not None:
            return configured
        if not self.allow_urls and ("://" in name or "@" in name):
            raise FlatfieldError(ADDRESS_REFUSED)
        if ":" in name and name not in ROUTES and not self.allow_urls:
            provider, _, model = name.partition(":")
            return _by_model(model, provider, project.roster)
        try:
            found = select_agents((name,), project.roster)
        except NotFound:
            if self.allow_urls and ":" in name:
                raise
            found = meant(name, project.roster)[:1]
        if len(found) != 1:
            raise FlatfieldError(f"agent is no one agent's name; {_offer(name, project.roster)}")
        return found[0]

    def _default(self, project: Project, provider: str | None) -> AgentConfig:
        if provider is not None:
            raise FlatfieldError("provider alone names no agent: give model too, or agent")
        if self.agent is not None:
            return self._by_name(self.agent, project)
        own = next((one for one in project.roster if not one.is_shipped), None)
        if own is None:
            raise FlatfieldError(
                "say who works: agent, or model with its provider; list_agents shows which there are (the server's "
                "--agent NAME sets a default)"
            )
        return own

    def places(self, client_roots: Sequence[Path]) -> tuple[Path, ...]:
        """The folders that agents may work in, resolved: `--root`, and the client's own where it is trusted.

        With neither, the folder that the server was started in. A client that is not trusted only narrows them. Only
        `--root` can open `/`, the home folder or what lies above it: clients start servers there by accident.
        """
        own = tuple(path.resolve() for path in self.roots)
        theirs = tuple(path for path in (root.resolve() for root in client_roots) if not is_broad(path))
        here = self.cwd.resolve()
        usual = () if is_broad(here) else (here,)
        if self.trusts_client:
            return (*own, *theirs) or usual
        own = own or usual
        return tuple(path for path in theirs if _inside(path, own)) if theirs else own

    def workspace(self, asked: str | None, client_roots: Sequence[Path]) -> Path:
        """The folder that an agent works in: the one asked for, else the server's own, else the first that is allowed.

        Raises:
            FlatfieldError: it is no folder, or lies outside all that is allowed.
        """
        allowed = self.places(client_roots)
        if not allowed and not self.roots and is_broad(self.cwd.resolve()):
            raise FlatfieldError(
                f"no folder is open to agents here: the server was started in {self.cwd}, and the client names no "
                "project's; start it in a project, or with --root DIR"
            )
        if asked is None:
            here = self.cwd.resolve()
            if _inside(here, allowed):
                return here
            if allowed:
                return allowed[0]
        folder = (self.cwd / Path(asked or ".").expanduser()).resolve()
        if not _inside(folder, allowed):
            named = ", ".join(map(str, allowed)) or "a project's folder, and this server was started in none"
            raise FlatfieldError(
                f"workspace must lie inside {named}; name such a folder, or start the server with --root DIR"
            )
        if not folder.is_dir():
            raise FlatfieldError(f"workspace {folder} is no folder; name one that exists")
        return folder


def _inside(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _by_model(model: str, provider: str | None, roster: Sequence[AgentConfig]) -> AgentConfig:
    """The first agent of the roster with this model (or this name), at this provider when one is given."""
    if not model:
        raise FlatfieldError("model is empty: name one, or an agent; list_agents shows which there are")
    alike = [one for one in roster if model in (one.model, one.name) and provider in (None, one.provider)]
    if alike:
        return alike[0]
    if provider is None and (same := meant(model, roster)):
        return same[0]
    others = sorted({one.provider for one in roster if model in (one.model, one.name)})
    if others:
        raise FlatfieldError(f"that model is not configured at this provider; it is at: {', '.join(others)}")
    providers = sorted({one.provider for one in roster})
    if provider is not None and provider not in providers:
        raise FlatfieldError(f"that is no provider{near_provider(provider)}")
    raise FlatfieldError(f"no agent is configured for that model; {_offer(model, roster, provider)}")


def _offer(name: str, roster: Sequence[AgentConfig], provider: str | None = None) -> str:
    """What to say behind a name that is none, without repeating it: it might be a key."""
    shown = ", ".join(f"{one.name} ({one.provider})" for one in near(name, roster, provider))
    return f"near it: {shown}; list_agents shows all" if shown else "list_agents shows which there are"
