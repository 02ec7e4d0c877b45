"""Keeps what an exchange sent and received, small and without keys, and takes it out again as it was."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping  # noqa: TC003 - msgspec may resolve this module's annotations at runtime
from typing import TYPE_CHECKING

from msgspec import Struct, field, structs

from flatfield.errors import StoreError
from flatfield.http.secrecy import HIDDEN, PUBLIC, Scrubber, Secrets, hidden, shown_url
from flatfield.records import Wire
from flatfield.tasks.agents import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flatfield.http.secrecy import Needles, Span

FAILED_BYTES = 64 * 1024
"""How much of the answer to an attempt that failed is kept."""
SLACK_BYTES = 4 * 1024
"""How much more of it is looked at, so that a key which the cut would halve is known for one."""
LEVEL, WINDOW_BITS, MEMORY = 1, 13, 6
"""Of zlib: streams repeat themselves, so more gains little; its defaults take ten times as long for a short text."""
LONGEST_BLOCK = 0xFFFF
"""Of what is stored as it is (RFC 1951, section 3.2.4)."""
_BLOCK = struct.Struct("<?HH")
LOOSE_BYTES = 256 * 1024
"""So much of a conversation waits, as it is, for the store's writer to compress it: that is no work for the event loop,
which times the trials. A thousand long conversations at once would fill the memory, so what is more is compressed."""


class Exchanged(Struct, frozen=True, kw_only=True):
    """One exchange as it was: headers that may hold a key without their values, bodies as text.

    `failure`: why the attempt failed, "" where it did not; only then `status` and `response_headers` are known.
    """

    url: str
    headers: dict[str, str]
    request: str
    response: str
    failure: str = ""
    status: int | None = None
    response_headers: dict[str, str] = field(default_factory=dict)


class Failed(Struct, frozen=True, kw_only=True):
    """How an attempt failed: why, and the answer's status (None: there was none) and headers as they came."""

    why: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Tape:
    """One conversation's exchanges: each request repeats the one before, so only what is new is kept of it."""

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._before = self._raw = b""
        self._spans: list[Span] = []
        self._needles: Needles | None = None
        self._secrets = secrets or Secrets()
        self._scrubber = Scrubber({}, self._secrets)
        self._headers: dict[str, str] = {}
        self._url = self._shown_url = ""
        self._loose_bytes = 0

    def keep(
        self, url: str, headers: Mapping[str, str], body: bytes, received: bytes, failed: Failed | None = None
    ) -> Wire:
        """What one exchange leaves on record; values of secret headers are taken out of both bodies too."""
        self._goes_to(url, headers)
        scrubber = self._scrubber
        body, same = self._without_keys(body, scrubber.needles)
        received = _cut(received, scrubber) if failed else scrubber.data(received)
        return Wire(
            url=self._shown_url,
            headers=self._headers,
            kept_bytes=same,
            sent=self._stream(body[same:]),
            checksum=zlib.crc32(body),
            received=self._stream(received),
            failure=failed.why if failed else "",
            status=failed.status if failed else None,
            received_headers=_shown_headers(failed.headers, scrubber) if failed else {},
        )

    def _goes_to(self, url: str, headers: Mapping[str, str]) -> None:
        """Where the next exchange goes, and under which headers: as a rule where the last one went."""
        if self._url != url:
            self._url, self._shown_url = url, shown_url(url)
        if self._scrubber.headers != headers:
            self._scrubber = Scrubber(headers, self._secrets)
            self._headers = {name: value if name.lower() in PUBLIC else HIDDEN for name, value in headers.items()}

    def _without_keys(self, body: bytes, needles: Needles) -> tuple[bytes, int]:
        """The body without keys, and with how many bytes of the one before it begins; only the rest is looked through.

        Nothing that is looked for is longer than `needles.longest`: what begins so far before the first difference is
        the same in both.
        """
        same = _shared(self._raw, body)
        known = same - needles.longest if needles is self._needles else 0
        spans = [span for span in self._spans if span[0] < known]
        spans += needles.spans(body, max(0, known))
        clean = hidden(body, spans)
        if clean is not body or self._before is not self._raw:  # there is a key in one of them
            same = _shared(self._before, clean)
        self._before, self._raw, self._spans, self._needles = clean, body, spans, needles
        return clean, same

    def _stream(self, data: bytes) -> bytes:
        """The data as a zlib stream, compressed only where too much would wait for that."""
        self._loose_bytes += len(data)
        return _loose(data) if self._loose_bytes <= LOOSE_BYTES else _packed(data)


