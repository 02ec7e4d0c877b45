"""Shares the HTTP server among its clients: so many calls, sessions and connections at once; the idlest makes room."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import h11
import msgspec
from msgspec import Struct
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from flatfield.faces.mcp.door import followed_by, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


# Bounds what a connection may cost: how long it may take to say what it wants, and how many there are.
#
# Who sends half a request, reads no answer or opens connections without end costs only its own: a request that does
# not come is ended after its time, and when there are too many connections, those leave first that are worked on
# least.


class ConnectionBounds(Struct, frozen=True, kw_only=True):
    """What connections may cost together, and each of them.

    Fewer than the 256 files that some systems let a process open; more than all calls and all sessions' streams need.
    """

    connections: int = 160
    per_peer: int = 64
    """From one address, other than loopback, where all clients share theirs."""
    head_seconds: float = 10
    """From the connection, or the first byte of a further request, to the end of its headers."""
    body_seconds: float = 20
    """From the end of the headers to the end of the body."""
    kept_seconds: int = 5
    """How long a connection is kept between two requests."""
    unread_seconds: float = 30
    """How long a client may leave its answer unread, once the buffers are full."""
    parting_seconds: float = 2
    """How long what is still to be sent may take on a connection that is being closed."""


class Phase(IntEnum):
    """What a connection does; in the order in which they leave when there are too many."""

    PARTING = 0
    HEAD = 1
    BODY = 2
    KEPT = 3
    LISTENING = 4
    WORKING = 5


class Register:
    """All open connections: makes room for a new one where it can."""

    def __init__(self, bounds: ConnectionBounds) -> None:
        self.bounds = bounds
        self._open: list[Connection] = []

    def admit(self, new: Connection) -> bool:
        """Take a connection in, if need be for another one; False when all others are being worked on."""
        of_peer = [each for each in self._open if each.peer == new.peer]
        if len(of_peer) >= self.bounds.per_peer and not is_loopback(new.peer):
            room = _evict_from(of_peer)
        elif len(self._open) >= self.bounds.connections:
            room = _evict_from(self._of_the_most_crowded()) or _evict_from(self._open)
        else:
            room = True
        if room:
            self._open.append(new)
        return room

    def leave(self, gone: Connection) -> None:
        """Forget a connection that ends."""
        if gone in self._open:
            self._open.remove(gone)

    def _of_the_most_crowded(self) -> list[Connection]:
        """The connections of the peer that has most."""
        by_peer: dict[str, list[Connection]] = {}
        for each in self._open:
            by_peer.setdefault(each.peer, []).append(each)
        return max(by_peer.values(), key=len)


def _evict_from(some: Iterable[Connection]) -> bool:
    """End one connection, of those that are worked on least the one that is so for the longest time."""
    found = min(
        (each for each in some if each.phase < Phase.WORKING), key=lambda each: (each.phase, each.since), default=None
    )
    if found is not None:
        found.evict()
    return found is not None


class _NoTimer:
    """Stands for a timer where nothing is awaited."""

    def cancel(self) -> None:
        """There is nothing to cancel."""


class Connection(H11Protocol):
    """uvicorn's connection, with a limit to every phase in which the client is awaited."""

    def __init__(self, register: Register, **given: Any) -> None:  # noqa: ANN401 - what uvicorn gives to its own
        super().__init__(**given)
        self._register = register
        self._timer: asyncio.TimerHandle | _NoTimer = _NoTimer()
        self._unread: asyncio.TimerHandle | _NoTimer = _NoTimer()
        self.phase = Phase.PARTING
        self.since = self.loop.time()

    @property
    def peer(self) -> str:
        """The client's address."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and await its first request."""
        super().connection_made(transport)
        if self._register.admit(self):
            self._enter(Phase.HEAD)
        else:
            transport.write(_said(503, b"Service Unavailable"))
            self._part()

    def data_received(self, data: bytes) -> None:
        """Take bytes in, unless it is being closed."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._look()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The client does not read: it is given some time."""
        super().pause_writing()
        self._unread.cancel()
        self._unread = self.loop.call_later(self._register.bounds.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._timer.cancel()
        self._unread.cancel()
        self._register.leave(self)
        super().connection_lost(exc)

    def evict(self) -> None:
        """End it at once."""
        self._register.leave(self)
        self.transport.abort()

    def _look(self) -> None:
        """Whether a new phase began: its time counts from its first moment, and nothing that comes in adds to it."""
        if self.transport.is_closing():
            if self.phase is not Phase.PARTING:
                self._part()
        elif (phase := self._now()) is not self.phase:
            self._enter(phase)

    def _now(self) -> Phase:
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            return Phase.BODY
        if theirs is h11.IDLE:
            return Phase.HEAD if self.cycle is None or self.conn.trailing_data[0] else Phase.KEPT
        return Phase.LISTENING if is_listening(self.scope) else Phase.WORKING

    def _enter(self, phase: Phase) -> None:
        bounds = self._register.bounds
        seconds = {
            Phase.PARTING: bounds.parting_seconds,
            Phase.HEAD: bounds.head_seconds,
            Phase.BODY: bounds.body_seconds,
            Phase.KEPT: bounds.kept_seconds + bounds.parting_seconds,  # uvicorn closes it before
        }.get(phase)
        self.phase, self.since = phase, self.loop.time()
        self._timer.cancel()
        self._timer = _NoTimer() if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        """The phase took too long."""
        if self.phase not in (Phase.HEAD, Phase.BODY):
            self.evict()
            return
        began = self.phase is Phase.BODY or bool(self.conn.trailing_data[0])
        if began and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_said(408, b"Request Timeout"))
        self._part()

    def _part(self) -> None:
        self.transport.close()
        self._enter(Phase.PARTING)


