"""Says where an agent's requests go and which keys they bring, without sending any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from flatfield import plugins
from flatfield.errors import NotReady
from flatfield.tasks.access import Sends
from flatfield.tasks.agents import variables

if TYPE_CHECKING:
    from flatfield.records import AgentConfig

STANDS_IN = "set"


class Addressed(Protocol):
    """What all vendors' endpoints have: an address, and headers with keys in them."""

    @property
    def base_url(self) -> str:
        """Where requests go."""
        ...


class WatchedEnvironment(Mapping[str, str]):
    """An environment that remembers what was found in it; `pretend`: as if every key were set."""

    def __init__(self, environ: Mapping[str, str], *, pretend: bool = False, addresses: tuple[str, ...] = ()) -> None:
        self._environ = environ
        self._pretend = pretend
        self._addresses = addresses
        self.found: set[str] = set()

    def __getitem__(self, name: str) -> str:
        """The value; it was found."""
        if self._pretend and name not in self._addresses and not self._environ.get(name):
            self.found.add(name)
            return STANDS_IN
        value = self._environ[name]
        if value.strip():
            self.found.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        """The names of the environment."""
        return iter(self._environ)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._environ)


def runs_code(agent: AgentConfig) -> bool:
    """Whether the agent is a program that runs as the user.

    Raises:
        NotFound: there is no such provider.
        NotReady: the provider's module cannot be imported.
    """
    return plugins.traits_of(agent.provider).runs_code


def sends(agent: AgentConfig, environ: Mapping[str, str], *, pretend: bool = False) -> Sends:
    """Where the agent's requests go and what they bring; `pretend`: as if every key that it may need were set.

    A provider's module says it with its traits and `endpoint_of(agent, environ)`; of one that lacks the latter,
    the address and the variables that its configuration names are taken.

    Raises:
        NotFound: there is no such provider.
        NotReady: the provider's module cannot be imported.
    """
    endpoint_of = getattr(plugins.load("provider", agent.provider), "endpoint_of", None)
    vendor = plugins.traits_of(agent.provider)
    of_program = vendor.runs_code
    if endpoint_of is None:
        named = [*([agent.api_key_env] if agent.api_key_env else []), *variables(agent.headers)]
        there = tuple(dict.fromkeys(name for name in named if pretend or environ.get(name)))
        return Sends(url=agent.base_url or "", variables=there, runs_code=of_program)
    watched = WatchedEnvironment(environ, pretend=pretend, addresses=(vendor.url_variable,))
    try:
        endpoint: Addressed = endpoint_of(agent, watched)
    except NotReady:  # a key is missing: nothing will be sent
        return Sends(runs_code=of_program)
    return Sends(
        url=endpoint.base_url,
        variables=tuple(sorted(watched.found - {vendor.url_variable})),
        url_variable=vendor.url_variable,
        own_variables=vendor.key_variables,
        own_host=vendor.own_host,
        runs_code=of_program,
    )
