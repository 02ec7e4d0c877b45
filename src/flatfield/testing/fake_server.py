"""A model server on loopback: scripted replies, strict about requests, faults on demand; its wire is a part."""

from __future__ import annotations

import asyncio
import gzip
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from aiohttp import web
from msgspec import Struct, field

from flatfield.records import Usage

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


class FakeReply(Struct, frozen=True, kw_only=True):
    """What the model says, whatever the vendor: `calls` are (name, arguments as JSON text); usage None is left out.

    `reasoning` is sent in the vendor's own form, with its signature or encrypted content, to come back unchanged.
    `finish` is the vendor's own word; None means "as it follows from the reply".
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str | None = None
    usage: Usage | None = field(
        default_factory=lambda: Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10, reasoning_tokens=4)
    )


class Fault(Struct, frozen=True, kw_only=True):
    """What goes wrong instead.

    `status` other than 200: an error in the vendor's form with `message`, and `headers`. With 200, `kind` says:
    "slow_headers" (nothing at all comes), "stall" (nothing more comes), "cut" (the connection ends in mid-stream),
    "garbage" (an event that is no JSON), "error_event" (the vendor's error event with `message` after the stream
    began), "whole" (`message` as the whole body, with `headers`).
    """

    status: int = 200
    kind: str = ""
    message: str = "it went wrong"
    headers: dict[str, str] = field(default_factory=dict)


class Beliefs(Struct, frozen=True, kw_only=True):
    """What a wire believes of its vendor and cannot show in a reply; a real server is held against both.

    `kinds`: which fields of a streamed event tell its kind, the first that is there: `type` by its value, others by
    being there (`candidates.0.finishReason`). `words` are names of fields whose values are words of the protocol, `ids`
    of those whose values begin with a mark of the protocol's own, `written` of those that hold what the model or the
    client wrote: nobody looks into them. `counts`: where a reply's tokens are counted for good, each the beginning of a
    place as `testing.real.forms` writes it. `cut` is the `FakeReply.finish` of a reply that its output cap ended,
    `unknown_model` the status of a request for a model that is not there. `limit_headers`: what a reply says of limits.
    `optional`: what the kit sends to be strict with us, and servers send at times only; places begin so.
    """

    kinds: tuple[str, ...] = ("type",)
    words: frozenset[str] = frozenset({"role", "type"})
    ids: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    counts: tuple[str, ...] = ()
    cut: str = "length"
    unknown_model: int = 404
    limit_headers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@runtime_checkable
class BelievingWire(Protocol):
    """A wire that says what it believes; of another one, what `Beliefs` says of most holds."""

    @property
    def beliefs(self) -> Beliefs:
        """The same for all servers of the vendor."""
        ...


def beliefs_of(wire: object) -> Beliefs:
    """What a wire believes of its vendor."""
    return wire.beliefs if isinstance(wire, BelievingWire) else Beliefs()


class VendorWire(Protocol):
    """One vendor's protocol, as its server speaks it."""

    @property
    def paths(self) -> Sequence[str]:
        """Where conversations are posted (aiohttp route patterns, without the base's version)."""
        ...

    @property
    def models_path(self) -> str:
        """Where the models are listed."""
        ...

    @property
    def base(self) -> str:
        """What a base_url ends in: "/v1" or ""."""
        ...

    @property
    def content_type(self) -> str:
        """Of a stream."""
        ...

    @property
    def result_mark(self) -> bytes:
        """What a request holds once for each tool result in it."""
        ...

    @property
    def wrong_path(self) -> str:
        """A path that people write by mistake into a base URL."""
        ...

    @property
    def too_long(self) -> str:
        """The message by which the server refuses a conversation that does not fit its model, with status 400."""
        ...

    @property
    def arguments_are_text(self) -> bool:
        """Whether a stream holds a call's arguments as text, which may be no JSON, and not as an object."""
        ...

    @property
    def full_is_length(self) -> bool:
        """Whether a reply that the full context ended looks like one that its output cap ended: both "length"."""
        ...

    def sdk_takes(self, request: Mapping[str, Any]) -> None:
        """Raise ValueError where the vendor's own SDK, which must be installed, would not have sent a request.

        The SDK's types are the vendor's word on what a request is.
        """
        ...

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The list of models."""
        ...

    def violation(
        self, request: Mapping[str, Any], headers: Mapping[str, str], sent: Sequence[FakeReply]
    ) -> str | None:
        """The first rule that a request breaks; `sent`: this server's replies so far, with their ids, signatures."""
        ...

    def streams(self, request: Mapping[str, Any], path: str) -> bool:
        """Whether the request asks for a stream."""
        ...

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply's events, framed; `number` makes ids unique."""
        ...

    def whole(self, reply: FakeReply, number: int) -> dict[str, Any]:
        """The reply unstreamed."""
        ...

    def beginning(self) -> bytes:
        """The events of a reply that has begun (some text) and will break."""
        ...

    def garbage(self) -> bytes:
        """A framed event that is no JSON."""
        ...

    def error_event(self, message: str) -> bytes:
        """An error inside a stream."""
        ...

    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of an error reply."""
        ...


@runtime_checkable
class SideWire(Protocol):
    """A wire whose server also answers short questions beside the conversations: what a model can do, load it."""

    @property
    def side_paths(self) -> Sequence[str]:
        """Where they are posted."""
        ...

    def side(self, path: str, request: Mapping[str, Any], names: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer; `names` are the server's models."""
        ...


@runtime_checkable
class ToldWire(Protocol):
    """A wire whose server says what it is, to whoever gets a path."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is told, by its path below the server's root."""
        ...


