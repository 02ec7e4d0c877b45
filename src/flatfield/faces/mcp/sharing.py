"""Shares the HTTP server among its clients: so many calls at once, so many sessions, the idlest of which leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse

from flatfield.faces.mcp.door import followed_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        """Count a call while it is worked on; `headers` are its request's, None where there is no HTTP."""
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


class _Session:
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
        self._open: dict[str, _Session] = {}
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
        opened: list[_Session] = []

        async def watched(message: Message) -> None:
            name = _named(message)
            if name is not None and not opened:
                session = self._open[name] = _Session(self._now())
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
