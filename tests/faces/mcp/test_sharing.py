"""So many calls at once, so many sessions; the idlest session makes room for a new client, and never a working one."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError

from flatfield.faces.mcp.server import AnsweringServer
from flatfield.faces.mcp.sharing import CALLS, SESSIONS, Calls, Running, Sessions, is_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.whole

PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
VERSION = {"MCP-Protocol-Version": "2025-06-18"}


class Caller:
    """A client that never closes its sessions; each is known by the number in which it was opened."""

    def __init__(self, url: str, http: aiohttp.ClientSession, hello: dict[str, Any]) -> None:
        self._url, self.http, self._hello = url, http, hello
        self.names: list[str] = []

    async def open(self) -> int:
        """Open a session; the status that it was answered with."""
        async with self.http.post(self._url, json=self._hello) as reply:
            await reply.read()
            if reply.status == 200:
                self.names.append(reply.headers["Mcp-Session-Id"])
                await self.post(-1, {"jsonrpc": "2.0", "method": "notifications/initialized"})
            return reply.status

    def known(self, number: int) -> dict[str, str]:
        return {"Mcp-Session-Id": self.names[number], **VERSION}

    async def post(self, number: int, body: Any) -> int:
        async with self.http.post(self._url, json=body, headers=self.known(number)) as reply:
            await reply.read()
            return reply.status

    @asynccontextmanager
    async def stream(self, number: int) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self.http.get(self._url, headers=self.known(number)) as reply:
            yield reply


@asynccontextmanager
async def calling(url: str, hello: dict[str, Any]) -> AsyncIterator[Caller]:
    accept = {"Accept": "application/json, text/event-stream"}
    async with aiohttp.ClientSession(headers=accept, connector=aiohttp.TCPConnector(limit=0)) as http:
        yield Caller(url, http, hello)


class Waiting:
    """A server with one tool, which waits until the test lets it go; `begun` counts its calls."""

    def __init__(self) -> None:
        self.server = AnsweringServer("t", version="1", log_level="ERROR")
        self.begun, self.go = asyncio.Semaphore(0), asyncio.Event()

        @self.server.tool()
        async def wait() -> str:
            """Until the test says so."""
            self.begun.release()
            await self.go.wait()
            return "done"

    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "wait", "arguments": {}}}  # noqa: RUF012


@pytest.mark.slow
async def test_64_sessions_that_were_never_closed_and_the_65th_works(
    make_desk: Callable[..., Any], serving: Any, hello: dict[str, Any]
) -> None:
    async with serving(make_desk()) as url, calling(url, hello) as caller:
        assert [await caller.open() for _ in range(SESSIONS)] == [200] * SESSIONS
        assert await caller.post(0, PING) == 200, "the first one was used last"
        assert await caller.open() == 200
        assert await caller.post(SESSIONS, PING) == 200
        assert await caller.post(1, PING) == 404, "what the protocol calls a session that was ended"
        assert [await caller.post(number, PING) for number in (0, 2, SESSIONS - 1)] == [200] * 3


async def test_the_sdks_client_is_told_and_begins_anew(
    make_desk: Callable[..., Any], serving: Any, hello: dict[str, Any]
) -> None:
    async with serving(make_desk()) as url, calling(url, hello) as caller, Client(url, mode="legacy") as client:
        for _ in range(SESSIONS + 1):
            await caller.open()
        assert await client.list_tools(), "it holds a stream open: those that nobody listens to leave first"
        async with AsyncExitStack() as streams:
            for number in range(2, SESSIONS + 1):
                stream = await streams.enter_async_context(caller.stream(number))
                assert stream.status == 200
            assert await caller.open() == 200
            with pytest.raises(MCPError, match="Session"):
                await client.list_tools()
            async with asyncio.timeout(60), Client(url, mode="legacy") as again:
                assert await again.list_tools()


@pytest.mark.slow
async def test_a_session_with_a_running_call_stays_and_so_does_one_whose_client_lost_its_connection(
    serving: Any, hello: dict[str, Any]
) -> None:
    waiting = Waiting()
    async with serving(waiting.server) as url, calling(url, hello) as caller:
        await caller.open()
        await caller.open()
        running = asyncio.create_task(caller.post(0, waiting.call))
        lost = asyncio.create_task(caller.post(1, waiting.call))
        for _ in range(2):
            await waiting.begun.acquire()
        lost.cancel()
        assert [await caller.open() for _ in range(SESSIONS)] == [200] * SESSIONS
        assert await caller.post(1, PING) == 200
        waiting.go.set()
        assert await running == 200
        assert await caller.post(0, PING) == 200
        assert [await caller.post(number, PING) for number in (2, 3, 4)] == [404, 404, 200]


async def test_64_calls_at_once_and_what_frees_them_always_comes_through(serving: Any, hello: dict[str, Any]) -> None:
    waiting = Waiting()
    async with serving(waiting.server) as url, calling(url, hello) as caller:
        await caller.open()
        running = [asyncio.create_task(caller.post(0, waiting.call | {"id": number + 10})) for number in range(CALLS)]
        for _ in running:
            await waiting.begun.acquire()
        assert await caller.post(0, PING) == 503
        assert await caller.open() == 503
        assert await caller.post(0, {"jsonrpc": "2.0", "id": "s", "result": {}}) == 202, "an answer to the server"
        async with caller.stream(0) as stream:
            assert stream.status == 200, "and what waits for news"
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 10}}
        assert await caller.post(0, cancelled) == 202
        await running[0]
        assert await caller.post(0, PING) == 200
        waiting.go.set()
        assert await asyncio.gather(*running) == [200] * CALLS


@pytest.mark.parametrize(
    ("method", "version", "expected"),
    [("POST", "2026-07-28", True), ("POST", "2025-06-18", False), ("POST", None, False), ("POST", "9999-01-01", False),
     ("GET", None, True)],
)  # fmt: skip
def test_who_listens_is_told_by_the_header_only_where_the_sdk_compares_it(
    method: str, version: str | None, expected: bool
) -> None:
    headers = [(b"mcp-method", b"subscriptions/listen")]
    headers += [(b"mcp-protocol-version", version.encode())] if version else []
    assert is_listening({"method": method, "headers": headers}) is expected
    assert is_listening({"method": "POST", "headers": headers[1:]}) is False


async def test_a_call_that_says_it_listens_is_counted_like_any_other(serving: Any, hello: dict[str, Any]) -> None:
    waiting, listens = Waiting(), {"Mcp-Method": "subscriptions/listen"}
    async with serving(waiting.server) as url, calling(url, hello) as caller:
        await caller.open()

        async def call(number: int) -> int:
            body, headers = waiting.call | {"id": number}, caller.known(0) | listens
            async with caller.http.post(url, json=body, headers=headers) as reply:
                await reply.read()
                return reply.status

        running = [asyncio.create_task(call(number + 10)) for number in range(CALLS)]
        for _ in running:
            await waiting.begun.acquire()
        assert await call(9) == 503
        waiting.go.set()
        assert await asyncio.gather(*running) == [200] * CALLS


async def test_when_every_session_works_a_new_client_is_asked_to_come_again() -> None:
    inner = Inner()
    door = Sessions(inner, 3, Running())
    busy = [asyncio.create_task(asked(door, f"{await opened(door)}", hold=inner)) for _ in range(3)]
    await asyncio.sleep(0)
    status, body, headers = await exchange(door, None)
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert "3 sessions have calls in flight" in json.loads(body)["error"]["message"]
    status, _, _ = await exchange(door, None, version="2026-07-28")
    assert status == 400, "a protocol without sessions needs none"
    inner.release()
    assert await asyncio.gather(*busy) == [200] * 3
    assert (await exchange(door, None))[0] == 200


class Inner:
    """What the SDK does with sessions."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.opened = 0
        self._held: list[asyncio.Event] = []

    def hold(self) -> None:
        """The next call waits for `release`."""
        self._held.append(asyncio.Event())

    def release(self) -> None:
        for each in self._held:
            each.set()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        name = headers.get(b"mcp-session-id", b"").decode()
        status, said = 200, []
        if not name:
            status = 200 if b"mcp-protocol-version" not in headers else 400
            if status == 200:
                self.opened += 1
                name = f"s{self.opened}"
                self.sessions.add(name)
                said = [(b"mcp-session-id", name.encode())]
        elif name not in self.sessions:
            status = 404
        elif scope["method"] == "DELETE":
            await asyncio.sleep(0)
            self.sessions.discard(name)
        elif self._held and b"x-hold" in headers:
            await self._held[-1].wait()
        await send({"type": "http.response.start", "status": status, "headers": said})
        await send({"type": "http.response.body", "body": b""})


