"""A server that speaks OpenAI's chat protocol: scripted replies, strict about requests, faults on demand."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType


class FakeReply(Struct, frozen=True, kw_only=True):
    """What the model says: text, reasoning, calls as (name, arguments JSON text); usage None is left out."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str | None = None
    usage: dict[str, Any] | None = field(
        default_factory=lambda: {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 4},
        }
    )


class Fault(Struct, frozen=True, kw_only=True):
    """What goes wrong instead.

    `status` other than 200: an error reply with `body` and `headers`. With 200, `kind` is one of "cut" (the stream
    ends in the middle), "stall" (nothing more comes), "garbage" (an event that is no JSON), "error_event" (`body` as
    an event), "whole" (`body` as it is, with `headers`).
    """

    status: int = 200
    kind: str = ""
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class FakeChat:
    """`async with FakeChat(script) as server:` listens at `server.base_url`; `server.requests` holds what came.

    A sequence is played in the order of the requests; a function is given each request and its number from 0.
    `piece_bytes` cuts the stream into pieces of that size, anywhere, characters included; `stream` False answers whole.
    """

    def __init__(
        self,
        script: Callable[[dict[str, Any], int], FakeReply | Fault] | Sequence[FakeReply | Fault],
        *,
        stream: bool = True,
        piece_bytes: int | None = None,
        models: Sequence[str] = ("fake-model",),
    ) -> None:
        self._script = script
        self._stream = stream
        self._piece_bytes = piece_bytes
        self._models = models
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.violations: list[str] = []
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    async def __aenter__(self) -> Self:
        """Listen on a free port of loopback."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": model, "object": "model"} for model in self._models]}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        number = len(self.requests)
        sent = json.loads(await request.read())
        self.requests.append(sent)
        self.headers.append(dict(request.headers))
        problem = violation(sent)
        if problem:
            self.violations.append(problem)
            return web.json_response({"error": {"message": problem, "code": 400}}, status=400)
        step = self._script(sent, number) if callable(self._script) else self._script[number]
        if isinstance(step, Fault):
            return await self._fail(request, step)
        if not self._stream or not sent.get("stream"):
            return web.json_response(_whole(step))
        events = [*_chunks(step), "[DONE]"]
        return await self._send(request, b"".join(_event(event) for event in events))

    async def _send(self, request: web.Request, stream: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        size = self._piece_bytes or len(stream) or 1
        for start in range(0, len(stream), size):
            await response.write(stream[start : start + size])
            if self._piece_bytes:
                await asyncio.sleep(0)
        await response.write_eof()
        return response

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.status != 200 or fault.kind == "whole":
            return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        first = _event(json.dumps(_chunk({"content": "beginn"}, None)))
        if fault.kind == "garbage":
            return await self._send(request, first + _event("{not json"))
        if fault.kind == "error_event":
            return await self._send(request, first + _event(fault.body))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(first)
        if fault.kind == "stall":
            await asyncio.Event().wait()
        if request.transport is not None:
            request.transport.close()
        return response


def violation(request: dict[str, Any]) -> str | None:
    """The first rule of the chat protocol that a request breaks; None when it keeps them all."""
    return next(_violations(request), None)


def _violations(request: dict[str, Any]) -> Iterator[str]:
    if not request.get("model"):
        yield "model is missing"
    if not request.get("messages"):
        yield "messages is empty"
    waiting: list[str] = []
    for message in request.get("messages", ()):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                yield "a tool message must answer a tool call of the message before"
            waiting = [call for call in waiting if call != message.get("tool_call_id")]
            continue
        if waiting:
            yield f"tool calls without an answer: {waiting}"
        if role not in {"system", "developer", "user", "assistant"}:
            yield f"unknown role {role!r}"
        calls = message.get("tool_calls") or ()
        waiting = [call["id"] for call in calls]
        yield from (problem for call in calls if (problem := _arguments_problem(call["function"]["arguments"])))
    if waiting:
        yield f"tool calls without an answer: {waiting}"


def _arguments_problem(text: str) -> str | None:
    try:
        arguments = json.loads(text)
    except ValueError:
        return "arguments of a tool call are no JSON"
    return None if isinstance(arguments, dict) else "arguments of a tool call are no object"


def _chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _chunks(reply: FakeReply) -> list[str]:
    """The reply in the pieces that a server streams: text by words, arguments in halves, then usage."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": reply.reasoning}] if reply.reasoning else []
    deltas += [{"content": word} for word in _words(reply.text)]
    deltas += [{"refusal": reply.refusal}] if reply.refusal else []
    for index, (name, arguments) in enumerate(reply.calls):
        half = len(arguments) // 2
        head = {"index": index, "id": f"call_{index}_{name}", "type": "function"}
        deltas.append({"tool_calls": [{**head, "function": {"name": name, "arguments": arguments[:half]}}]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]})
    chunks = [json.dumps(_chunk(delta, None), ensure_ascii=False) for delta in deltas]
    chunks.append(json.dumps(_chunk({}, _finish(reply))))
    if reply.usage is not None:
        chunks.append(json.dumps({**_chunk({}, None), "choices": [], "usage": reply.usage}))
    return chunks


def _whole(reply: FakeReply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [
            {"id": f"call_{index}_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(reply.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
    return {"id": "chatcmpl-fake", "object": "chat.completion", "choices": [choice], "usage": reply.usage}


def _finish(reply: FakeReply) -> str:
    return reply.finish or ("tool_calls" if reply.calls else "stop")


def _words(text: str) -> list[str]:
    return [text[start : start + 7] for start in range(0, len(text), 7)]


def _event(data: str) -> bytes:
    return f": keep-alive\n\ndata: {data}\n\n".encode()
