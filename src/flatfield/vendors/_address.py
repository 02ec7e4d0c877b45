"""Where an agent's requests go: whose address, whose key, and which lane they share."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct, field

from flatfield.errors import NotReady
from flatfield.http.proxies import is_loopback
from flatfield.http.services import place_of
from flatfield.tasks.headers import filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig, Traits

CONCURRENT_TRIALS = 16
THIS_DEVICE = "local"


class Lane(Struct, frozen=True, kw_only=True):
    """What must not run at the same time: trials in lane `name` run at most `width` at once.

    `place`: the host and port whose refusals to `model` make the lane narrower for a while; "" for a width that stays.
    `device`: the machine that models run on, one at a time also among processes; "" where it is somebody else's matter.
    """

    name: str
    width: int
    place: str = ""
    model: str = ""
    device: str = ""


class Address(Struct, frozen=True, kw_only=True):
    """Where one agent's requests go and what all of them bring; `headers` hold the key."""

    base_url: str
    headers: dict[str, str] = field(default_factory=dict)


def base_url(agent: AgentConfig, environ: Mapping[str, str], vendor: Traits) -> str:
    """The agent's own, else the vendor's variable, else the vendor's address; without a slash at the end."""
    return (agent.base_url or environ.get(vendor.url_variable, "").strip() or vendor.url).rstrip("/")


def is_own(url: str, vendor: Traits) -> bool:
    """Whether an address is the vendor's own host, or one of its regions (`eu.HOST`): not one that somebody wrote."""
    host, port = host_and_port(url)
    own, own_port = host_and_port(vendor.url if not vendor.key_host else f"https://{vendor.key_host}")
    return bool(own) and port == own_port and (host == own or host.endswith(f".{own}"))


def host_and_port(url: str) -> tuple[str, int | None]:
    """An address's host in lower case, and the port that is asked: that of the scheme where none is written."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # a port that is no number
        return "", None


def api_key(agent: AgentConfig, environ: Mapping[str, str], vendor: Traits) -> str:
    """The key from `api_key_env`, else from the vendor's variables, the first that is set.

    Raises:
        NotReady: none is set; the message names the variable.
    """
    variables = (agent.api_key_env,) if agent.api_key_env else vendor.key_variables
    for variable in variables:
        key = environ.get(variable, "").strip()
        if key:
            return key
    raise NotReady(f"agent {agent.name!r} needs a key: set the environment variable {' or '.join(variables)}")


def own_headers(agent: AgentConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """The agent's own headers, with what the variables hold that they name.

    Raises:
        NotReady: one of these is not set.
    """
    try:
        return filled(agent.headers, environ)
    except KeyError as error:
        raise NotReady(
            f"agent {agent.name!r} needs the environment variable {error.args[0]}, which its headers name: set it"
        ) from None


def brings(headers: Mapping[str, str], *names: str) -> bool:
    """Whether one of these headers (in lower case) is among an agent's own."""
    return any(name.lower() in names for name in headers)


def server_lane(agent: AgentConfig, environ: Mapping[str, str], vendor: Traits) -> Lane:
    """One lane per server and model; on the user's own device one trial at a time, so that none slows another."""
    url = base_url(agent, environ, vendor)
    if agent.on_device:
        return device_lane(url)
    place = place_of(url)
    return api_lane(f"{vendor.name}:{place}", place, agent.model)


def api_lane(name: str, place: str, model: str) -> Lane:
    """The lane of one model at a server that answers many at once."""
    return Lane(name=f"{name} {model}".strip(), width=CONCURRENT_TRIALS, place=place, model=model)


def device_lane(url: str = "") -> Lane:
    """The lane of the device that a server's address names: this one for loopback and without an address.

    Ports do not count: two servers on one machine compete for it.
    """
    host = urlsplit(url).hostname or ""
    device = THIS_DEVICE if not host or is_loopback(host) else host
    return Lane(name=f"device:{device}", width=1, device=device)
