"""A chat server that is exact about time: it waits a known while before the first chunk and between further ones."""

from __future__ import annotations

import asyncio
import json
import sys


class Timed(asyncio.Protocol):
    """Answers each request on a schedule that counts from when its last byte was read, so that no delay adds up."""

    def __init__(self, first_seconds: float, between_seconds: float, chunks: int) -> None:
        self._seconds = [first_seconds + between_seconds * number for number in range(chunks)]
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
        length = int(bytes(self._buffer[:end]).lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._buffer.clear()
        loop = asyncio.get_running_loop()
        now = loop.time()
        for number, seconds in enumerate(self._seconds):
            loop.call_at(now + seconds, self._send, number)

    def _send(self, number: int) -> None:
        last = number == len(self._seconds) - 1
        choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": "stop" if last else None}
        chunk = json.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice]})
        data = f"data: {chunk}\n\n{'data: [DONE]' + chr(10) * 2 if last else ''}".encode()
        head = b""
        if number == 0:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert self._transport is not None
        self._transport.write(head + b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if last else b""))


async def main() -> None:
    """Print the port and serve until stdin closes; arguments: first and further waits in seconds, chunks."""
    loop = asyncio.get_running_loop()
    first_seconds, between_seconds, chunks = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    server = await loop.create_server(
        lambda: Timed(first_seconds, between_seconds, chunks), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