@runtime_checkable
class HostedWire(Protocol):
    """A wire of a provider that starts its server itself."""

    def stand_in(self, opened: Any, base_url: str, key: str, folder: Path) -> dict[str, Any]:  # noqa: ANN401 - its insides
        """Put the fake server, which takes `key`, in the place of the one that the opened provider would start.

        Returns what the agent's configuration must hold; files that it names are written into `folder`.
        """
        ...


Step = FakeReply | Fault


class FakeServer:
    """`async with FakeServer(wire, script) as server:` listens at `server.base_url`.

    A sequence is played in the order of the requests; a function is given each request and its number from 0.
    `piece_bytes` cuts streams into pieces of that size, anywhere, characters included; `stream` False answers whole;
    `compress` gzips replies, streamed ones and faults too; `tls`, set before it listens, answers over TLS; a model
    whose name ends in `absent`, set as well, is not there. `requests`,
    `headers` and `violations` hold what came (a request more than the script has replies for is one, too), `asked` the
    short questions with their paths, which the script has no part in; `open_requests` are those being answered now.
    """

    def __init__(
        self,
        wire: VendorWire,
        script: Callable[[dict[str, Any], int], Step] | Sequence[Step],
        *,
        stream: bool = True,
        piece_bytes: int | None = None,
        compress: bool = False,
        models: Sequence[str] = ("fake-model",),
    ) -> None:
        self._wire = wire
        self._script = script
        self._stream = stream
        self._piece_bytes = piece_bytes
        self._compress = compress
        self.tls: ssl.SSLContext | None = None
        self._models = models
        self.absent = ""
        self._sent: list[FakeReply] = []
        self._runner: web.AppRunner | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.violations: list[str] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.open_requests = 0
        self.base_url = ""

    async def __aenter__(self) -> Self:
        """Listen on a free port of loopback."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for path in self._wire.paths:
            app.router.add_post(self._wire.base + path, self._counted)
        app.router.add_get(self._wire.base + self._wire.models_path, self._list)
        if isinstance(self._wire, SideWire):
            for path in self._wire.side_paths:
                app.router.add_post(self._wire.base + path, partial(self._answer, self._wire, path))
        if isinstance(self._wire, ToldWire):
            for path, fact in self._wire.facts.items():
                app.router.add_get(path, partial(self._tell, fact))
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"{'https' if self.tls else 'http'}://{host}:{port}{self._wire.base}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(self._wire.models(self._models))

    async def _tell(self, fact: Any, _request: web.Request) -> web.Response:  # noqa: ANN401 - any JSON
        return web.json_response(fact)

    async def _answer(self, wire: SideWire, path: str, request: web.Request) -> web.Response:
        sent = json.loads(await request.read())
        self.asked.append((path, sent))
        status, body = wire.side(path, sent, self._models)
        return web.json_response(body, status=status)

    async def _counted(self, request: web.Request) -> web.StreamResponse:
        self.open_requests += 1
        try:
            return await self._converse(request)
        finally:
            self.open_requests -= 1

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        sent = json.loads(await request.read())
        number = len(self.requests)  # after the last wait: those that come at the same time have numbers of their own
        self.requests.append(sent)
        self.headers.append(dict(request.headers))
        problem = self._wire.violation(sent, request.headers, self._sent)
        if not problem and not callable(self._script) and number >= len(self._script):
            problem = f"request {number + 1} of a conversation that has {len(self._script)}"
        if problem:
            self.violations.append(problem)
            return web.json_response(self._wire.error(400, problem), status=400)
        model = str(request.match_info.get("model", sent.get("model", "")))
        if self.absent and model.endswith(self.absent):
            missing = Fault(status=beliefs_of(self._wire).unknown_model, message=f"the model {model!r} does not exist")
            return await self._fail(request, missing)
        step = self._script(sent, number) if callable(self._script) else self._script[number]
        if isinstance(step, Fault):
            return await self._fail(request, step)
        self._sent.append(step)
        if self._stream and self._wire.streams(sent, request.path):
            return await self._send(request, b"".join(self._wire.stream(step, number)))
        body = json.dumps(self._wire.whole(step, number), ensure_ascii=False).encode()
        return await self._send(request, body, headers={"Content-Type": "application/json"})

    async def _send(
        self, request: web.Request, stream: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        headers = dict(headers or {"Content-Type": self._wire.content_type})
        if status == 200:
            headers = dict.fromkeys(beliefs_of(self._wire).limit_headers, "1000") | headers
        if self._compress:
            stream, headers["Content-Encoding"] = gzip.compress(stream), "gzip"
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        size = self._piece_bytes or len(stream) or 1
        for start in range(0, len(stream), size):
            await response.write(stream[start : start + size])
            if self._piece_bytes:
                await asyncio.sleep(0)
        await response.write_eof()
        return response

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.status != 200:
            body = json.dumps(self._wire.error(fault.status, fault.message)).encode()
            headers = {"Content-Type": "application/json", **fault.headers}
            return await self._send(request, body, status=fault.status, headers=headers)
        if fault.kind == "whole":
            headers = {"Content-Type": "text/plain; charset=utf-8", **fault.headers}
            return await self._send(request, fault.message.encode(), headers=headers)
        if fault.kind == "slow_headers":
            await asyncio.Event().wait()
        if fault.kind == "garbage":
            return await self._send(request, self._wire.beginning() + self._wire.garbage())
        if fault.kind == "error_event":
            return await self._send(request, self._wire.beginning() + self._wire.error_event(fault.message))
        response = web.StreamResponse(headers={"Content-Type": self._wire.content_type})
        await response.prepare(request)
        await response.write(self._wire.beginning())
        if fault.kind == "stall":
            await asyncio.Event().wait()
        if request.transport is not None:
            request.transport.close()
        return response