def _said(status: int, reason: bytes) -> bytes:
    return b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (status, reason)


def protocol(bounds: ConnectionBounds) -> type[asyncio.Protocol]:
    """What uvicorn makes each connection with; all that come of one call are counted together."""
    return cast("type[asyncio.Protocol]", partial(Connection, Register(bounds)))


# ---------------------------------------------------------------------------- calls and sessions


CALLS = 64
SESSIONS = 64
SESSION = "mcp-session-id"
VERSION = "mcp-protocol-version"
TRY_AGAIN_SECONDS = 1
OVERLOADED = -32000  # of the codes that JSON-RPC leaves to servers
LISTEN = "subscriptions/listen"


class Running:
    """How many tool calls of each session are being worked on, whether or not somebody still waits for their answer."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    @contextmanager
    def call(self, headers: Mapping[str, str] | None) -> Iterator[None]:
        """Let a call be worked on, and count it meanwhile; `headers` are its request's, None where there is no HTTP."""
        session = (headers or {}).get(SESSION, "")
        self._calls[session] += 1
        try:
            yield
        finally:
            self._calls[session] -= 1
            if not self._calls[session]:
                del self._calls[session]

    def __contains__(self, session: str) -> bool:
        return session in self._calls


def is_listening(scope: Mapping[str, Any]) -> bool:
    """Whether a request only waits for what the server has to say: it may stay open for hours and works on nothing.

    Only of the protocols without sessions the header says so: the SDK refuses a body there that says something else.
    """
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    if scope["method"] == "GET":
        return True
    return _header(scope, VERSION) in MODERN_PROTOCOL_VERSIONS and _header(scope, "mcp-method") == LISTEN


def _header(scope: Mapping[str, Any], name: str) -> str | None:
    """The first header of a name, as the SDK reads it."""
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), None)


