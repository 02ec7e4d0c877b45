"""Serves the MCP server over HTTP: who may reach it, with which token, and how much at once."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from msgspec import Struct
from starlette.responses import PlainTextResponse

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from mcp.server import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

    Interruptible = Callable[[Callable[[], object]], AbstractContextManager[None]]
    """Meanwhile, calls what it is given when the process is asked to end."""

PATH = "/mcp"
LARGEST_BODY_BYTES = 1024 * 1024
REQUESTS_AT_ONCE = 64
SESSIONS = 64
BACKLOG = 128


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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bound(listening: Listening) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        FlatfieldError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(listening.host, listening.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((listening.host, listening.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise FlatfieldError(
            f"cannot listen at {listening.host}:{listening.port}: {error.strerror or error}; name another --http"
        ) from None


def app(server: MCPServer, listening: Listening) -> ASGIApp:
    """The web application, guarded; `listening.port` is the one that it has in the end."""
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=_hosts(listening),
        allowed_origins=_origins(listening),
    )
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=LARGEST_BODY_BYTES,
        max_sessions=SESSIONS,
        transport_security=security,
        host=listening.host,
    )
    return inner if listening.token is None else _Guarded(inner, listening.token)


class _WithoutSignals(uvicorn.Server):
    """Leaves signals to who serves."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing."""
        yield


async def serve(server: MCPServer, listening: Listening, opened: socket.socket, interruptible: Interruptible) -> None:
    """Serve until it is interrupted: then calls have some seconds to finish, and are cancelled."""
    config = uvicorn.Config(
        app(server, listening),
        log_level="warning",
        limit_concurrency=REQUESTS_AT_ONCE,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    web = _WithoutSignals(config)

    def stop() -> None:
        web.should_exit = True

    with interruptible(stop):
        await web.serve(sockets=[opened])


def _hosts(listening: Listening) -> list[str]:
    names = _names(listening)
    return sorted({*(f"{name}:*" for name in names), *names})


def _origins(listening: Listening) -> list[str]:
    """The server's own origin, of which it serves no page, and those that the user allows."""
    return sorted({*(f"http://{name}:{listening.port}" for name in _names(listening)), *listening.origins})


def _names(listening: Listening) -> set[str]:
    names = {listening.host, *listening.hosts}
    if is_loopback(listening.host):
        names |= {"127.0.0.1", "localhost", "[::1]"}
    return {f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names}


class _Guarded:
    """Lets through only requests that bring the token."""

    def __init__(self, inner: ASGIApp, token: str) -> None:
        self._inner = inner
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to a request without it."""
        if scope["type"] == "http":
            brought = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(brought, self._wanted):
                refused = PlainTextResponse(
                    "this server wants its bearer token\n", 401, {"WWW-Authenticate": 'Bearer realm="flatfield"'}
                )
                await refused(scope, receive, send)
                return
        await self._inner(scope, receive, send)
