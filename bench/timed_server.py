"""A model server that is exact about time: it waits a known while before the first token and between further ones.

Usage: python -m bench.timed_server PROVIDER FIRST_SECONDS BETWEEN_SECONDS PIECES. Prints its base URL and serves until
stdin closes. What it says is the test kit's, in the provider's protocol.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.instant_server import http, length_of
from flatfield.testing.fake_server import FakeReply, SideWire
from flatfield.testing.wires import new_wire

WORD = "lighthouse"
TEXT = f"{WORD} " * 14  # what a wire streams in about as many events as there are pieces
KEEP_ALIVE = b": keep-alive\n\n"  # after each event they are there to try clients; no server sends so many


class Timed(asyncio.Protocol):
    """Answers each request on a schedule that counts from when its last byte was read, so that no delay adds up."""

    def __init__(self, pieces: list[tuple[float, bytes]], asides: dict[bytes, bytes]) -> None:
        self._pieces = pieces
        self._asides = asides
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Schedule the reply as soon as a request is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        length = length_of(head)
        if len(self._buffer) < end + 4 + length:
            return
        self._buffer.clear()
        assert self._transport is not None
        aside = self._asides.get(head.split(b" ", 2)[1])
        if aside is not None:
            self._transport.write(aside)
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        for seconds, piece in self._pieces:
            loop.call_at(now + seconds, self._transport.write, piece)


def scheduled(provider: str, first_seconds: float, between_seconds: float, count: int) -> list[tuple[float, bytes]]:
    """The pieces of a response, each with its moment; the first ends with the first token, the last ends all.

    What follows the last text comes with it: what comes of a finished reply later counts for nobody.
    """
    wire = new_wire(provider)
    events = [event.removeprefix(KEEP_ALIVE) for event in wire.stream(FakeReply(text=TEXT), 1)]
    texts = [number for number, event in enumerate(events) if WORD.encode()[:4] in event]
    first, end = texts[0] + 1, texts[-1] + 1
    rest = events[first:end]
    cuts = [len(rest) * number // (count - 1) for number in range(count)]
    pieces = [events[:first], *(rest[cuts[number] : cuts[number + 1]] for number in range(count - 1))]
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {wire.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    pieces[-1] = [*pieces[-1], *events[end:]]
    framed = [b"%x\r\n%s\r\n" % (len(data), data) for data in map(b"".join, pieces)]
    framed[0], framed[-1] = head + framed[0], framed[-1] + b"0\r\n\r\n"
    return [(first_seconds + between_seconds * number, piece) for number, piece in enumerate(framed)]


def answers(provider: str) -> dict[bytes, bytes]:
    """What is answered at once beside the conversations, by path."""
    wire = new_wire(provider)
    found = {f"{wire.base}/models".encode(): http("application/json", b'{"data": [{"id": "m"}]}')}
    if not isinstance(wire, SideWire):
        return found
    for path in wire.side_paths:
        body = json.dumps(wire.side(path, {"model": "m"}, ("m",))[1]).encode()
        found[f"{wire.base}{path}".encode()] = http("application/json", body)
    return found


async def main(provider: str, first_seconds: float, between_seconds: float, count: int) -> None:
    """Serve one provider's protocol."""
    loop = asyncio.get_running_loop()
    pieces, asides = scheduled(provider, first_seconds, between_seconds, count), answers(provider)
    server = await loop.create_server(lambda: Timed(pieces, asides), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{new_wire(provider).base}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
