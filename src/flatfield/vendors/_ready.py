"""Decides, before anything is spent, whether a server serves an agent's model: one rule for all vendors."""

from __future__ import annotations

import difflib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from flatfield import json_text
from flatfield.errors import NotListed, NotReady
from flatfield.http.connecting import is_loopback, proxy_for
from flatfield.http.secrecy import shown_url
from flatfield.http.services import place_of
from flatfield.tasks.agents import filled, variables
from flatfield.tasks.source import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig, Traits


# Where an agent's requests go: whose address, whose key, and which lane they share.


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
    headers: dict[str, str] = msgspec.field(default_factory=dict)


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


T = TypeVar("T", bound=Struct)
ASK_SECONDS = 10.0
NAMED = 8
"""So many of a server's models are named in a message."""


class Listed(Struct, frozen=True, kw_only=True):
    """A model in a server's list; `unusable`: why it cannot be used, in words ("was retired on 2026-08-05")."""

    id: str
    unusable: str = ""


def _absent(model: str, where: str, names: str) -> str:
    return f"{where} does not serve {model!r} (retired, misspelt, or not open to this key); it serves: {names}"


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """How a vendor's servers say which models they have; paths are below an agent's base URL.

    `kind`: what such a server is called ("OpenAI-compatible"); `path` of its list; `read`: the models in its body
    (raises ValueError where that is no JSON). `form`: how a base URL is written, for those who have to correct one.
    `door`: the path that a conversation with a model is asked at ("": not known). `server` and `start`: how a server
    that does not answer is called, and what to do about it. `is_certain`: every such server has a list, so that one
    without is another server. `corrected`: the base URL that somebody who wrote this one may have meant, "" where it
    looks right. `alike`: the ids that one model may have in a list. `single`: the path of one model and what is posted
    to it (None: it is got), for what a list need not hold; `read_single`: what it says. `is_key_refused`: whether an
    answer other than 401 and 403 says that the key is wrong. `absent`: what is said of a model that is not there, of
    its name, the address and the models that are.
    """

    kind: str
    path: str
    read: Callable[[bytes], Sequence[Listed]]
    form: str
    door: Callable[[str], str] = field(default=lambda _model: "")
    server: str = "server"
    start: str = "start it, or correct base_url"
    is_certain: bool = False
    corrected: Callable[[str], str] = field(default=lambda _url: "")
    alike: Callable[[str], frozenset[str]] = field(default=lambda model: frozenset({model}))
    single: Callable[[str], tuple[str, bytes | None] | None] = field(default=lambda _model: None)
    read_single: Callable[[bytes], Listed | None] = field(default=lambda _body: None)
    is_key_refused: Callable[[int, bytes], bool] = field(default=lambda _status, _body: False)
    absent: Callable[[str, str, str], str] = field(default=_absent)


async def ready(agent: AgentConfig, address: Address, services: Services, vendor: Traits, catalogue: Catalogue) -> None:
    """Return when the server may serve the agent's model; nothing is spent.

    A key that is refused (401, 403), a redirect and a web page in the place of a list end it anywhere. What may be the
    server's passing trouble (5xx) and a wrong base path (404) end it where somebody wrote the address; the vendor's own
    host is believed to be there. A server without a list of models is given the benefit of the doubt.

    Raises:
        NotReady: it does not answer, does not take the key, is no such server, or does not serve the model; with the
            fix. NotListed: all is well but for the model, which its list does not name.
    """
    asked = _Question(agent=agent, address=address, services=services, vendor=vendor, catalogue=catalogue)
    status, body = await asked.get(catalogue.path)
    problem = asked.trouble(status, body)
    if not problem and status in {404, 405} and not is_own(address.base_url, vendor):
        problem = await asked.wrong_path(status)
    if problem:
        raise asked.refused(problem)
    listed = asked.models(body) if status == 200 else ()
    if agent.model and (listed or catalogue.is_certain):
        await asked.expect_model(listed)


