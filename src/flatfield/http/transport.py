"""The one seam to the network: a POST that is timed, retried and read as it streams."""

from __future__ import annotations

import asyncio
import socket
from contextlib import nullcontext
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aiohttp
from msgspec import Struct

from flatfield.errors import Interrupted, ProviderError
from flatfield.http.arrivals import Arrivals
from flatfield.http.connecting import distrust, refused_by_proxy, trusted
from flatfield.http.replies import RETRIED, Marks, PassingFailure, Reader, read, refusal
from flatfield.http.retrying import Attempts, RetryPolicy
from flatfield.http.secrecy import Secrets, scrubbed, shown_url
from flatfield.http.services import place_of
from flatfield.http.tape import Tape
from flatfield.records import CHARACTERS_PER_TOKEN, Abandoned, Leftover, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from types import SimpleNamespace

    from flatfield.clock import Clock
    from flatfield.http.retrying import Post
    from flatfield.http.services import Pressure

LARGE_BODY_BYTES = 512 * 1024
HEADER_BYTES = 128 * 1024
"""A header may be so long: gateways put policies, limits and traces into theirs."""
ERROR_CHARACTERS = 600
INTERRUPTED = "interrupted: the trial was stopped before the reply was whole"
ASKED_TOO_MUCH = 429
"""A server that is overloaded (503, 529) is asked too much by others: fewer of ours would not help it."""
KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
"""Seconds and probes after which a peer that is gone counts as gone; a model may think in silence for longer."""


R = TypeVar("R", bound=Reader)


class Exchange(Struct, Generic[R], frozen=True, kw_only=True):
    """One request that succeeded, and what it took; `cut` says what ended it before the model did.

    `cut`: "time" was over, its "size" was beyond all bounds, or the model "repeats" itself without end.
    `first_token_seconds` None: none came, or the reply was not streamed. `pieces`: at how many moments the text grew.
    `silent_seconds`: for so long nothing had come when time was over, or no token if none came at all; `has_headers`:
    whether an answer had begun then. `abandoned`: what the failed attempts used that broke off after their first token,
    and last a reply that was cut before its tokens were counted. `wire`: all attempts, in order.
    """

    reader: R
    attempts: int
    retry_seconds: float
    queue_seconds: float
    model_seconds: float
    first_token_seconds: float | None
    pieces: int
    silent_seconds: float = 0.0
    has_headers: bool = True
    cut: str | None = None
    abandoned: tuple[Abandoned, ...] = ()
    wire: tuple[Wire, ...]


