"""The one seam to the network: what is timed, what is tried again and for how long, and what never shows a key."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.replies import DRAIN_SECONDS, EVENTS_PER_TOKEN, FREE_EVENTS, PassingFailure, retry_after_seconds
from flatfield.http.retrying import Post, RetryPolicy
from flatfield.http.transport import LARGE_BODY_BYTES, Exchange, Transport, open_session
from flatfield.records import Abandoned, Usage
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import aiohttp
    from aiohttp.connector import Connection

    from flatfield.testing.clocks import IdleTime

    Handler = Callable[["Wire"], Awaitable[None]]

KEY = "sk-planted-0123456789"


class Wire:
    """One connection, in the hands of a test: it reads requests and writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> int:
        """Read a request's head; returns the length of its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])

    async def request(self) -> bytes:
        """Read a whole request; returns its body."""
        return await self.reader.readexactly(await self.head())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, status: str, body: bytes, *headers: str) -> None:
        """A whole reply."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    async def begin_stream(self) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))


class Lines:
    """A reader of a protocol where every event is a word, `end` completes the reply and `over` ends the stream."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.begun = self.complete = self.over = False
        self.letters = 0
        self.counted: tuple[Usage | None, int] = (None, 0)

    def event(self, data: bytes) -> None:
        word = data.decode()
        self.begun = True
        self.complete = self.complete or word == "end"
        self.over = word == "over"
        if word.startswith("error "):
            raise ProviderError(word, status=400)
        if word == "long":
            raise ContextTooLong(word, status=400)
        self.letters += len(word)
        if word.startswith("count "):
            self.counted = (Usage(input_tokens=7, output_tokens=int(word[6:])), self.letters)
        self.words.append(word)

    def whole(self, body: bytes) -> None:
        if not body.startswith(b'{"words"'):
            raise PassingFailure(f"no reply: {body.decode()}")
        self.words.append(body.decode())
        self.complete = True


@asynccontextmanager
async def served(*handlers: Handler) -> AsyncIterator[str]:
    """A server whose connections are handled one after the other by these; the URL to post to."""
    waiting = iter(handlers)
    tasks: set[asyncio.Task[None]] = set()
    crashes: list[BaseException] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await next(waiting)(Wire(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - shown at the end of the test
            crashes.append(error)
        finally:
            writer.transport.abort()

    door = socket.create_server(("127.0.0.1", 0))
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that a client feels when nobody reads
    server = await asyncio.start_server(connected, sock=door, limit=1024)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not crashes, crashes


@pytest.fixture
async def session(clock: FakeClock, idle_time: IdleTime) -> AsyncIterator[aiohttp.ClientSession]:
    """Limits that aiohttp and the event loop watch over strike only when nothing else can happen."""
    del idle_time
    async with open_session(clock) as opened:
        yield opened


def post(url: str, body: bytes = b"{}", seconds: float = 30.0, headers: dict[str, str] | None = None) -> Post:
    return Post(url=url, headers={"Content-Type": "application/json"} | (headers or {}), body=body, seconds=seconds)


def words(*texts: str) -> bytes:
    return b"".join(f"data: {text}\n\n".encode() for text in texts)


def answering(status: str, body: bytes, *headers: str) -> Handler:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.reply(status, body, *headers, "Connection: close")

    return handle


STREAM = "Content-Type: text/event-stream"
GOOD = answering("200 OK", words("hello", "end", "over"), STREAM)


async def ask(
    session: aiohttp.ClientSession, clock: FakeClock, url: str, policy: RetryPolicy | None = None
) -> Exchange[Lines]:
    return await Transport(session, clock, policy).post(post(url), Lines)


# ---------------------------------------------------------------------------- time


@pytest.mark.parametrize("size_bytes", [100, LARGE_BODY_BYTES - 100, 8 * LARGE_BODY_BYTES])
async def test_the_models_clock_starts_when_the_last_byte_of_the_request_is_out(
    session: aiohttp.ClientSession, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    """Getting connected (5 s here) is not the model's time; a body too large for the buffers waits for the server."""
    body = b"x" * size_bytes
    assert session.connector is not None
    connect = session.connector.connect

    async def slowly(*arguments: Any, **named: Any) -> Connection:
        clock.seconds += 5
        return await connect(*arguments, **named)

    monkeypatch.setattr(session.connector, "connect", slowly)

    async def handle(wire: Wire) -> None:
        length = await wire.head()
        first = await wire.reader.read(1)
        if length > LARGE_BODY_BYTES:  # the client is still sending: the clock cannot have started for good
            clock.seconds += 100
        assert first + await wire.reader.readexactly(length - 1) == body
        clock.seconds += 7
        await wire.begin_stream()
        await wire.chunk(words("first"))
        clock.seconds += 3
        await wire.chunk(words("end", "over"))
        await wire.send(b"0\r\n\r\n")

    async with served(handle) as url:
        exchange = await Transport(session, clock).post(post(url, body), Lines)
    assert exchange.reader.words == ["first", "end", "over"]
    assert exchange.model_seconds == pytest.approx(10)
    assert exchange.retry_seconds == 0
    assert exchange.first_token_seconds is not None
    assert 7 <= exchange.first_token_seconds <= 10


