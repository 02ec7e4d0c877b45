"""A desk in a folder of its own, and the server on it, reached through the SDK's own client in memory, or over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.clock import SystemClock
from flatfield.faces.mcp.desk import ServerDesk
from flatfield.scoring.prices.pricing import Prices

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from mcp import Client

Open = Callable[..., AbstractAsyncContextManager["Client"]]
Serve = Callable[..., AbstractAsyncContextManager[str]]
Connect = Callable[..., AbstractAsyncContextManager[list["Wire"]]]
Post = Callable[..., Awaitable[int]]
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "notes.txt").write_text("alpha")
    monkeypatch.chdir(made)
    for name in ("OPENAI_API_KEY", "FLATFIELD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def make_desk(folder: Path) -> Callable[..., ServerDesk]:
    def make(**fields: Any) -> ServerDesk:
        values: dict[str, Any] = {
            "cwd": folder,
            "clock": SystemClock(),
            "environ_of": lambda _: {"FLATFIELD_CACHE": str(folder.parent / "cache"), "HOME": str(folder.parent)},
            "prices_of": lambda _: Prices(),
            "announce": lambda _: None,
        }
        return ServerDesk(**(values | fields))

    return make


@pytest.fixture
def connected(make_desk: Callable[..., ServerDesk]) -> Open:
    @asynccontextmanager
    async def open_client(desk: ServerDesk | None = None, **options: Any) -> AsyncIterator[Client]:
        from mcp import Client

        from flatfield.faces.mcp.server import build

        async with Client(build(desk or make_desk()), mode="legacy", **options) as client:
            yield client

    return open_client


@pytest.fixture
def configured(folder: Path) -> Callable[[str], None]:
    """Write a flatfield.toml with one agent, `desk`, at an address."""

    def write(base_url: str) -> None:
        (folder / "flatfield.toml").write_text(
            f'[agents.desk]\nprovider = "openai-chat"\nmodel = "fake-model"\nbase_url = "{base_url}"\n'
        )

    return write


@pytest.fixture
def hello() -> dict[str, Any]:
    """The body of a client's first request."""
    return HELLO


@pytest.fixture
def serving() -> Serve:
    """Serve a desk, or a server of the test's own, over HTTP on a free port of loopback, as `flatfield mcp` does."""

    @asynccontextmanager
    async def serve(desk: Any, bounds: Any = None, **fields: Any) -> AsyncIterator[str]:
        import uvicorn

        from flatfield.faces.mcp.door import Listening
        from flatfield.faces.mcp.server import AnsweringServer, bound, build, config

        opened: socket.socket
        with bound(Listening(host="127.0.0.1", port=0)) as opened:
            port = opened.getsockname()[1]
            made = desk if isinstance(desk, AnsweringServer) else build(desk)
            server = uvicorn.Server(config(made, Listening(host="127.0.0.1", port=port, **fields), bounds))
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the test's own stay
            task = asyncio.create_task(server.serve(sockets=[opened]))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            try:
                yield f"http://127.0.0.1:{port}/mcp"
            finally:
                server.should_exit = True
                await task

    return serve


@pytest.fixture
def status() -> Post:
    """What a request with a body in JSON is answered."""
    import aiohttp

    async def post(url: str, headers: dict[str, str], body: Any = HELLO) -> int:
        async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=ACCEPT | headers) as reply:
            await reply.read()
            return reply.status

    return post


@pytest.fixture
def wires() -> Connect:
    """So many connections to the server, on which a test writes what it likes."""

    @asynccontextmanager
    async def connect(url: str, count: int = 1) -> AsyncIterator[list[Wire]]:
        port = int(url.split(":")[2].split("/", maxsplit=1)[0])
        opened = [Wire(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]
        try:
            yield opened
        finally:
            for each in opened:
                await each.close()

    return connect


class Wire:
    """A connection on which a test writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self._writer.write(data)

    async def line(self) -> bytes:
        """One line of what comes."""
        return await self._reader.readline()

    async def head(self) -> bytes:
        """The head of a response."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection, or breaks it."""
        found = bytearray()
        with suppress(ConnectionResetError):
            while part := await self._reader.read(65536):
                found += part
        return bytes(found)

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