class Transport:
    """Sends one conversation's requests over a shared session, and tries again what may pass."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        policy: RetryPolicy | None = None,
        *,
        proxy: str | None = None,
        pressure: Pressure | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._secrets = secrets or Secrets()
        self._pressure = pressure
        self._session = session
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._proxy = proxy
        self._tape = Tape(self._secrets)
        self._queue_seconds = 0.0
        self._refused_times = 0
        self._headers: Mapping[str, str] | None = None
        self._url = self._place = ""
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._policy.connect_seconds)
        self._stalling = aiohttp.ClientTimeout(
            total=None, sock_connect=self._policy.connect_seconds, sock_read=self._policy.stall_seconds
        )

    async def post(self, post: Post, new_reader: Callable[[], R]) -> Exchange[R]:
        """Send, wait and retry until a reply is whole, or the model time is over.

        Raises:
            ProviderError: a status that trying again does not change, or the attempts are used up; a reader's own
                subclass stays what it is. Its message holds no value of the request's headers.
            Interrupted: it was cancelled; with what its attempts used.
        """
        self._queue_seconds = 0.0
        self._refused_times = 0
        if post.headers is not self._headers:  # a conversation brings the same ones each time
            self._headers = post.headers
            self._secrets.add_headers(post.headers)
        started, attempts = self._busy(), Attempts(post, self._tape)
        try:
            return await self._until_whole(post, new_reader, attempts)
        except ProviderError as error:
            raise error.having(self._left(attempts, started)) from None
        except asyncio.CancelledError:
            raise Interrupted(self._left(attempts, started)) from None

    async def _until_whole(self, post: Post, new_reader: Callable[[], R], attempts: Attempts) -> Exchange[R]:
        started, waited_seconds, broken = self._busy(), 0.0, 0
        for attempt in range(1, self._policy.attempts + 1):
            attempt_started = self._busy()
            marks, reader = Marks(self._clock.now(), post.seconds, post.output_tokens), new_reader()
            try:
                cut = await self._in_lane(post, reader, marks)
            except PassingFailure as error:
                attempts.failed(self._shown(error, post), reader, marks)
                wait_seconds = self._policy.wait_seconds(attempt, error.wait_seconds, waited_seconds)
                waited_seconds += wait_seconds
                broken += marks.status == 200
                if ending := self._policy.ending(attempt, broken, error.wait_seconds, waited_seconds):
                    raise ProviderError(f"{self._shown(error, post)} (gave up {ending})", status=error.status) from None
                with self._resting(post):
                    await self._clock.sleep(wait_seconds)
            except ProviderError as error:
                attempts.failed(self._shown(error, post), reader, marks)
                raise error.retold(self._shown(error, post)) from None
            except asyncio.CancelledError:
                if marks.is_out:
                    attempts.failed(INTERRUPTED, reader, marks)
                raise
            else:
                attempts.succeeded(marks)
                ended = self._clock.now() if cut == "time" else marks.last
                return Exchange(
                    reader=reader,
                    attempts=attempt,
                    retry_seconds=attempt_started - started,
                    queue_seconds=self._queue_seconds,
                    model_seconds=max(0.0, ended - marks.sent),
                    first_token_seconds=None if marks.first is None else max(0.0, marks.first - marks.sent),
                    pieces=marks.pieces,
                    silent_seconds=marks.silent_seconds(ended) if cut == "time" else 0.0,
                    has_headers=marks.status is not None,
                    cut=cut,
                    abandoned=attempts.abandoned(reader, kept=cut is not None),
                    wire=attempts.wire,
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _busy(self) -> float:
        """The clock, but standing still while the server's lane is waited for."""
        return self._clock.now() - self._queue_seconds

    def _resting(self, post: Post) -> AbstractContextManager[None]:
        """Others may work while a failed attempt is waited out."""
        return nullcontext() if self._pressure is None else self._pressure.resting(self._place_of(post.url), post.model)

    def _place_of(self, url: str) -> str:
        """The server behind an address, which is as a rule the one before."""
        if url != self._url:
            self._url, self._place = url, place_of(url)
        return self._place

    async def _in_lane(self, post: Post, reader: Reader, marks: Marks) -> str | None:
        """One attempt, as soon as the server's lane has room for it; it is told how the server took it."""
        if self._pressure is None:
            return await self._attempt(post, reader, marks)
        tokens = len(post.body) // CHARACTERS_PER_TOKEN
        async with self._pressure.admit(self._place_of(post.url), post.model, tokens) as admission:
            self._queue_seconds += admission.queue_seconds
            try:
                cut = await self._attempt(post, reader, marks)
            except PassingFailure as error:
                if error.status == ASKED_TOO_MUCH:
                    self._refused_times += 1
                    admission.refused(error.wait_seconds, self._refused_times)
                else:
                    self._refused_times = 0
                raise
            admission.served()
            usage, _ = reader.counted
            if usage is not None:
                admission.used(usage.input_tokens + usage.output_tokens)
            return cut

    async def _attempt(self, post: Post, reader: Reader, marks: Marks) -> str | None:
        """One attempt; returns what cut the reply short, None when the model ended it.

        A connection that was kept, and that its server has closed meanwhile, is no attempt: the next one is taken.
        """
        while True:
            try:
                return await self._sent(post, reader, marks)
            except _DeadConnection:
                marks.again()

    async def _sent(self, post: Post, reader: Reader, marks: Marks) -> str | None:
        policy = self._policy
        try:
            async with (
                asyncio.timeout(policy.connect_seconds * 2) as marks.limit,
                self._session.post(
                    post.url,
                    # aiohttp warns of large bodies given as bytes: it cannot send those in pieces.
                    data=BytesIO(post.body) if len(post.body) > LARGE_BODY_BYTES else post.body,
                    headers=post.headers,
                    # Where the time limit comes first, a timer set anew for each piece that comes is of no use.
                    timeout=self._timeout if post.seconds < policy.stall_seconds else self._stalling,
                    allow_redirects=False,
                    proxy=self._proxy,
                    trace_request_ctx=marks,
                ) as response,
            ):
                marks.status, marks.headers = response.status, response.headers
                if response.status != 200:
                    raise await refusal(response, marks, self._clock)
                return await read(response, reader, marks, self._clock)
        except (TimeoutError, aiohttp.ClientError) as error:
            if reader.complete:  # the connection broke after all that matters had come
                return None
            if marks.is_reused and marks.status is None and isinstance(error, _BROKEN):
                raise _DeadConnection from None
            where = shown_url(post.url)
            if isinstance(error, aiohttp.ClientConnectorCertificateError):
                raise ProviderError(distrust(error, where)) from None
            if isinstance(error, aiohttp.ClientHttpProxyError) and error.status < 500 and error.status not in RETRIED:
                raise ProviderError(refused_by_proxy(error, self._proxy or ""), status=error.status) from None
            if isinstance(error, _FINAL):
                raise ProviderError(f"no request can be made to {where}: {error}") from None
            if marks.limit is not None and marks.limit.expired() and marks.is_out:
                return "time"
            raise PassingFailure(_trouble(error, where, marks, policy)) from None

    def _shown(self, error: Exception, post: Post) -> str:
        """An error's message without keys, cut only then: half a key would not be known for one."""
        text = scrubbed(str(error), post.headers, self._secrets)
        return text if len(text) <= ERROR_CHARACTERS else f"{text[:ERROR_CHARACTERS]}…"

    def _left(self, attempts: Attempts, started: float) -> Leftover:
        """All that the attempts took."""
        return Leftover(
            retry_seconds=max(0.0, self._busy() - started),
            queue_seconds=self._queue_seconds,
            wire=attempts.wire,
            abandoned=attempts.abandoned(),
        )