async def test_getting_connected_takes_nothing_of_the_models_time(
    session: aiohttp.ClientSession, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model has 50 ms; connecting takes longer."""
    assert session.connector is not None
    connect = session.connector.connect
    connected = asyncio.Event()

    async def slowly(*arguments: Any, **named: Any) -> Connection:
        asyncio.get_running_loop().call_later(0.1, connected.set)
        await connected.wait()
        return await connect(*arguments, **named)

    monkeypatch.setattr(session.connector, "connect", slowly)
    async with served(GOOD) as url:
        exchange = await Transport(session, clock).post(post(url, seconds=0.05), Lines)
    assert (exchange.cut, exchange.reader.words) == (None, ["hello", "end", "over"])


async def test_a_connection_that_does_not_come_about_is_tried_again(
    session: aiohttp.ClientSession, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    assert session.connector is not None
    monkeypatch.setattr(session.connector, "connect", never)
    with pytest.raises(
        ProviderError, match=r"no connection to http://x/v1 came about in time \(gave up after 2 attempts"
    ):
        await ask(session, clock, "http://x/v1", RetryPolicy(attempts=2, connect_seconds=0.01))


async def test_silence_is_a_lost_connection_only_after_long(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async def silent(wire: Wire) -> None:
        await wire.request()
        await wire.reader.read()

    assert RetryPolicy().stall_seconds >= 300
    async with served(silent, GOOD) as url:
        exchange = await ask(session, clock, url, RetryPolicy(stall_seconds=0.05))
    assert exchange.attempts == 2


@pytest.mark.parametrize("size_bytes", [10, 3 * LARGE_BODY_BYTES])
async def test_a_body_is_sent_whole_again_when_it_is_tried_again(
    session: aiohttp.ClientSession, clock: FakeClock, size_bytes: int
) -> None:
    body = bytes(range(256)) * (size_bytes // 256 + 1)
    came: list[bytes] = []

    async def handle(wire: Wire) -> None:
        came.append(await wire.request())
        if len(came) == 1:
            await wire.reply("503 Busy", b"", "Connection: close")
        else:
            await wire.reply("200 OK", words("end"), STREAM, "Connection: close")

    async with served(handle, handle) as url:
        await Transport(session, clock).post(post(url, body), Lines)
    assert came == [body, body]


async def test_failed_attempts_and_waiting_are_counted_once_and_as_retrying(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async def failing(wire: Wire) -> None:
        await wire.request()
        clock.seconds += 4
        await wire.reply("500 Broken", b"", "Retry-After: 10", "Connection: close")

    async def succeeding(wire: Wire) -> None:
        await wire.request()
        clock.seconds += 2
        await wire.reply("200 OK", words("end"), STREAM, "Connection: close")

    async with served(failing, failing, succeeding) as url:
        exchange = await ask(session, clock, url)
    assert exchange.attempts == 3
    assert exchange.retry_seconds == pytest.approx(2 * (4 + 10))
    assert exchange.model_seconds == pytest.approx(2)
    assert clock.seconds == pytest.approx(1000 + 28 + 2)


async def test_a_byte_order_mark_is_no_part_of_the_first_event(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        for byte in codecs.BOM_UTF8 + words("half", "end"):
            await wire.chunk(bytes([byte]))
        await wire.reader.read()

    async with served(handle) as url:
        exchange = await ask(session, clock, url)
    assert exchange.reader.words == ["half", "end"]


async def test_what_a_server_says_in_the_place_of_a_reply_is_quoted(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.reply(
            "200 OK", b'event: error\n\n: {"detail": "exploded upstream"}\n\n', STREAM, "Connection: close"
        )

    async with served(*[handle] * 6) as url:
        with pytest.raises(ProviderError, match=r"it said: event: error[\s\S]*exploded upstream"):
            await ask(session, clock, url)


async def test_no_headers_and_silence_are_told(idle_time: IdleTime) -> None:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.reader.read()

    async with served(handle) as url, open_session(idle_time) as session:
        exchange = await Transport(session, idle_time).post(post(url, seconds=10.0), Lines)
    assert (exchange.cut, exchange.has_headers) == ("time", False)
    assert exchange.silent_seconds == pytest.approx(10.0, abs=0.1)


async def test_the_model_time_is_over_in_mid_stream(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("half"))
        await wire.reader.read()

    async with served(handle) as url:
        exchange = await Transport(session, clock).post(post(url, seconds=0.05), Lines)
    assert (exchange.cut, exchange.reader.words) == ("time", ["half"])


async def test_a_server_that_keeps_the_stream_open_is_not_waited_for(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("end", "over"))
        await wire.reader.read()

    async with served(handle) as url, asyncio.timeout(DRAIN_SECONDS * 20):
        exchange = await ask(session, clock, url)
    assert (exchange.cut, exchange.attempts) == (None, 1)


async def test_a_connection_is_used_again(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async def handle(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.begin_stream()
            await wire.chunk(words("end", "over"))
            await wire.send(b"0\r\n\r\n")

    async with served(handle) as url:  # a second connection would have no handler
        await ask(session, clock, url)
        await ask(session, clock, url)


async def test_a_kept_connection_that_its_server_closed_is_no_failure(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """As llama.cpp does after each stream, though it says that it keeps the connection."""

    async def answers_once_and_closes_at_the_next(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("end", "over"))
        await wire.send(b"0\r\n\r\n")
        await wire.reader.read(1)  # the next request comes, and nobody answers it

    async def answers(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("end", "over"))

    async with served(answers_once_and_closes_at_the_next, answers) as url:
        await ask(session, clock, url)
        exchange = await ask(session, clock, url)
    assert (exchange.attempts, len(exchange.wire)) == (1, 1)
    assert exchange.retry_seconds == 0.0
    assert clock.slept == []


async def test_a_new_connection_that_breaks_is_a_failure(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async def closes(wire: Wire) -> None:
        await wire.request()

    async def answers(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("end", "over"))

    async with served(closes, answers) as url:
        exchange = await ask(session, clock, url)
    assert exchange.attempts == 2


@pytest.mark.parametrize("ended", [True, False])
async def test_a_connection_that_breaks_counts_only_before_the_reply_is_complete(
    session: aiohttp.ClientSession, clock: FakeClock, ended: bool
) -> None:
    async def handle(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("word", *(["end"] if ended else [])))

    async with served(handle, GOOD) as url:
        exchange = await ask(session, clock, url)
    assert exchange.attempts == (1 if ended else 2)


# ---------------------------------------------------------------------------- content


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream; charset=utf-8", words("hi", "end")),
        ("text/plain", words("hi", "end")),
        ("application/json", b": hello\n\n" + words("hi", "end")),
        ("application/json", b'{"words": 1}'),
        ("text/plain; charset=utf-8", b'{"words": 1}'),
        ("text/event-stream", b' {"words": 1}'),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
async def test_what_a_reply_is_shows_in_its_bytes(
    session: aiohttp.ClientSession, clock: FakeClock, content_type: str, body: bytes, compressed: bool
) -> None:
    body = body.strip() if body.startswith(b" {") else body
    encoding = ("Content-Encoding: gzip",) if compressed else ()
    sent = gzip.compress(body) if compressed else body
    async with served(answering("200 OK", sent, f"Content-Type: {content_type}", *encoding)) as url:
        exchange = await ask(session, clock, url)
    assert exchange.reader.words == (["hi", "end"] if b"hi" in body else ['{"words": 1}'])
    assert (exchange.first_token_seconds is not None) == (b"hi" in body)


async def test_a_page_of_html_is_no_reply_however_often_it_is_asked_for(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    page = answering("200 OK", b"<html>Sign in</html>", "Content-Type: text/html")
    async with served(*[page] * 3) as url:
        with pytest.raises(ProviderError, match=r"no reply: <html>.*gave up after 3 attempts"):
            await ask(session, clock, url, RetryPolicy(attempts=3))


async def test_damaged_compression_is_tried_again(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    bad = answering("200 OK", b"no gzip at all", STREAM, "Content-Encoding: gzip")
    async with served(bad, GOOD) as url:
        assert (await ask(session, clock, url)).attempts == 2


async def test_a_redirect_is_refused_and_says_where_it_leads(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    moved = answering("307 Moved", b"", "Location: https://u:secret@other.example/v1?key=secret")
    async with served(moved) as url:
        with pytest.raises(ProviderError, match=r"redirects to https://other\.example/v1, which is not") as caught:
            await ask(session, clock, url)
    assert caught.value.status == 307
    assert "secret" not in str(caught.value)


# ---------------------------------------------------------------------------- trying again


async def test_a_wait_that_is_too_long_is_not_begun(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async with served(answering("429 Slow down", b"quota", "Retry-After: 3600")) as url:
        with pytest.raises(ProviderError, match=r"429.*asks to wait 3600 s, 180 s are waited at most"):
            await ask(session, clock, url)
    assert clock.slept == []


async def test_a_used_up_quota_is_not_waited_for(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async with served(answering("429 No", b'{"error": {"code": "insufficient_quota"}}')) as url:
        with pytest.raises(ProviderError, match="insufficient_quota"):
            await ask(session, clock, url)
    assert clock.slept == []


async def test_waiting_grows_with_jitter_between_half_and_whole(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    policy = RetryPolicy(attempts=8, longest_wait_seconds=6.0)
    async with served(*[answering("503 Busy", b"")] * 8) as url:
        with pytest.raises(ProviderError, match="gave up after 8 attempts") as caught:
            await ask(session, clock, url, policy)
    ceilings = [0.5, 1, 2, 4, 6, 6, 6]
    assert all(c / 2 <= slept <= c for slept, c in zip(clock.slept, ceilings, strict=True))
    assert caught.value.left.retry_seconds == pytest.approx(sum(clock.slept))


async def test_a_server_that_asks_for_no_waiting_is_not_stormed(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async with served(answering("429 No", b"", "Retry-After: 0"), GOOD) as url:
        await ask(session, clock, url)
    assert clock.slept[0] >= 0.25


async def test_nobody_listens(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async with served() as url:
        pass
    with pytest.raises(
        ProviderError, match=r"connection to http://127\.0\.0\.1:\d+/v1/chat failed.*1\d attempts: 180 s"
    ):
        await ask(session, clock, url)


async def test_an_address_that_is_none_is_asked_once(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    with pytest.raises(ProviderError, match="no request can be made"):
        await ask(session, clock, "http://")
    assert clock.slept == []


def test_retry_after_in_all_its_forms(clock: FakeClock) -> None:
    assert retry_after_seconds("2.5", clock) == 2.5
    assert retry_after_seconds("Thu, 01 Jan 2026 00:17:00 GMT", clock) == 20
    assert retry_after_seconds("Thu, 01 Jan 2015 00:00:00 GMT", clock) == 0
    assert retry_after_seconds(None, clock) is None
    assert retry_after_seconds("soon", clock) is None


@given(st.text())
def test_retry_after_may_be_anything(text: str) -> None:
    seconds = retry_after_seconds(text, FakeClock())
    assert seconds is None or seconds >= 0


async def test_what_a_reader_says_of_an_error_stays(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async with served(answering("503 Busy", b""), answering("200 OK", words("long"), STREAM)) as url:
        with pytest.raises(ContextTooLong, match=r"^long$") as caught:
            await ask(session, clock, url)
    assert caught.value.status == 400
    assert caught.value.left.retry_seconds == pytest.approx(sum(clock.slept))


# ---------------------------------------------------------------------------- keys


@pytest.mark.parametrize("where", ["status", "event", "page", "long"])
async def test_a_key_that_a_server_repeats_is_shown_nowhere(
    session: aiohttp.ClientSession, clock: FakeClock, where: str
) -> None:
    echo = {
        "status": answering("401 No", f"bad header Authorization: Bearer {KEY} of {KEY}".encode()),
        "event": answering("200 OK", words(f"error {KEY}"), STREAM),
        "page": answering("200 OK", f"<pre>{KEY}</pre>".encode()),
        "long": answering("400 No", b"x" * 570 + KEY.encode()),
    }[where]
    async with served(echo) as url:
        with pytest.raises(ProviderError) as caught:
            await Transport(session, clock, RetryPolicy(attempts=1)).post(
                post(url.replace("//", "//user:hidden-word@"), headers={"X-Own": KEY}), Lines
            )
    assert "hidden-word" not in str(caught.value)
    assert not any(KEY[:length] in str(caught.value) for length in range(6, len(KEY)))


# ---------------------------------------------------------------------------- what others are told


class Admitted:
    """An attempt that waited for nothing, and notes what it is told."""

    queue_seconds = 0.0

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def used(self, tokens: int) -> None:
        pass

    def refused(self, wait_seconds: float | None, times: int) -> None:
        self._log.append(f"refused {times} times, wants {wait_seconds}")

    def served(self) -> None:
        self._log.append("served")


class Told:
    """Notes what it is told of servers."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @asynccontextmanager
    async def admit(self, place: str, model: str, tokens: int) -> AsyncIterator[Admitted]:
        del tokens
        self.log.append(f"asked {place} for {model}")
        yield Admitted(self.log)

    @contextmanager
    def resting(self, place: str, model: str) -> Iterator[None]:
        del place
        self.log.append(f"{model} rests")
        yield
        self.log.append("goes on")


async def test_refusals_for_too_much_are_told_of_and_no_others(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    told = Told()
    refusing = [answering("429 No", b"", "Retry-After: 7"), *(answering(f"{n} No", b"") for n in (429, 503, 529, 429))]
    async with served(*refusing, GOOD) as url:
        asked_for = structs.replace(post(url), model="m")
        await Transport(session, clock, pressure=told).post(asked_for, Lines)
    asked = f"asked {url.split('/')[2]} for m"
    rest = ["m rests", "goes on"]
    assert told.log == [
        *(asked, "refused 1 times, wants 7.0", *rest),
        *(asked, "refused 2 times, wants None", *rest),
        *(asked, *rest),
        *(asked, *rest),
        *(asked, "refused 1 times, wants None", *rest),
        *(asked, "served"),
    ]


async def test_attempts_that_broke_off_after_their_first_token_are_counted(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async def breaking(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("half"))

    async with served(breaking, answering("500 Broken", b""), breaking, GOOD) as url:
        exchange = await ask(session, clock, url)
    guess = Usage(input_tokens=len(b"{}") // 4, output_tokens=1)
    assert exchange.attempts == 4
    assert exchange.abandoned == (Abandoned(usage=guess, estimated=True),) * 2
    assert exchange.model_seconds == 0.0


async def test_a_server_that_ignores_the_output_cap_is_cut_off(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """It never stops by itself: without the cut, the reply would have no end."""
    cap = 10

    async def endless(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        while True:
            await wire.chunk(words(*["word"] * 100))

    async with served(endless) as url:
        capped = Post(url=url, headers={}, body=b"{}", seconds=30.0, output_tokens=cap)
        exchange = await Transport(session, clock).post(capped, Lines)
    most = EVENTS_PER_TOKEN * cap + FREE_EVENTS
    assert exchange.cut == "size"
    assert most < len(exchange.reader.words) < 50 * most


async def test_a_reply_within_its_cap_may_come_in_very_small_pieces(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    cap = 100
    pieces = words(*["w"] * (EVENTS_PER_TOKEN * cap), "end", "over")
    async with served(answering("200 OK", pieces, STREAM)) as url:
        capped = Post(url=url, headers={}, body=b"{}", seconds=30.0, output_tokens=cap)
        exchange = await Transport(session, clock).post(capped, Lines)
    assert exchange.cut is None


# ---------------------------------------------------------------------------- ends and beginnings


async def test_what_a_stream_does_after_its_reply_costs_nobody_a_second(
    session: aiohttp.ClientSession, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is complete; the server neither says so nor hangs up, and sends signs of life for ever."""
    monkeypatch.setattr("flatfield.http.replies.AFTER_SECONDS", 0.1)

    async def beat(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("hello", "end"))
        await asyncio.sleep(0.03)  # until that is read
        while True:
            clock.seconds += 5.0
            await wire.chunk(b": still here\n\n")
            await asyncio.sleep(0.01)

    async with served(beat) as url:
        exchange = await ask(session, clock, url)
    assert (exchange.reader.words, exchange.attempts, exchange.model_seconds) == (["hello", "end"], 1, 0.0)


async def test_a_reply_that_goes_on_after_an_end_is_read_to_its_end(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    body = words("end", "more", "over")
    async with served(answering("200 OK", body + b"data: never\n\n", STREAM)) as url:
        assert (await ask(session, clock, url)).reader.words == ["end", "more", "over"]


async def test_the_mark_of_another_protocol_ends_a_reply_that_is_complete(
    session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    async with served(answering("200 OK", words("hello", "end", "[DONE]", "garbage"), STREAM)) as url:
        assert (await ask(session, clock, url)).reader.words == ["hello", "end"]


async def test_a_long_header_does_no_harm(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async with served(answering("200 OK", words("end", "over"), STREAM, f"X-Policy: {'a' * 40_000}")) as url:
        assert (await ask(session, clock, url)).reader.words == ["end", "over"]


async def test_silence_in_the_middle_of_a_reply_is_the_servers(
    session: aiohttp.ClientSession, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.http.replies.SILENT_SECONDS", 0.1)

    async def stop(wire: Wire) -> None:
        await wire.request()
        await wire.begin_stream()
        await wire.chunk(words("hello"))
        await asyncio.sleep(30)

    async with served(stop, GOOD) as url:
        exchange = await ask(session, clock, url)
    assert exchange.attempts == 2


async def test_a_busy_server_is_asked_for_three_minutes(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    async with served(*[answering("503 Busy", b"")] * 20) as url:
        with pytest.raises(ProviderError, match=r"gave up after 1\d attempts: 180 s are waited at most"):
            await ask(session, clock, url)
    assert 100 < sum(clock.slept) <= 180


async def test_replies_that_break_off_are_asked_for_six_times(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    """Each of them may be billed."""
    async with served(*[answering("200 OK", words("hello"), STREAM)] * 6) as url:
        with pytest.raises(ProviderError, match="gave up after 6 attempts"):
            await ask(session, clock, url)