async def exchange(
    app: Any, name: str | None, *, method: str = "POST", hold: bool = False, version: str | None = None
) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Status, body and headers of an answer."""
    headers = [] if name is None else [(b"mcp-session-id", name.encode())]
    headers += [(b"x-hold", b"1")] * hold + ([(b"mcp-protocol-version", version.encode())] if version else [])
    found: list[Any] = []

    async def send(message: Any) -> None:
        found.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    await app({"type": "http", "method": method, "path": "/mcp", "headers": headers}, receive, send)
    return found[0]["status"], found[1]["body"], dict(found[0]["headers"])


async def opened(app: Any) -> str:
    return (await exchange(app, None))[2][b"mcp-session-id"].decode()


async def asked(app: Any, name: str, hold: Inner | None = None) -> int:
    if hold is not None:
        hold.hold()
    return (await exchange(app, name, hold=hold is not None))[0]


ACTS = st.lists(st.tuples(st.sampled_from(["open", "use", "hold", "end", "release"]), st.integers(0, 5)), max_size=40)


@given(ACTS)
def test_there_are_never_more_sessions_and_none_with_a_call_leaves(acts: list[tuple[str, int]]) -> None:
    async def all_acts() -> None:
        inner = Inner()
        door = Sessions(inner, 4, Running())
        names: list[str] = []
        held: dict[str, asyncio.Task[int]] = {}
        for act, number in acts:
            name = names[number % len(names)] if names else ""
            if act == "open":
                status, _, headers = await exchange(door, None)
                assert (status == 503) == (len(held) >= 4)
                names += [headers[b"mcp-session-id"].decode()] if status == 200 else []
            elif act == "release":
                inner.release()
                assert await asyncio.gather(*held.values()) == [200] * len(held)
                held.clear()
            elif name and act == "hold" and name in inner.sessions and name not in held:
                held[name] = asyncio.create_task(asked(door, name, inner))
                await asyncio.sleep(0)
            elif name and act == "use":
                assert await asked(door, name) == (200 if name in inner.sessions else 404)
            elif name and act == "end" and name not in held:
                await exchange(door, name, method="DELETE")
            assert len(inner.sessions) <= 4
            assert held.keys() <= inner.sessions
        inner.release()
        await asyncio.gather(*held.values())

    asyncio.run(all_acts())


async def test_a_session_that_leaves_is_gone_for_a_request_that_comes_meanwhile() -> None:
    inner = Inner()
    door = Sessions(inner, 1, Running())
    first = await opened(door)
    opening = asyncio.create_task(opened(door))
    await asyncio.sleep(0)
    assert await asked(door, first) == 404
    assert await opening == "s2"
    assert inner.sessions == {"s2"}


async def test_a_call_is_counted_while_it_is_worked_on_and_no_longer_also_when_it_fails() -> None:
    running = Running()
    with running.call({"mcp-session-id": "a"}), running.call(None):
        with pytest.raises(ZeroDivisionError), running.call({"mcp-session-id": "a"}):
            raise ZeroDivisionError
        assert ("a" in running, "b" in running) == (True, False)
    assert "a" not in running


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b'{"jsonrpc":"2.0","id":1,"method":"ping"}', 503), (b'{"id":null,"method":"x"}', 503), (b"not JSON", 503),
     (b"[]", 503), (b"", 503), (b'{"jsonrpc":"2.0","method":"notifications/cancelled"}', 200),
     (b'{"jsonrpc":"2.0","id":1,"result":{}}', 200)],
)  # fmt: skip
async def test_only_what_asks_for_work_is_turned_away(body: bytes, expected: int) -> None:
    taken: list[bytes] = []

    async def inner(_scope: Any, receive: Any, send: Any) -> None:
        taken.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    await Calls(inner, 0)({"type": "http", "method": "POST", "headers": []}, receive, send)
    assert statuses[0] == expected
    assert taken == ([body] if expected == 200 else []), "and what comes through comes whole"
