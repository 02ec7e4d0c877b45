"""Keeps what an exchange sent and received, small and without keys, and takes it out again as it was."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.agent.http.secrecy import HIDDEN, PUBLIC, scrubbed, shown_url
from flatfield.errors import StoreError
from flatfield.records import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LEVEL = 1  # streams repeat themselves: more effort gains little, and costs the harness time in every turn


class Sent(Struct, frozen=True, kw_only=True):
    """One exchange as it was: headers that may hold a key without their values, bodies as text."""

    url: str
    headers: dict[str, str]
    request: str
    response: str


class Tape:
    """One conversation's exchanges: each request repeats the one before, so only what is new is kept of it."""

    def __init__(self) -> None:
        self._before = b""

    def keep(self, url: str, headers: Mapping[str, str], body: bytes, received: bytes) -> Wire:
        """What one exchange leaves on record; values of secret headers are taken out of both bodies too."""
        body = _without_keys(body, headers)
        same = _shared(self._before, body)
        self._before = body
        return Wire(
            url=shown_url(url),
            headers={name: value if name.lower() in PUBLIC else HIDDEN for name, value in headers.items()},
            kept_bytes=same,
            sent=zlib.compress(body[same:], LEVEL),
            checksum=zlib.crc32(body),
            received=zlib.compress(_without_keys(received, headers), LEVEL),
        )


def rebuilt(wires: Iterable[Wire]) -> Iterator[Sent]:
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
        yield Sent(
            url=wire.url,
            headers=wire.headers,
            request=body.decode("utf-8", "backslashreplace"),
            response=received.decode("utf-8", "backslashreplace"),
        )


def _without_keys(data: bytes, headers: Mapping[str, str]) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    return scrubbed(text, headers).encode("utf-8", "surrogateescape")


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
