"""A chat server that answers at once: canned bytes on a bare protocol, so that what is timed is the client."""

from __future__ import annotations

import asyncio
import json
import sys

TURNS = 10
STREAMED_EVENTS = 53


def reply(turn: int, *, stream: bool) -> bytes:
    """The whole HTTP response of turn 1…TURNS: a read_file call, on the last turn an answer."""
    usage = {"prompt_tokens": 3000, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 2000}}
    last = turn >= TURNS
    arguments = json.dumps({"file_path": f"file_{turn}.txt"})
    if not stream:
        message: dict[str, object] = {"role": "assistant", "content": "done" if last else None}
        if not last:
            function = {"name": "read_file", "arguments": arguments}
            message["tool_calls"] = [{"id": f"call_{turn}", "type": "function", "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": "stop" if last else "tool_calls"}
        body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
        return _response("application/json", body)
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    if last:
        deltas += [{"content": "word "} for _ in range(STREAMED_EVENTS - 3)]
    else:
        deltas += [{"content": "word "} for _ in range(STREAMED_EVENTS - 6)]
        head = {
            "index": 0,
            "id": f"call_{turn}",
            "type": "function",
            "function": {"name": "read_file", "arguments": ""},
        }
        deltas.append({"tool_calls": [head]})
        half = len(arguments) // 2
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
            for part in (arguments[:half], arguments[half:])
        ]
    chunks = [_chunk(delta, None) for delta in deltas] + [_chunk({}, "stop" if last else "tool_calls")]
    chunks.append({"id": "x", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
    return _response("text/event-stream", "".join(lines).encode())


def _chunk(delta: dict[str, object], finish: str | None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _response(content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Instant(asyncio.Protocol):
    """Reads one request at a time; the turn is one more than the tool messages that it holds."""

    def __init__(self, *, stream: bool) -> None:
        self._replies = [reply(turn, stream=stream) for turn in range(1, TURNS + 1)]
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
        head = bytes(self._buffer[:end]).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 :])
        self._buffer.clear()
        turn = body.count(b'"tool_call_id"')
        assert self._transport is not None
        self._transport.write(self._replies[turn])


async def main() -> None:
    """Print the port and serve until stdin closes; argument `stream` or `whole`."""
    loop = asyncio.get_running_loop()
    stream = sys.argv[1] == "stream"
    server = await loop.create_server(lambda: Instant(stream=stream), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
