"""Serves the MCP server over HTTP: who may reach it, with which token, and how much at once."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.door import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, Bodies, Door, Listening, allowed
from flatfield.faces.mcp.sharing import CALLS, SESSIONS, Calls, ConnectionBounds, Sessions, protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from starlette.types import ASGIApp

    from flatfield.faces.mcp.server import AnsweringServer

    Interruptible = Callable[[Callable[[], object]], AbstractContextManager[None]]
    """Meanwhile, calls what it is given when the process is asked to end."""

PATH = "/mcp"
BACKLOG = 128  # fewer than Bounds.connections: what comes in one sweep does not push itself out unread


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


def app(server: AnsweringServer, listening: Listening) -> ASGIApp:
    """The web application, guarded; `listening.port` is the one that it has in the end.

    Raises:
        FlatfieldError: a host, an origin or the token cannot be what a request brings.
    """
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=LARGEST_BODY_BYTES,
        max_sessions=SESSIONS + CALLS,  # those that open at the same moment; Sessions keeps the number
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # the Door's is stricter
        host=listening.host,
    )
    return Door(Bodies(Calls(Sessions(inner, SESSIONS, server.running), CALLS)), allowed(listening))


def config(server: AnsweringServer, listening: Listening, bounds: ConnectionBounds | None = None) -> uvicorn.Config:
    """How uvicorn serves it.

    Raises:
        FlatfieldError: as `app` does.
    """
    bounds = bounds or ConnectionBounds()
    return uvicorn.Config(
        app(server, listening),
        http=protocol(bounds),
        ws="none",
        lifespan="on",
        log_level="error",  # a line for every malformed request would be a stranger's pen on the user's terminal
        backlog=BACKLOG,
        timeout_keep_alive=bounds.kept_seconds,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
        proxy_headers=False,
        server_header=False,
    )


class _WithoutSignals(uvicorn.Server):
    """Leaves signals to who serves."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing."""
        yield


async def serve(
    server: AnsweringServer, listening: Listening, opened: socket.socket, interruptible: Interruptible
) -> None:
    """Serve until it is interrupted: then calls have some seconds to finish, and are cancelled."""
    web = _WithoutSignals(config(server, listening))

    def stop() -> None:
        web.should_exit = True

    with interruptible(stop):
        await web.serve(sockets=[opened])
