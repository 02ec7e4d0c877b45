"""Reads one HTTP reply, streamed or whole, into a vendor's reader, and says what a refusal means."""

from __future__ import annotations

import asyncio
import codecs
import math
import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

import aiohttp
import msgspec

from flatfield.errors import ProviderError
from flatfield.http.arrivals import descriptor_of
from flatfield.http.secrecy import shown_url
from flatfield.http.tape import FAILED_BYTES, SLACK_BYTES
from flatfield.json_text import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flatfield.clock import Clock
    from flatfield.http.arrivals import Arrivals
    from flatfield.records import Usage


# Newline-delimited JSON, decoded from chunks that may be cut anywhere.


class LineDecoder:
    r"""Turns chunks of bytes into whole lines; works on bytes, so a character split over two chunks is whole again.

    Only \n ends a line: JSON text may hold the other characters that count as line ends elsewhere. Empty lines, which
    servers send to keep a connection alive, are passed over.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Every line that `chunk` completes."""
        lines = (self._tail + chunk).split(b"\n")
        self._tail = lines.pop()
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """The last line, where the newline that ends it never came."""
        return self.feed(b"\n")


# Server-sent events, decoded from chunks that may be cut anywhere.


_FIELDS = (b":", b"event", b"id", b"retry", b"data")


def _is_whole(payload: bytes) -> bool:
    """Whether a line of data looks like a whole JSON object, as no line in the middle of one does."""
    return payload.startswith(b'{"') and payload.rstrip().endswith(b"}")


def _begins_anew(payload: bytes) -> bool:
    return payload.startswith((b'{"', b"[DONE]"))


class EventDecoder:
    """Turns chunks of bytes into the `data` of each event (WHATWG HTML, section 9.2.6).

    Works on bytes, so a character split over two chunks is whole again when its event is. Comments (keep-alives),
    `event:`, `id:` and `retry:` lines are passed over: the vendors repeat in the data what they say there. Events
    without data are none. `stray` gathers lines that belong to no event: Google's servers break off with a plain JSON
    error.
    """

    __slots__ = ("_begun", "_data", "stray")

    def __init__(self) -> None:
        self._begun: list[bytes] = []  # the pieces of a line that has not ended yet
        self._data: list[bytes] = []
        self.stray = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes."""
        if b"\n" not in chunk and b"\r" not in chunk and not self._ends_with_return():
            self._begun.append(chunk)
            return []
        self._begun.append(chunk)
        joined, self._begun = b"".join(self._begun), []
        if self._data or b"\r" in joined:
            return self._lines(joined)
        events: list[bytes] = []
        *blocks, rest = joined.split(b"\n\n")
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:  # nearly every event of a stream
                events += [block[6:]] if len(block) > 6 else []
            else:
                events += self._lines(block + b"\n\n")
        if b"\n" in rest:
            return events + self._lines(rest)
        self._begun = [rest] if rest else []
        return events

    def _lines(self, joined: bytes) -> list[bytes]:
        """The data of every event that these lines complete; the last of them may not have ended."""
        lines = joined.splitlines(keepends=True)
        # A final \r may be the first half of \r\n: it waits for the next chunk, with the line that it ends.
        self._begun = [lines.pop()] if lines and not lines[-1].endswith(b"\n") else []
        events: list[bytes] = []
        data = self._data
        for line in lines:
            content = line.rstrip(b"\r\n")
            if not content:
                if any(data):
                    events.append(b"\n".join(data))
                data.clear()
            elif content.startswith(b"data:"):
                payload = content[6:] if content.startswith(b"data: ") else content[5:]
                if data and _is_whole(data[-1]) and _begins_anew(payload):  # a server that leaves out the blank line
                    events.append(b"\n".join(data))
                    data.clear()
                data.append(payload)
            elif not content.startswith(_FIELDS):
                self.stray += line
        return events

    def close(self) -> list[bytes]:
        """The data of an event whose closing blank line never came; servers that hang up early still mean it."""
        events = self.feed(b"\n\n") if self._begun or self._data else []
        self._data.clear()
        return events

    def _ends_with_return(self) -> bool:
        return bool(self._begun) and self._begun[-1].endswith(b"\r")


# Tells when a model says the same again and again, as small ones do until their output cap.


REPEATED_CHARACTERS = 4000
"""So much of the end of a reply must be one text over and over: more than people ask for as an answer."""
LONGEST_UNIT_CHARACTERS = 200
_NEEDLE_CHARACTERS = 48
_STEP_CHARACTERS = 500
"""After so much more text it is looked at again."""


class Repetition:
    """Hears the text of a reply as it comes; `found` once its end is one text, repeated twenty times or more."""

    __slots__ = ("_since", "_tail", "found")

    def __init__(self) -> None:
        self.found = False
        self._tail = ""
        self._since = 0

    def hear(self, piece: str) -> None:
        """Another piece of the text."""
        self._tail += piece
        self._since += len(piece)
        if self._since >= _STEP_CHARACTERS:
            self._since = 0
            self._tail = self._tail[-REPEATED_CHARACTERS:]
            self.found = self.found or is_repetition(self._tail)


def is_repetition(text: str) -> bool:
    """Whether a text's last `REPEATED_CHARACTERS` are one text of at most `LONGEST_UNIT_CHARACTERS`, repeated."""
    end = text[-REPEATED_CHARACTERS:]
    if len(end) < REPEATED_CHARACTERS:
        return False
    before = end.rfind(end[-_NEEDLE_CHARACTERS:], 0, len(end) - 1)
    period = len(end) - _NEEDLE_CHARACTERS - before
    return before >= 0 and period <= LONGEST_UNIT_CHARACTERS and end[period:] == end[:-period]


