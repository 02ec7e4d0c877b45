"""A model server that answers at once: the test kit's replies as canned bytes, so that what is timed is the client.

Usage: python bench/instant_server.py PROVIDER stream|whole TURNS [FILE]. Prints its base URL and serves until stdin
closes. With a file, the body of each request becomes a line of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.testing.fake_server import FakeReply, SideWire
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from typing import BinaryIO

    from flatfield.testing.fake_server import VendorWire

FILES = 10
TEXT = "0123456789abcde " * 21  # what a wire streams in 48 pieces


def response(wire: VendorWire, turn: int, *, last: bool, stream: bool) -> bytes:
    """The whole HTTP response of a turn, counted from 1: a read_file call, on the last turn an answer."""
    call = ("read_file", json.dumps({"file_path": f"file_{turn % FILES}.txt"}))
    reply = FakeReply(text=TEXT, calls=() if last else (call,))
    if not stream:
        return http("application/json", json.dumps(wire.whole(reply, turn)).encode())
    # Keep-alives after each event are there to try clients; no server sends so many.
    return http(wire.content_type, b"".join(wire.stream(reply, turn)).replace(b": keep-alive\n\n", b""))


def http(content_type: str, body: bytes) -> bytes:
    """A response with a body."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def length_of(head: bytes) -> int:
    """How many bytes of body follow; a GET has none."""
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0] or 0)


class Instant(asyncio.Protocol):
    """Reads one request at a time; the turn is one more than the tool results that it holds."""

    def __init__(
        self, replies: list[bytes], mark: bytes, asides: dict[bytes, bytes], kept: BinaryIO | None = None
    ) -> None:
        self._replies = replies
        self._kept = kept
        self._mark = mark
        self._asides = asides
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        length = length_of(head)
        if len(self._buffer) < end + 4 + length:
            return
        turn = self._buffer.count(self._mark)
        aside = self._asides.get(head.split(b" ", 2)[1])
        if self._kept is not None and aside is None and length:  # what asks for no turn has no body
            self._kept.write(self._buffer[end + 4 :] + b"\n")
            self._kept.flush()
        self._buffer.clear()
        assert self._transport is not None
        self._transport.write(aside or self._replies[turn])


async def main(provider: str, mode: str, turns: int, keep: str = "") -> None:
    """Serve one provider's protocol."""
    wire = new_wire(provider)
    replies = [response(wire, turn, last=turn == turns, stream=mode == "stream") for turn in range(1, turns + 1)]
    # That there is such a model is asked before a run, whatever is asked for then.
    asides = {f"{wire.base}/models".encode(): http("application/json", b'{"data": [{"id": "m"}]}')}
    if isinstance(wire, SideWire):
        for path in wire.side_paths:
            body = json.dumps(wire.side(path, {"model": "m"}, ("m",))[1]).encode()
            asides[f"{wire.base}{path}".encode()] = http("application/json", body)
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        kept = stack.enter_context(Path(keep).open("wb")) if keep else None  # noqa: ASYNC230 - nothing is served yet
        server = await loop.create_server(lambda: Instant(replies, wire.result_mark, asides, kept), "127.0.0.1", 0)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{wire.base}", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:5]))