async def answered(
    url: str, headers: Mapping[str, str], services: Services, data: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body of a GET, or of a POST of `data`; no redirect is followed.

    Raises:
        aiohttp.ClientError, TimeoutError: no answer.
        ValueError: a header cannot be sent.
    """
    import aiohttp

    services.secrets.add_headers(headers)
    async with services.session.request(
        "GET" if data is None else "POST",
        url,
        data=data,
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
        allow_redirects=False,
        proxy=proxy_for(url, services.environ),
    ) as response:
        return response.status, await response.read()


def closest(name: str, names: Sequence[str]) -> str:
    """Names in a sentence: those that come close first, then others, and how many there are in all."""
    close = difflib.get_close_matches(name, names, n=NAMED, cutoff=0.5)
    ordered = [*close, *(other for other in names if other not in close)]
    more = f", … ({len(ordered)} in all)" if len(ordered) > NAMED else ""
    return f"{', '.join(ordered[:NAMED])}{more}"


class _NamedModel(Struct):
    id: str


def listed_ids(body: bytes) -> list[Listed]:
    """The models of a list in OpenAI's form, `{"data": [{"id": …}]}`, as many other servers have it.

    Raises:
        ValueError: it is no JSON.
    """
    return [Listed(id=each.id) for each in entries(body, "data", _NamedModel)]


def with_version(base_url: str) -> str:
    """What somebody may have meant whose address of an OpenAI-compatible server has no path, or one too much."""
    for ending in ("/chat/completions", "/completions", "/responses", "/models"):
        if base_url.endswith(ending):
            return base_url.removesuffix(ending)
    return "" if urlsplit(base_url).path.strip("/") else f"{base_url}/v1"


def without_version(base_url: str) -> str:
    """What somebody may have meant whose address ends in a version that the vendor's tools add by themselves."""
    for ending in ("/v1/messages", "/v1/models", "/v1", "/v1beta"):
        if base_url.endswith(ending):
            return base_url.removesuffix(ending)
    return ""


def entries(body: bytes, name: str, kind: type[T]) -> list[T]:
    """A list of models as a vendor's own records: that under a name, or the whole body; odd entries are passed over.

    Raises:
        ValueError: it is no JSON.
    """
    value = json_text.decoded(body)
    listed = value.get(name) if isinstance(value, dict) else value
    found: list[T] = []
    for entry in listed if isinstance(listed, list) else ():
        with suppress(msgspec.ValidationError):
            found.append(msgspec.convert(entry, kind))
    return found


def entry(body: bytes, kind: type[T]) -> T | None:
    """One model as a vendor's own record; None where it is none."""
    try:
        return msgspec.convert(json_text.decoded(body), kind)
    except (ValueError, msgspec.ValidationError):
        return None


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One agent's server, and what its answers mean."""

    agent: AgentConfig
    address: Address
    services: Services
    vendor: Traits
    catalogue: Catalogue

    async def get(self, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of a GET, or of a POST of `data`; raises NotReady where none comes, and shows no header."""
        import aiohttp

        from flatfield.http.connecting import distrust
        from flatfield.http.transport import why

        url, catalogue = f"{self.address.base_url}{path}", self.catalogue
        whose, where = f"agent {self.agent.name!r}", shown_url(self.address.base_url)
        try:
            return await answered(url, self.address.headers, self.services, data)
        except aiohttp.ClientConnectorCertificateError as error:
            raise NotReady(f"{whose}: {distrust(error, where)}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            fix = catalogue.start if self._is_written() else "check the network"
            if proxy_for(url, self.services.environ) is not None:
                fix = "check the proxy that the environment names"
            tried = f"no {catalogue.server} answers at {where}, from {self._source()}"
            raise NotReady(f"{whose}: {tried} ({why(error)}); {fix}") from None
        except ValueError:
            fix = "correct the key or the agent's headers: one holds what no header may"
            raise NotReady(f"{whose}: no request can be made to {where}; {fix}") from None

    def trouble(self, status: int, body: bytes) -> str:
        """What an answer in the place of a list means, with the fix; "" when the server may still do."""
        catalogue, written = self.catalogue, self._is_written()
        if status in {401, 403} or catalogue.is_key_refused(status, body):
            return f"refuses the request ({status}); {self._key_fix()}"
        if 300 <= status < 400:
            fix = "set base_url to where it leads" if written else "something else answers there: check the network"
            return f"redirects ({status}); {fix}"
        if status >= 500 and written:
            return f"is not ready ({status}); wait until it has loaded its model, or restart it"
        if status in {400, 404, 405} and written and catalogue.is_certain:
            return f"answers {status} to {catalogue.path}, so it is no {catalogue.kind} server; {catalogue.form}"
        if status in {404, 405} and written and (meant := catalogue.corrected(self.address.base_url)):
            return f"knows no list of models ({status}); {catalogue.form}: did you mean {shown_url(meant)}?"
        return ""

    async def wrong_path(self, status: int) -> str:
        """What is wrong where a server has neither a list nor a door for conversations; "" where it has the latter.

        The door is knocked at with an empty request, which no server can answer with a reply.
        """
        door = self.catalogue.door(self.agent.model)
        if not door:
            return ""
        found, body = await self.get(door, b"{}")
        if found not in {404, 405} or b"model" in body.lower():
            return ""
        return f"knows neither a list of models ({status}) nor {door} ({found}); {self.catalogue.form}"

    def models(self, body: bytes) -> Sequence[Listed]:
        """The models that a list names, perhaps none; raises NotReady where it is none."""
        try:
            return self.catalogue.read(body)
        except ValueError:
            pass
        what = f"is no {self.catalogue.kind} server: its list of models is no JSON"
        if body.lstrip()[:1] == b"<":
            what = f"is no {self.catalogue.kind} server, or asks for a login: it answers with a web page"
        raise self.refused(f"{what}; {self.catalogue.form}")

    async def expect_model(self, listed: Sequence[Listed]) -> None:
        """Raise NotReady where the agent's model is not among those that can be used."""
        catalogue, model = self.catalogue, self.agent.model
        wanted = catalogue.alike(model)
        found = next((each for each in listed if each.id in wanted), None)
        single = catalogue.single(model)
        if found is None and single is not None:
            status, body = await self.get(*single)
            if status == 200 or status >= 429:  # a server in trouble is not one that has no such model
                found = (catalogue.read_single(body) if status == 200 else None) or Listed(id=model)
        usable = [each.id for each in listed if not each.unusable]
        names = closest(model, usable)
        if found is None:
            said = catalogue.absent(model, shown_url(self.address.base_url), names)
            raise NotListed(f"agent {self.agent.name!r}: {said}{did_you_mean(model, usable)}")
        if found.unusable:
            raise NotReady(f"agent {self.agent.name!r}: {model!r} {found.unusable}; choose another: {names}")

    def refused(self, problem: str) -> NotReady:
        """The error that says what is wrong with the server."""
        return NotReady(f"agent {self.agent.name!r}: {shown_url(self.address.base_url)} {problem}")

    def _is_written(self) -> bool:
        return not is_own(self.address.base_url, self.vendor)

    def _key_fix(self) -> str:
        """Where the key came from that is refused, or that there was none."""
        keys = {name: self.services.environ.get(name, "").strip() for name in self.vendor.key_variables}
        values = self.address.headers.values()
        sent = [name for name, key in keys.items() if key and any(key in value for value in values)]
        named = [self.agent.api_key_env] if self.agent.api_key_env else [*variables(self.agent.headers), *sent]
        return f"check the key in {' or '.join(named)}" if named else self._key_wanted()

    def _key_wanted(self) -> str:
        """How to send a key where none goes unasked; for an agent that no file has, the line that makes it one."""
        agent, variable = self.agent, next(iter(self.vendor.key_variables), "MY_KEY")
        unasked = "no key was sent, as none goes to such an address unasked"
        if not agent.name.startswith(f"{agent.provider}:"):
            return f'{unasked}; name the variable that holds it: api_key_env = "{variable}"'
        keys = {"provider": agent.provider, "model": agent.model, "base_url": agent.base_url, "api_key_env": variable}
        written = ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
        return (
            f"{unasked}; say --key-env {variable} (try, eval, run), or write into flatfield.toml `agents.mine = "
            f"{{{written}}}`, and name mine instead"
        )

    def _source(self) -> str:
        """Where the address was found, for those who have to correct it."""
        if self.agent.base_url:
            return "its base_url"
        is_set = bool(self.services.environ.get(self.vendor.url_variable, "").strip())
        return self.vendor.url_variable if is_set else "the usual address"