# ---------------------------------------------------------------------------- one reply, and what a refusal means


RETRIED = frozenset({408, 409, 429})
MAX_REPLY_BYTES = 8 * 1024 * 1024
EVENTS_PER_TOKEN, FREE_EVENTS = 8, 1000
"""Most servers stream one event or less for a token: with more than these the output cap is being ignored."""
FREE_TOKENS = 16  # servers count the marks that begin and end a reply, or do not
LETTERS_PER_TOKEN, FREE_LETTERS = 32, 8000
"""Text of which a token is longer than this is not written by a model that keeps to its cap either."""
ERROR_BYTES = 16 * 1024
SHOWN_BYTES = 300
"""So much of a reply that is none is quoted."""
DRAIN_SECONDS = 0.2  # that a body may take to end when the reply in it is over, to use the connection again
DONE = b"[DONE]"
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What readers raise of data that is none."""
AFTER_SECONDS = 3.0
"""So long is waited for more when a reply has ended by itself: for its usage, or for another piece of its text."""
SILENT_SECONDS = 120.0
"""A model that has begun to write does not stop for so long: its server has."""
BYTES_OF_A_TOKEN = 1024
"""Some servers send so much around each token; with them a reply may grow as its cap does."""
PIECE_SECONDS = 0.001
"""What comes within so short a time was sent as one piece."""
_RETRY_DELAY = re.compile(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"')


class Reader(Protocol):
    """Understands one vendor's replies; a new one is made for each attempt.

    One with an attribute `repeats` says with it that the model repeats itself without end: nothing more is read then.
    """

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

    @property
    def over(self) -> bool:
        """Whether nothing more can come, also if the server keeps the stream open."""
        ...

    @property
    def letters(self) -> int:
        """How many characters the model has written so far: text, reasoning that is shown, arguments of calls."""
        ...

    @property
    def counted(self) -> tuple[Usage | None, int]:
        """The tokens that the server has counted so far (None: it has not said), and how many letters that covers."""
        ...


class PassingFailure(Exception):
    """An attempt failed in a way that may pass; `wait_seconds` is what the server asked for."""

    def __init__(self, message: str, *, status: int | None = None, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.wait_seconds = wait_seconds


class Marks:
    """When the last byte of the request went out, and when the first token and the last byte of the reply came in.

    `limit` ends the attempt: at first if no connection comes about, and once the request is out, if the model time is
    over. aiohttp's tracing tells of each piece that is sent. `events_left`: how many the reply may still have.
    `is_over`: nothing more is read; `finished`: when the reply last grew, by the loop's clock, once it was complete.
    `is_reused`: an older connection was taken, which its server may have closed. `pieces`: at how many moments the
    model's text grew, the last of which was at `grew`. `received`: the body as it came, as far as it was read; `status`
    and `headers` are the answer's, once there is one. `arrivals` knows when the bytes of its session's replies came in.
    """

    __slots__ = (
        "arrivals",
        "events_left",
        "finished",
        "first",
        "grew",
        "headers",
        "is_out",
        "is_over",
        "is_reused",
        "last",
        "limit",
        "output_tokens",
        "pieces",
        "received",
        "seconds",
        "sent",
        "status",
    )

    def __init__(self, now: float, seconds: float, output_tokens: int | None = None) -> None:
        self.events_left = math.inf if output_tokens is None else EVENTS_PER_TOKEN * output_tokens + FREE_EVENTS
        self.output_tokens = output_tokens
        self.received = bytearray()
        self.arrivals: Arrivals | None = None
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.sent = self.last = now
        self.seconds = max(seconds, 0.001)
        self.first: float | None = None
        self.grew = -math.inf
        self.pieces = 0
        self.is_out = self.is_over = self.is_reused = False
        self.finished: float | None = None
        self.limit: asyncio.Timeout | None = None

    def piece_sent(self, now: float) -> None:
        """Another piece of the request goes out: it may be the last."""
        self.sent = self.last = now
        self.is_out = True
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time() + self.seconds)

    def again(self) -> None:
        """The same request goes out once more, as if it had not before."""
        self.is_out = self.is_reused = False

    def took(self, before: float, *, grew: bool, was_complete: bool) -> None:
        """Something has come, the first time since `before`."""
        if grew:
            self.pieces += self.last - self.grew > PIECE_SECONDS
            self.grew = self.last
        elif was_complete:  # what a stream does when the reply is finished is nobody's time
            self.last = before

    def silent_seconds(self, now: float) -> float:
        """For how long nothing has come; what comes without a token, before the first one, is nothing."""
        return max(0.0, now - (self.sent if self.first is None else self.last))


async def read(response: aiohttp.ClientResponse, reader: Reader, marks: Marks, clock: Clock) -> str | None:
    """Feed the body to the reader; returns what ended it before the model did, else None.

    "size": it is longer than it may be; "repeats": the model says the same again and again.

    Raises:
        Passing: the body ended before the reply did.
    """
    descriptor = descriptor_of(response)
    chunk = await _beginning(response, marks)
    decoder, body = _decoder(response.content_type, chunk), bytearray()
    most_bytes = max(MAX_REPLY_BYTES, BYTES_OF_A_TOKEN * (marks.output_tokens or 0))
    while chunk and not marks.is_over:
        last, letters, complete = marks.last, reader.letters, reader.complete
        marks.last = max(last, clock.now() if marks.arrivals is None else marks.arrivals.last(descriptor))
        marks.received += chunk
        if len(marks.received) > most_bytes:
            return "size"
        if decoder is None:
            body += chunk
        else:
            _take(decoder.feed(chunk), reader, marks)
            if _is_beyond_cap(reader, marks):
                return "size"
        marks.took(last, grew=reader.letters > letters, was_complete=complete)
        if getattr(reader, "repeats", False) and not reader.complete:  # not every reader listens for that
            return "repeats"
        chunk = b"" if marks.is_over else await _next(response, reader, marks, grown=reader.letters > letters)
    if marks.is_over:
        await _drain(response)
    elif decoder is None:
        _read(reader.whole, bytes(body))
    else:
        _take(decoder.close(), reader, marks)
        if isinstance(decoder, EventDecoder) and decoder.stray and not reader.complete:
            _read(reader.whole, decoder.stray)
    if not reader.complete:
        said = "" if reader.begun else bytes(marks.received[:SHOWN_BYTES]).decode("utf-8", "replace").strip()
        where = shown_url(str(response.url))
        raise PassingFailure(
            f"{where} ended the stream before the reply was complete{f'; it said: {said}' if said else ''}"
        )
    return None


def reread(received: bytes, reader: Reader) -> None:
    """Feed a reader with a body that came before, as `read` did then.

    Raises:
        Passing: it cannot be read, or does not hold a whole reply.
    """
    body = received.removeprefix(codecs.BOM_UTF8)
    decoder = _decoder("application/x-ndjson" if _is_lines(body) else "", body)
    if decoder is None:
        _read(reader.whole, body)
    else:
        for data in (*decoder.feed(body), *decoder.close()):
            if not reader.over and not (reader.complete and data.strip() == DONE):
                _read(reader.event, data)
        if isinstance(decoder, EventDecoder) and decoder.stray and not reader.complete:
            _read(reader.whole, decoder.stray)
    if not reader.complete:
        raise PassingFailure("it ends before the reply does")


def _is_lines(body: bytes) -> bool:
    """Whether a body is a JSON object on each of several lines."""
    first, _, rest = body.strip().partition(b"\n")
    try:
        msgspec.json.decode(first)
    except msgspec.DecodeError:
        return False
    return bool(rest)


async def _beginning(response: aiohttp.ClientResponse, marks: Marks) -> bytes:
    """The first piece of a body, without the byte order mark that some servers begin with."""
    chunk = await response.content.readany()
    while chunk and codecs.BOM_UTF8.startswith(chunk) and (more := await response.content.readany()):
        chunk += more
    if chunk.startswith(codecs.BOM_UTF8):
        marks.received += codecs.BOM_UTF8
    return chunk.removeprefix(codecs.BOM_UTF8)


def _take(events: list[bytes], reader: Reader, marks: Marks) -> None:
    marks.events_left -= len(events)
    try:
        for data in events:
            if reader.complete and data.strip() == DONE:
                marks.is_over = True  # some gateways end every stream so, also of APIs that have no such mark
                break
            reader.event(readable(data))
            marks.is_over = reader.over
            if marks.is_over:
                break
    except UNREADABLE as error:
        raise _unreadable(error) from None
    if marks.first is None and reader.begun:
        marks.first = marks.last


def _read(take: Callable[[bytes], None], data: bytes) -> None:
    """Give a reader what has come, without what is nested too deeply for anybody; what it cannot read is no reply."""
    try:
        take(readable(data))
    except UNREADABLE as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> PassingFailure:
    return PassingFailure(f"the server sent a reply that cannot be read: {error}")


def _is_beyond_cap(reader: Reader, marks: Marks) -> bool:
    """Whether a reply goes on though the output cap that its request states must be used up."""
    cap = marks.output_tokens
    if cap is None or reader.complete:
        return False
    usage, _ = reader.counted
    counted = usage is not None and usage.output_tokens > cap + FREE_TOKENS
    return counted or marks.events_left < 0 or reader.letters > LETTERS_PER_TOKEN * cap + FREE_LETTERS


def _decoder(content_type: str, beginning: bytes) -> EventDecoder | LineDecoder | None:
    """What cuts a reply into its events; None: it is a whole one.

    Some servers and gateways send whole replies and server-sent events under each other's content type.
    """
    start = beginning.lstrip()
    if start.startswith((b"data:", b"event:", b"id:", b"retry:", b":")):
        return EventDecoder()
    if content_type == "application/x-ndjson":
        return LineDecoder()
    return EventDecoder() if content_type == "text/event-stream" and not start.startswith(b"{") else None


async def _next(response: aiohttp.ClientResponse, reader: Reader, marks: Marks, *, grown: bool) -> bytes:
    """The next piece of the body; b"" at its end, and when a finished reply has not grown for some seconds."""
    if not reader.begun:
        return await response.content.readany()
    if not reader.complete:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                return await response.content.readany()
        except TimeoutError:
            where = shown_url(str(response.url))
            raise PassingFailure(f"{where} sent nothing for {SILENT_SECONDS:g} s in the middle of its reply") from None
    now = asyncio.get_running_loop().time()
    marks.finished = now if grown or marks.finished is None else marks.finished
    try:
        async with asyncio.timeout_at(marks.finished + AFTER_SECONDS):
            return await response.content.readany()
    except TimeoutError:
        return b""


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Take in the end of the body; what does not come at once is given up, and the connection with it."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await response.content.readany():
                pass


async def refusal(response: aiohttp.ClientResponse, marks: Marks, clock: Clock) -> Exception:
    """The error that a status other than 200 means: one that may pass, or one that is final."""
    status = response.status
    text = await _error_text(response, marks)
    message = f"{shown_url(str(response.url))} answered {status}: {text or response.reason}"
    if 300 <= status < 400:
        target = shown_url(response.headers.get("Location", "nowhere"))
        return ProviderError(f"{message}: it redirects to {target}, which is not followed", status=status)
    if (status in RETRIED or status >= 500) and "insufficient_quota" not in text:
        wait_seconds = retry_after_seconds(response.headers.get("Retry-After"), clock)
        if wait_seconds is None:
            wait_seconds = retry_info_seconds(text)
        return PassingFailure(message, status=status, wait_seconds=wait_seconds)
    return ProviderError(message, status=status)


async def _error_text(response: aiohttp.ClientResponse, marks: Marks) -> str:
    raw = marks.received
    with suppress(aiohttp.ClientError):  # the status says enough where the body breaks off or cannot be unpacked
        while len(raw) < FAILED_BYTES + SLACK_BYTES and (chunk := await response.content.readany()):
            raw += chunk
    return raw[:ERROR_BYTES].decode("utf-8", "replace").strip()


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


def retry_info_seconds(text: str) -> float | None:
    """The `retryDelay` of a google.rpc.RetryInfo in an error's body, a duration such as "13.5s"; None without one."""
    found = _RETRY_DELAY.search(text)
    return float(found[1]) if found else None
