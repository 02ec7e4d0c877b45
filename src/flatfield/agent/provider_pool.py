"""The providers of one run: each opened once, when its first agent asks for it, and closed at the end."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from flatfield import plugins
from flatfield.agent.destinations import sends
from flatfield.agent.tiny import WatchedConversation, served_unlisted
from flatfield.errors import NotListed, NotReady
from flatfield.http.connecting import leads_here
from flatfield.http.secrecy import scrubbed
from flatfield.plugins import traits_or_usual
from flatfield.tasks.roster import remark
from flatfield.vendors.base import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from flatfield.http.secrecy import Secrets
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Conversation, Opening, Provider


class ProviderPool:
    """`async with ProviderPool(services) as pool:` closes every provider that was opened in it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: dict[str, Provider] = {}

    async def __aenter__(self) -> Self:
        """Nothing is opened before it is asked for."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all, in the reverse order of their opening; one that cannot be closed does not keep others open."""
        async with AsyncExitStack() as stack:
            for provider in self._open.values():
                stack.push_async_callback(provider.close)
            self._open.clear()

    @property
    def secrets(self) -> Secrets:
        """The keys that are in force, as far as they were used."""
        return self._services.secrets

    @property
    def services(self) -> Services:
        """What all of its providers share."""
        return self._services

    def of(self, agent: AgentConfig) -> Provider:
        """The agent's provider; of a cascade, what holds for all of its steps.

        Raises:
            NotFound: there is no provider of that name; the message lists those that exist.
        """
        if agent.steps:
            return _AllSteps(self)
        if agent.provider not in self._open:
            self._open[agent.provider] = plugins.load("provider", agent.provider).create(self._services)
        return self._open[agent.provider]

    async def check(self, agent: AgentConfig) -> str:
        """Whether the agent could run now, and what is to be said of it, "" for nothing.

        Spends nothing, but for a tiny request where the server's list does not name the agent's model.

        Raises:
            NotFound: there is no provider of that name.
            NotReady: it could not; the message says so too when its model is retired, or not known.
            NotTrusted: its program may not be run, or its key may not go where it asks.
        """
        if agent.steps:
            return "; ".join(filter(None, [await self.check(step) for step in agent.steps]))
        self._allow(agent)
        try:
            return await self._checked(agent)
        except NotReady as error:
            told = remark(agent, self._services.clock.utc().date())
            raise NotReady(scrubbed(f"{error} ({told})" if told else str(error), {}, self.secrets)) from None

    async def glance(self, agent: AgentConfig) -> None:
        """As `check`, but spends nothing at all: a model that its server does not list counts as not there.

        Where the vendor's own server is asked, having a key is enough.

        Raises:
            NotFound: there is no provider of that name.
            NotReady: it could not run now.
            NotTrusted: its program may not be run, or its key may not go where it asks.
        """
        if agent.steps:
            for step in agent.steps:
                await self.glance(step)
            return
        environ = self._services.environ
        if names := _keys_alone(agent, environ):
            if not any(environ.get(name, "").strip() for name in names):
                raise NotReady(f"{' or '.join(names)} is not set")
            return
        self._allow(agent)
        try:
            await self.of(agent).check(agent)
        except NotReady as error:
            raise NotReady(scrubbed(str(error), {}, self.secrets)) from None

    async def _checked(self, agent: AgentConfig) -> str:
        try:
            await self.of(agent).check(agent)
        except NotListed as error:
            return await served_unlisted(agent, self._services, error)
        return ""

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation with the opening's agent; where a server is silent, it is found out whose fault that is.

        Raises:
            NotTrusted: its program may not be run, or its key may not go where it asks.
        """
        self._allow(opening.agent)
        agent, provider = opening.agent, self.of(opening.agent)
        conversation = await provider.converse(opening)
        if not traits_or_usual(agent.provider).asks_server or traits_or_usual(agent.provider).is_scaffold:
            return conversation
        return WatchedConversation(conversation, agent, self._services, on_device=provider.on_device(agent))

    def _allow(self, agent: AgentConfig) -> None:
        access = self._services.access
        access.allow(access.of_agent(agent, sends(agent, self._services.environ)))


STEPS_LANE = Lane(name="cascades", width=64)
"""A cascade's trial waits for no server before it begins: each of its steps waits for its own."""


class _AllSteps:
    """What the providers of a cascade's steps say together; it talks to no model itself."""

    def __init__(self, pool: ProviderPool) -> None:
        self._pool = pool

    async def check(self, agent: AgentConfig) -> None:
        """Whether all steps could run now; see `Provider.check`."""
        for step in agent.steps:
            await self._pool.of(step).check(step)

    async def converse(self, opening: Opening) -> Conversation:
        """There is no conversation with a cascade.

        Raises:
            NotReady: always; the message says what to name in its place.
        """
        agent = opening.agent
        steps = ", ".join(step.name for step in agent.steps)
        raise NotReady(f"{agent.name} is a cascade, which cannot be asked as one model is; name one of {steps}")

    def lane(self, agent: AgentConfig) -> Lane:  # noqa: ARG002 - the protocol's
        """The lane in which nothing is waited for."""
        return STEPS_LANE

    def on_device(self, agent: AgentConfig) -> bool:
        """Whether none of its steps costs anything at an API."""
        return all(self._pool.of(step).on_device(step) for step in agent.steps)

    async def close(self) -> None:
        """The steps' providers are closed by the pool."""


def _keys_alone(agent: AgentConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Which variables may hold the key, where the vendor's own server, far away, is asked and needs nothing else."""
    vendor = traits_or_usual(agent.provider)
    moved = agent.base_url or agent.headers or environ.get(vendor.url_variable, "").strip()
    if moved or not vendor.url or vendor.own_server or leads_here(vendor.url):
        return ()
    return (agent.api_key_env,) if agent.api_key_env else vendor.key_variables