def packed(wires: Iterable[Wire]) -> tuple[Wire, ...]:
    """The exchanges as they are stored: compressed, also where the tape left that for later."""
    return tuple(structs.replace(wire, sent=_repacked(wire.sent), received=_repacked(wire.received)) for wire in wires)


def _repacked(stream: bytes) -> bytes:
    """A zlib stream whose first block is stored as it is (RFC 1951, section 3.2.3), compressed; else as it came."""
    if len(stream) < 3 or stream[2] & 0b110:
        return stream
    try:
        return _packed(zlib.decompress(stream))
    except zlib.error:  # whoever made it: it is kept, and said when it is read
        return stream


def rebuilt(wires: Iterable[Wire]) -> Iterator[Exchanged]:
    """A conversation's exchanges, all from the first on, as they were.

    Raises:
        StoreError: one is damaged, or one before it is missing.
    """
    body = b""
    for number, wire in enumerate(wires, start=1):
        try:
            body = body[: wire.kept_bytes] + zlib.decompress(wire.sent)
            received = zlib.decompress(wire.received)
        except zlib.error:
            raise StoreError(f"exchange {number} cannot be unpacked: its record is damaged") from None
        if zlib.crc32(body) != wire.checksum:
            raise StoreError(f"exchange {number} is not as it was sent: its record, or one before it, is damaged")
        yield Exchanged(
            url=wire.url,
            headers=wire.headers,
            request=body.decode("utf-8", "backslashreplace"),
            response=received.decode("utf-8", "backslashreplace"),
            failure=wire.failure,
            status=wire.status,
            response_headers=wire.received_headers,
        )


def _cut(received: bytes, scrubber: Scrubber) -> bytes:
    """The answer to an attempt that failed, at most FAILED_BYTES of it; where something is missing, it is said."""
    whole = scrubber.told(received[: FAILED_BYTES + SLACK_BYTES])
    if len(whole) <= FAILED_BYTES:
        return whole
    return whole[:FAILED_BYTES] + b"\n[cut here: %d bytes are kept of a failed attempt]" % FAILED_BYTES


def _shown_headers(received: Mapping[str, str], scrubber: Scrubber) -> dict[str, str]:
    """An answer's headers: cookies and the like hidden, addresses without what may be a key, the rest scrubbed."""
    shown: dict[str, str] = {}
    for name, value in received.items():
        text = shown_url(value) if name.lower() in {"location", "content-location"} else value
        shown[name] = HIDDEN if is_secret(name) else scrubber.text(text)
    return shown


def _loose(data: bytes) -> bytes:
    """A zlib stream that is not compressed, put together here: zlib would let other threads run before it is done."""
    parts = [b"\x78\x01"]
    for at in range(0, max(len(data), 1), LONGEST_BLOCK):
        block = data[at : at + LONGEST_BLOCK]
        is_last = at + LONGEST_BLOCK >= len(data)
        parts += (_BLOCK.pack(is_last, len(block), len(block) ^ LONGEST_BLOCK), block)
    parts.append(zlib.adler32(data).to_bytes(4, "big"))
    return b"".join(parts)


def _packed(data: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY)
    return packer.compress(data) + packer.flush()


def _shared(before: bytes, now: bytes) -> int:
    """How many bytes both begin with: halving, so that memory is compared, not Python's numbers."""
    low, high = 0, min(len(before), len(now))
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == now[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