class _DeadConnection(Exception):
    """A connection that was kept after an earlier request was closed by its server before it answered this one."""


_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_FINAL = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


def _trouble(error: Exception, where: str, marks: Marks, policy: RetryPolicy) -> str:
    """What went wrong with a connection, in words."""
    if isinstance(error, aiohttp.ConnectionTimeoutError) or (isinstance(error, TimeoutError) and not marks.is_out):
        return f"no connection to {where} came about in time"
    if isinstance(error, TimeoutError):
        return f"{where} sent nothing for {policy.stall_seconds:g} s"
    return f"connection to {where} failed: {why(error)}"


def why(error: Exception) -> str:
    """Why no connection came about, in words: refused, no such name, too late, or the error's own."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name not found"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def open_session(
    clock: Clock, environ: Mapping[str, str] | None = None, heard: Callable[[Mapping[str, str]], None] | None = None
) -> aiohttp.ClientSession:
    """The session that a run's trials share: lanes limit it, not the session; it marks when a request went out.

    `clock` must be the one that the transports on it have. `environ` may name authorities whose certificates are
    trusted in the place of the system's. `heard` is told the headers of every answer, which no record keeps.

    Raises:
        NotReady: it names some, and they cannot be read.
    """
    authorities = trusted(environ or {})
    arrivals = Arrivals(clock)

    async def sent(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        marks = context.trace_request_ctx
        if isinstance(marks, Marks):
            marks.arrivals = arrivals
            marks.piece_sent(clock.now())

    async def reused(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceConnectionReuseconnParams
    ) -> None:
        marks = context.trace_request_ctx
        if isinstance(marks, Marks):
            marks.is_reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    trace.on_request_chunk_sent.append(sent)
    if heard is not None:
        trace.on_request_end.append(partial(_heard, heard))
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            limit_per_host=0,
            socket_factory=partial(_socket, arrivals),
            ssl=True if authorities is None else authorities,
        ),
        trace_configs=[trace],
        auto_decompress=True,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _heard(
    heard: Callable[[Mapping[str, str]], None],
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    params: aiohttp.TraceRequestEndParams,
) -> None:
    heard(params.response.headers)


def _socket(arrivals: Arrivals, address: tuple[Any, ...]) -> socket.socket:
    """A socket that notes when its bytes come in, and when its peer is gone: silence alone is no lost connection."""
    family, kind, protocol = address[:3]
    made = arrivals.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
