"""`ollama`: what the vendor states about itself, and where a server listens, as Ollama itself reads its OLLAMA_HOST."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct, field

from flatfield.http.connecting import leads_here
from flatfield.http.services import place_of
from flatfield.records import Traits
from flatfield.vendors import base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig


TRAITS = Traits(
    name="ollama",
    url="http://127.0.0.1:11434",
    url_variable="OLLAMA_HOST",
    key_variables=("OLLAMA_API_KEY",),
    key_host="ollama.com",
    own_server=True,
    known_as=("ollama", "оллама", "オラマ", "올라마"),
    device="by address",
    sizes_context=True,
    finds_protocol="always",
    recalls=True,
    color="blue",
    litellm_name="ollama_chat",
    router_path="/v1/chat/completions",
)


# Where an Ollama server listens, as Ollama itself reads its OLLAMA_HOST, and whose device its models run on.


VARIABLE = TRAITS.url_variable
CLOUD_HOST = TRAITS.key_host
PORT = "11434"
OLLAMA_URL = TRAITS.url
_ON_ONE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - all interfaces, to be asked on one


class OllamaServer(Struct, frozen=True, kw_only=True):
    """Where one agent's requests go; `remote`: the model runs at Ollama's own service, nothing is loaded here."""

    base_url: str
    headers: dict[str, str] = field(default_factory=dict)
    remote: bool = False


def ollama_url(environ: Mapping[str, str]) -> str:
    """Where Ollama listens: OLLAMA_HOST in any of its forms, else its usual place."""
    return server_url(environ.get(VARIABLE, ""))


def server_url(written: str) -> str:
    """An address with scheme and port, from what may lack either (the rules of Ollama's own envconfig.Host).

    Without a scheme the port is Ollama's, with one it is the scheme's; a server's address of all interfaces becomes
    that of one; a path is kept.
    """
    text = written.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = ("https" if text == CLOUD_HOST else "http"), text
    authority, _, path = rest.partition("/")
    user, at, place = authority.rpartition("@")
    host, port = _parts(place)
    if not port and not separator and text != CLOUD_HOST:
        port = PORT
    host = _ON_ONE.get(host, host)
    shown_host = f"[{host}]" if ":" in host else host
    suffix = f":{port}" if port else ""
    return f"{scheme}://{user}{at}{shown_host}{suffix}/{path}".rstrip("/")


def _parts(place: str) -> tuple[str, str]:
    """Host and port of `host`, `host:port`, `:port`, `::1`, `[::1]` and `[::1]:port`; no port: an empty text."""
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        port = rest.removeprefix(":")
    elif place.count(":") > 1:
        host, port = place, ""
    else:
        host, _, port = place.partition(":")
    return host, port if port.isdecimal() and int(port) < 65536 else ""


def address(agent: AgentConfig, environ: Mapping[str, str]) -> str:
    """The agent's own, else OLLAMA_HOST, else Ollama's usual one."""
    return server_url(agent.base_url) if agent.base_url else ollama_url(environ)


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> OllamaServer:
    """The agent's server. A key is sent where `api_key_env` names one, and to Ollama's own service.

    Raises:
        NotReady: a key is needed and not there.
    """
    url = address(agent, environ)
    headers = base.own_headers(agent, environ)
    if agent.api_key_env or _is_hosted(url):
        headers["Authorization"] = f"Bearer {base.api_key(agent, environ, TRAITS)}"
    return OllamaServer(base_url=url, headers=headers, remote=_is_hosted(url) or is_cloud_model(agent.model))


def is_cloud_model(model: str) -> bool:
    """Whether a server passes a model's requests on to Ollama's service, as `gpt-oss:120b-cloud` or `glm-4.6:cloud`."""
    tag = model.rpartition(":")[2] if ":" in model else ""
    return tag == "cloud" or tag.endswith("-cloud")


def on_device(agent: AgentConfig, environ: Mapping[str, str]) -> bool:
    """As configured, else where the server is on loopback and the model is not one of its service's."""
    if agent.on_device is not None:
        return agent.on_device
    return leads_here(address(agent, environ)) and not is_cloud_model(agent.model)


def lane(agent: AgentConfig, environ: Mapping[str, str]) -> base.Lane:
    """One trial at a time on a device, this one or that of another server, so that none slows another."""
    url = address(agent, environ)
    if not on_device(agent, environ) and (_is_hosted(url) or is_cloud_model(agent.model)):
        return base.api_lane(f"ollama:{CLOUD_HOST}", place_of(url), agent.model)
    return base.device_lane(url)


def _is_hosted(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == CLOUD_HOST or host.endswith(f".{CLOUD_HOST}")
