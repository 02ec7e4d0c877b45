"""Decides which requests may come in over HTTP: by their Host, Origin, token and size."""

from __future__ import annotations

import hmac
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct
from starlette.responses import PlainTextResponse

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_HEAD_BYTES = 16 * 1024
LARGEST_BODY_BYTES = 1024 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443}
CHALLENGE = 'Bearer realm="flatfield"'
_NAME = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
_PLACE = re.compile(rf"(?P<host>{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{{0,4}}))?", re.ASCII)
_ORIGIN = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<place>{_PLACE.pattern})", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ABSOLUTE = re.compile(rb"(?i:http)://(?P<host>[^/?#]*)(?P<path>/[^?#]*)?(?:\?.*)?")


class Listening(Struct, frozen=True, kw_only=True):
    """Where the server listens, and who may talk to it.

    `hosts` are the names that clients reach it by, beside its address; `origins` are web pages that may call it (none
    by default: a browser sends an Origin, an MCP client does not). `token` None: no token is asked for.
    """

    host: str
    port: int
    token: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class Refusal(Struct, frozen=True, kw_only=True):
    """The answer to a request that may not come in."""

    status: int
    reason: str
    challenge: str | None = None


class Allowed(Struct, frozen=True, kw_only=True):
    """Every form in which a request may name the server (`Host`), and every page that it may come from (`Origin`).

    All in lower case, as they go over the wire: what is not here, letter by letter, may not come in.
    """

    hosts: frozenset[bytes]
    origins: frozenset[bytes]
    token: bytes | None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed(listening: Listening) -> Allowed:
    """Whom the server lets in; `listening.port` is the one that it has in the end.

    Raises:
        FlatfieldError: a host, an origin or the token cannot be what a request brings.
    """
    port, own = listening.port, _own_names(listening)
    hosts = {place for name in own for place in _places("http", name, port)}
    for given in listening.hosts:
        name, given_port = _host(given)
        # Without a port it is also what a proxy at its scheme's own port is called by.
        hosts |= {f"{name}:{given_port}"} if given_port else {name, f"{name}:{port}"}
    origins = {f"http://{_places('http', name, port)[0]}" for name in own} | {
        _origin(each) for each in listening.origins
    }
    if listening.token is not None and not _TOKEN.fullmatch(listening.token):
        raise FlatfieldError("the bearer token holds a space, a control character or one beyond ASCII: choose another")
    return Allowed(
        hosts=frozenset(each.encode() for each in hosts),
        origins=frozenset(each.encode() for each in origins),
        token=None if listening.token is None else listening.token.encode(),
    )


def _own_names(listening: Listening) -> set[str]:
    """The address that it listens at, and, on loopback, all the usual names of that."""
    host = listening.host.lower().partition("%")[0]  # a zone is this machine's own affair: no client sends it
    names = {f"[{host}]", f"[{ipaddress.ip_address(host).compressed}]"} if ":" in host else {host}
    return names | ({"127.0.0.1", "localhost", "[::1]"} if is_loopback(host) else set())


def _places(scheme: str, name: str, port: int) -> tuple[str, ...]:
    """How a client writes a name and a port, the way that browsers do first: the scheme's own port is left out."""
    return (name, f"{name}:{port}") if DEFAULT_PORTS.get(scheme) == port else (f"{name}:{port}",)


def _host(given: str) -> tuple[str, str | None]:
    match = _PLACE.fullmatch(f"[{given.lower()}]" if given.count(":") > 1 and "[" not in given else given.lower())
    if match is None:
        raise FlatfieldError(f"--allow-host {given!r} is no host name: write NAME or NAME:PORT, as clients reach it")
    return match["host"], match["port"]


def _origin(given: str) -> str:
    match = _ORIGIN.fullmatch(given.lower())
    if match is None:
        raise FlatfieldError(f"--allow-origin {given!r} is no origin: write SCHEME://NAME or SCHEME://NAME:PORT")
    port = match["port"]
    return f"{match['scheme']}://{_places(match['scheme'], match['host'], int(port))[0] if port else match['host']}"


def refusal(target: bytes, headers: Iterable[tuple[bytes, bytes]], to: Allowed) -> Refusal | None:
    """Why a request with that target and those headers (names in lower case) may not come in; None when it may."""
    brought: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        brought.setdefault(name, []).append(value)
    head = len(target) + sum(len(name) + len(value) + 4 for name, values in brought.items() for value in values)
    if head > LARGEST_HEAD_BYTES:
        return Refusal(status=431, reason=f"the headers are larger than {LARGEST_HEAD_BYTES} bytes")
    named = [*brought.get(b"host", ()), *_authority(target)]
    if len(brought.get(b"host", ())) != 1 or any(each.lower() not in to.hosts for each in named):
        return Refusal(status=421, reason="this server is not known by that Host: see flatfield mcp --allow-host")
    origins = brought.get(b"origin", [])
    if len(origins) > 1 or any(each.lower() not in to.origins for each in origins):
        return Refusal(status=403, reason="no page of that Origin may call: see flatfield mcp --allow-origin")
    if to.token is not None and not _brings(brought.get(b"authorization", []), to.token):
        wrong = ', error="invalid_token"' if b"authorization" in brought else ""
        return Refusal(status=401, reason="this server wants its bearer token", challenge=CHALLENGE + wrong)
    return None


def _authority(target: bytes) -> tuple[bytes, ...]:
    """The server that a target in absolute form names: it counts like Host; a path names none."""
    if target.startswith(b"/"):
        return ()
    match = _ABSOLUTE.fullmatch(target)
    return (match["host"] if match else b"",)  # any other form names none that there is


def _brings(values: list[bytes], token: bytes) -> bool:
    """Whether there is exactly one Authorization, the scheme in any case, one space or more, and the token."""
    if len(values) != 1:
        return False
    scheme, _, credentials = values[0].strip(b" \t").partition(b" ")
    same = hmac.compare_digest(credentials.lstrip(b" "), token)
    return same and scheme.lower() == b"bearer"


class Door:
    """Lets through only requests that may come in; one in absolute form goes on with its path alone."""

    def __init__(self, inner: ASGIApp, to: Allowed) -> None:
        self._inner = inner
        self._to = to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 4xx to a request that may not."""
        if scope["type"] == "http":
            target = b"?".join(part for part in (scope["raw_path"], scope["query_string"]) if part)
            found = refusal(target, scope["headers"], self._to)
            if found is not None:
                challenge = {} if found.challenge is None else {"WWW-Authenticate": found.challenge}
                await PlainTextResponse(f"{found.reason}\n", found.status, challenge)(scope, receive, send)
                return
            match = _ABSOLUTE.fullmatch(scope["raw_path"])
            if match is not None:
                path = match["path"] or b"/"
                scope = {**scope, "raw_path": path, "path": unquote(path.decode("ascii"))}
        await self._inner(scope, receive, send)


class Bodies:
    """Hands on requests whose body is whole, in one piece; nothing is begun for a client that goes before its end."""

    def __init__(self, inner: ASGIApp, most_bytes: int = LARGEST_BODY_BYTES) -> None:
        self._inner = inner
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 to a larger one."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most_bytes:
                large = PlainTextResponse(f"the body is larger than {self._most_bytes} bytes\n", 413)
                await large(scope, receive, send)
                return
        await self._inner(scope, followed_by({"type": "http.request", "body": bytes(body)}, receive), send)


def followed_by(message: Message, receive: Receive) -> Receive:
    """What gives a message that was taken already, and then goes on."""
    taken = [message]

    async def give() -> Message:
        return taken.pop() if taken else await receive()

    return give