class Calls:
    """Lets so many requests be worked on at once; what waits for news, or answers the server, always comes through."""

    def __init__(self, inner: ASGIApp, most: int) -> None:
        self._inner = inner
        self._most = most
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 503 to a call that is one too many; `receive` gives a body in one piece."""
        if scope["type"] != "http" or is_listening(scope):
            await self._inner(scope, receive, send)
            return
        if self._working >= self._most:
            message = await receive()
            if _asks(message.get("body", b"")):
                await _overloaded(f"{self._most} calls are being worked on")(scope, receive, send)
                return
            receive = followed_by(message, receive)
        self._working += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._working -= 1


class _Asked(msgspec.Struct):
    """What tells a request from a notification (no id) and from an answer (no method)."""

    method: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()


def _asks(body: bytes) -> bool:
    """Whether a body asks for something: what cannot be read does, too."""
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except msgspec.DecodeError:
        return True
    return bool(bytes(asked.method) and bytes(asked.id))


def _overloaded(why: str) -> JSONResponse:
    error = {"code": OVERLOADED, "message": f"{why}: try again later"}
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return JSONResponse(body, 503, {"Retry-After": str(TRY_AGAIN_SECONDS)})


class _OpenSession:
    """What is known of an open session."""

    def __init__(self, now: float) -> None:
        self.calls = 0
        self.streams = 0
        self.used = now


class Sessions:
    """Keeps so many sessions: when another one opens, the idlest is ended, as its client would end it.

    From then on requests in its name are answered 404, which the protocol takes for "start a new one". A session with
    a call in flight never leaves; one that nobody listens to leaves before one whose client holds a stream open.
    """

    def __init__(self, inner: ASGIApp, most: int, running: Running) -> None:
        self._inner = inner
        self._most = most
        self._running = running
        self._open: dict[str, _OpenSession] = {}
        self._leaving: dict[str, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and remember whose it was."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        name = _header(scope, SESSION)
        if name is None:
            await self._new(scope, receive, send)
        else:
            await self._known(name, scope, receive, send)

    async def _new(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request without a session: the SDK's answer says whether it opened one."""
        if self._opens(scope) and len(self._open) >= self._most and self._idlest() is None:
            await _overloaded(f"{len(self._open)} sessions have calls in flight")(scope, receive, send)
            return
        opened: list[_OpenSession] = []

        async def watched(message: Message) -> None:
            name = _named(message)
            if name is not None and not opened:
                session = self._open[name] = _OpenSession(self._now())
                session.calls += 1  # its first request is still being answered
                opened.append(session)
                await self._make_room(scope)
            await send(message)

        try:
            await self._inner(scope, receive, watched)
        finally:
            for session in opened:
                session.calls -= 1
                session.used = self._now()

    def _opens(self, scope: Scope) -> bool:
        """Whether a request without a session may be one that opens it: newer protocols have none."""
        from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

        version = _header(scope, VERSION)
        return scope["method"] == "POST" and (version is None or version in HANDSHAKE_PROTOCOL_VERSIONS)

    async def _known(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A request of a session; one that is just leaving is waited for, so that it is told 404 and nothing else."""
        if name in self._leaving:
            await self._leaving[name].wait()
        session = self._open.get(name)
        if session is None:
            await self._inner(scope, receive, send)
            return
        streams = is_listening(scope)
        session.used = self._now()
        session.streams += streams
        session.calls += not streams

        async def watched(message: Message) -> None:
            ended = scope["method"] == "DELETE" and message.get("status") == 200
            if ended or message.get("status") == 404:
                self._open.pop(name, None)
            await send(message)

        try:
            await self._inner(scope, receive, watched)
        finally:
            session.used = self._now()
            session.streams -= streams
            session.calls -= not streams

    def _idlest(self) -> str | None:
        idle = [name for name, session in self._open.items() if not session.calls and name not in self._running]
        return min(idle, key=lambda name: (self._open[name].streams > 0, self._open[name].used), default=None)

    async def _make_room(self, scope: Scope) -> None:
        while len(self._open) > self._most and (name := self._idlest()) is not None:
            del self._open[name]
            self._leaving[name] = asyncio.Event()
            try:
                await self._end(name, scope)
            finally:
                self._leaving.pop(name).set()

    async def _end(self, name: str, scope: Scope) -> None:
        """End a session by the request that its client would send; `scope` is any request's."""

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def unheard(_: Message) -> None: ...

        headers = [(SESSION.encode(), name.encode("latin-1"))]
        ending: dict[str, Any] = {**scope, "method": "DELETE", "headers": headers}
        await self._inner(ending, nothing, unheard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _named(message: Message) -> str | None:
    """The session that a response opens."""
    if message["type"] != "http.response.start" or message["status"] >= 400:
        return None
    return _header(message, SESSION)
