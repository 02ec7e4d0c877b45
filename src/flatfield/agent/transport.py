"""The one seam to the network: a POST that is timed, retried and read as it streams."""

from __future__ import annotations

import asyncio
import random
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import aiohttp
from msgspec import Struct

from flatfield.agent.sse import EventDecoder
from flatfield.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

    from flatfield.agent.clock import Clock

RETRIED = frozenset({408, 409, 429})
MAX_REPLY_BYTES = 8 * 1024 * 1024
LARGE_BODY_BYTES = 512 * 1024


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how long a request is tried again; `stall_seconds` without a byte count as a lost connection."""

    attempts: int = 6
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    total_wait_seconds: float = 180.0
    connect_seconds: float = 15.0
    stall_seconds: float = 120.0


class Reader(Protocol):
    """Understands one vendor's replies; a new one is made for each attempt."""

    def event(self, data: bytes) -> None:
        """Take the data of one streamed event."""
        ...

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the model's first token has arrived."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the reply ended as the protocol says it ends; False: the stream was cut."""
        ...


R = TypeVar("R", bound=Reader)


class Post(Struct, frozen=True, kw_only=True):
    """One request; `seconds` is the model time it may take, over all of which the reply streams."""

    url: str
    headers: dict[str, str]
    body: bytes
    seconds: float


class Exchange(Struct, Generic[R], frozen=True, kw_only=True):
    """One request that succeeded, and what it took; `cut` says what ended it before the model did."""

    reader: R
    attempts: int
    retry_seconds: float
    model_seconds: float
    first_token_seconds: float | None
    cut: str | None = None


class Passing(Exception):
    """An attempt failed in a way that may pass; `wait_seconds` is what the server asked for."""

    def __init__(self, message: str, *, status: int | None = None, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.wait_seconds = wait_seconds


class _Marks:
    """When the last byte of the request went out and the first token came in; aiohttp's tracing sets `sent`."""

    __slots__ = ("first", "sent")

    def __init__(self, now: float) -> None:
        self.sent = now
        self.first: float | None = None


class Transport:
    """Sends requests over a shared session, and tries again what may pass."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        policy: RetryPolicy | None = None,
        *,
        proxy: str | None = None,
    ) -> None:
        self._session = session
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._proxy = proxy

    async def post(self, post: Post, new_reader: Callable[[], R]) -> Exchange[R]:
        """Send, wait and retry until a reply is whole, or the model time is over.

        Raises:
            ProviderError: a status that trying again does not change, or the attempts are used up.
        """
        started = self._clock.now()
        waited_seconds = 0.0
        for attempt in range(1, self._policy.attempts + 1):
            attempt_started = self._clock.now()
            marks = _Marks(attempt_started)
            reader = new_reader()
            try:
                cut = await self._attempt(post, reader, marks)
            except Passing as error:
                wait_seconds = self._wait_seconds(error, attempt)
                waited_seconds += wait_seconds
                spent = self._clock.now() - started
                if attempt == self._policy.attempts or waited_seconds > self._policy.total_wait_seconds:
                    raise ProviderError(
                        f"{error} (gave up after {attempt} attempts)", status=error.status, retry_seconds=spent
                    ) from None
                await self._clock.sleep(wait_seconds)
            except ProviderError as error:
                error.retry_seconds = self._clock.now() - started
                raise
            else:
                return Exchange(
                    reader=reader,
                    attempts=attempt,
                    retry_seconds=attempt_started - started,
                    model_seconds=self._clock.now() - marks.sent,
                    first_token_seconds=None if marks.first is None else max(0.0, marks.first - marks.sent),
                    cut=cut,
                )
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, post: Post, reader: Reader, marks: _Marks) -> str | None:
        """One attempt; returns what cut the reply short, None when the model ended it."""
        policy = self._policy
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=policy.connect_seconds, sock_read=policy.stall_seconds)
        # aiohttp warns of large bodies given as bytes: it cannot send those in pieces.
        body = BytesIO(post.body) if len(post.body) > LARGE_BODY_BYTES else post.body
        try:
            async with (
                asyncio.timeout(max(post.seconds, 0.001)) as limit,
                self._session.post(
                    post.url,
                    data=body,
                    headers=post.headers,
                    timeout=timeout,
                    allow_redirects=False,
                    proxy=self._proxy,
                    trace_request_ctx=marks,
                ) as response,
            ):
                if response.status != 200:
                    raise _refusal(response, await _error_text(response), self._clock)
                return await self._read(response, reader, marks)
        except TimeoutError as error:
            if limit.expired():
                return "time"
            raise Passing(f"{post.url} sent nothing for {policy.stall_seconds:g} s ({type(error).__name__})") from None
        except aiohttp.ClientError as error:
            raise Passing(f"connection to {post.url} failed: {error or type(error).__name__}") from None

    async def _read(self, response: aiohttp.ClientResponse, reader: Reader, marks: _Marks) -> str | None:
        streamed = response.content_type == "text/event-stream"
        decoder = EventDecoder()
        body = bytearray()
        taken_bytes = 0
        async for chunk in response.content.iter_any():
            taken_bytes += len(chunk)
            if taken_bytes > MAX_REPLY_BYTES:
                return "size"
            if not streamed:
                body += chunk
                continue
            for data in decoder.feed(chunk):
                reader.event(data)
            if marks.first is None and reader.begun:
                marks.first = self._clock.now()
        if streamed:
            for data in decoder.close():
                reader.event(data)
        else:
            reader.whole(bytes(body))
            marks.first = self._clock.now()
        if not reader.complete:
            raise Passing("the stream was cut before the reply ended")
        return None

    def _wait_seconds(self, error: Passing, attempt: int) -> float:
        """Exponential back-off with jitter (half to whole); a server's own `Retry-After` comes before it."""
        policy = self._policy
        if error.wait_seconds is not None:
            return error.wait_seconds
        ceiling: float = min(policy.longest_wait_seconds, policy.first_wait_seconds * 2 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


async def _error_text(response: aiohttp.ClientResponse) -> str:
    raw = await response.content.read(4096)
    return raw.decode("utf-8", "replace").strip()


def _refusal(response: aiohttp.ClientResponse, text: str, clock: Clock) -> Exception:
    """The error that a status other than 200 means: one that may pass, or one that is final."""
    status = response.status
    message = f"{response.url} answered {status}: {text[:500] or response.reason}"
    if status in RETRIED or status >= 500:
        wait = retry_after_seconds(response.headers.get("Retry-After"), clock)
        return Passing(message, status=status, wait_seconds=wait)
    return ProviderError(message, status=status)


def retry_after_seconds(value: str | None, clock: Clock) -> float | None:
    """`Retry-After` as seconds (RFC 9110, section 10.2.3: seconds or a date); None when absent or unreadable."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.utc()).total_seconds())
    except (ValueError, TypeError):
        return None


def open_session(clock: Clock) -> aiohttp.ClientSession:
    """The session that a run's trials share: lanes limit it, not the session; it marks when a request went out."""

    async def sent(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        marks = context.trace_request_ctx
        if isinstance(marks, _Marks):
            marks.sent = clock.now()

    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=0),
        trace_configs=[trace],
        auto_decompress=True,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
