"""Bounds what a connection may cost: how long it may take to say what it wants, and how many there are.

Who sends half a request, reads no answer or opens connections without end costs only its own: a request that does not
come is ended after its time, and when there are too many connections, those leave first that are worked on least.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import h11
from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol

from flatfield.faces.mcp.door import is_loopback
from flatfield.faces.mcp.sharing import is_listening

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable


class Bounds(Struct, frozen=True, kw_only=True):
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

    def __init__(self, bounds: Bounds) -> None:
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


def protocol(bounds: Bounds) -> type[asyncio.Protocol]:
    """What uvicorn makes each connection with; all that come of one call are counted together."""
    return cast("type[asyncio.Protocol]", partial(Connection, Register(bounds)))
