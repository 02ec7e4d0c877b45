"""What a connection may cost: slow and half-sent requests cost only those that send them."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from uvicorn.server import ServerState

from flatfield.faces.mcp.door import LARGEST_HEAD_BYTES
from flatfield.faces.mcp.server import AnsweringServer
from flatfield.faces.mcp.sharing import Connection, ConnectionBounds, Phase, Register

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeDesk = Callable[..., Any]

pytestmark = pytest.mark.whole

HALF_HEAD = b"POST /mcp HTTP/1.1\r\nHost: 127."
HALF_BODY = (
    b"POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
    b"Accept: application/json, text/event-stream\r\nContent-Length: 1000\r\n\r\n{"
)
PATIENT = ConnectionBounds(head_seconds=1000, body_seconds=1000, kept_seconds=1000)
HASTY = ConnectionBounds(head_seconds=0.4, body_seconds=0.4, kept_seconds=1)
CHUNKED = b"POST /mcp HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n180000\r\n"
MUCH = b"x" * 0x180000


def place(url: str) -> bytes:
    return url.removeprefix("http://").removesuffix("/mcp").encode()


@pytest.mark.parametrize("half", [b"", HALF_HEAD, HALF_BODY])
@pytest.mark.some(1)
async def test_a_good_client_is_served_beside_300_who_say_half_of_what_they_want(
    half: bytes, make_desk: MakeDesk, serving: Any, wires: Any
) -> None:
    """With limits that do not end in the test's time: the good client gets in because others leave."""
    async with serving(make_desk(agent="noop"), PATIENT) as url, wires(url, 300) as slow:
        for each in slow:
            each.send(half.replace(b"%s", place(url)))
        async with asyncio.timeout(60), Client(url) as client:
            result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Nothing."})
        assert result.structured_content["success"] is True


@pytest.mark.usefixtures("idle_time")
@pytest.mark.parametrize(("half", "said"), [(b"", b""), (HALF_HEAD, b" 408 "), (HALF_BODY, b" 408 ")])
async def test_half_a_request_is_closed_after_its_time(
    half: bytes, said: bytes, make_desk: MakeDesk, serving: Any, wires: Any
) -> None:
    async with serving(make_desk(), HASTY) as url, wires(url, 20) as slow:
        for each in slow:
            each.send(half.replace(b"%s", place(url)))
        async with asyncio.timeout(60):
            ends = await asyncio.gather(*(each.rest() for each in slow))
        assert all(said in end and len(end) < 200 for end in ends)
        assert (b"Connection: close" in ends[0]) is bool(half)


async def test_idle_connections_make_room(make_desk: MakeDesk, serving: Any, wires: Any) -> None:
    async with serving(make_desk(agent="noop"), PATIENT) as url, wires(url, 300) as kept:
        for each in kept:
            each.send(b"GET /mcp HTTP/1.1\r\nHost: %s\r\n\r\n" % place(url))
        async with asyncio.timeout(60), Client(url) as client:
            assert await client.list_tools()


async def test_a_call_that_is_worked_on_is_never_pushed_out(serving: Any, wires: Any) -> None:
    server, begun, go = AnsweringServer("t", version="1", log_level="ERROR"), asyncio.Event(), asyncio.Event()

    @server.tool()
    async def wait() -> str:
        """Until the test says so."""
        begun.set()
        await go.wait()
        return "done"

    async with (
        serving(server, ConnectionBounds(connections=4, head_seconds=1000)) as url,
        Client(url, mode="legacy") as client,
    ):
        call = asyncio.create_task(client.call_tool("wait", {}))
        await begun.wait()
        async with wires(url, 30) as others:
            assert [await each.rest() for each in others[:20]] == [b""] * 20, "each makes room for a later one"
            go.set()
            async with asyncio.timeout(60):
                assert '"done"' in (await call).model_dump_json()


@pytest.mark.usefixtures("idle_time")
async def test_requests_in_one_piece_are_answered_in_their_order(make_desk: MakeDesk, serving: Any, wires: Any) -> None:
    async with serving(make_desk(), HASTY) as url, wires(url) as (wire,):
        one = b"GET %s HTTP/1.1\r\nHost: " + place(url) + b"\r\n\r\n"
        wire.send(b"".join(one % path for path in [b"/mcp", b"/nothing"] * 50) + one[:20])
        async with asyncio.timeout(60):
            said = await wire.rest()
    assert re.findall(rb"HTTP/1.1 (\d+) ", said) == [b"406", b"404"] * 50 + [b"408"], (
        "and the half one behind them is not waited for"
    )


@pytest.mark.usefixtures("idle_time")
@pytest.mark.parametrize(
    ("request_of", "status"),
    [(lambda host: b"GET /mcp HTTP/1.1\r\nHost: %s\r\nX: %s\r\n\r\n" % (host, b"x" * LARGEST_HEAD_BYTES), b"431"),
     (lambda host: b"GET /mcp HTTP/1.1\r\nHost: %s\r\nX: %s" % (host, b"x" * 100_000), b"400"),
     (lambda host: b"GET /mcp HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (host, b"X: y\r\n" * 4_000), b"431"),
     (lambda host: b"GET /mcp HTTP/1.1\r\nHost: %s\r\nHost: %s\r\n\r\n" % (host, host), b"400"),
     (lambda _: b"GET /mcp HTTP/1.1\r\n\r\n", b"400"), (lambda _: b"GET /mcp HTTP/1.0\r\n\r\n", b"421"),
     (lambda host: b"POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Length: 9999999\r\n\r\n%s" % (host, MUCH), b"413"),
     (lambda host: CHUNKED % host + MUCH, b"413"),
     (lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400")],
)  # fmt: skip
async def test_what_is_too_large_or_no_http_is_refused(
    request_of: Callable[[bytes], bytes], status: bytes, make_desk: MakeDesk, serving: Any, wires: Any
) -> None:
    async with serving(make_desk(), HASTY) as url, wires(url) as (wire,):
        wire.send(request_of(place(url)))
        async with asyncio.timeout(60):
            assert (await wire.line()).split()[1] == status
            assert len(await wire.rest()) < 1000, "and closed soon"


class Loop:
    """A loop whose clock the test sets; tasks run on the real one."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, Any, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, act: Callable[[], None]) -> Any:
        class Timer:
            cancelled = False

            def cancel(self) -> None:
                self.cancelled = True

        timer = Timer()
        self._due.append((self.now + seconds, timer, act))
        return timer

    def create_task(self, work: Any, **options: Any) -> Any:
        return asyncio.get_running_loop().create_task(work, **options)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        ripe = [each for each in self._due if each[0] <= self.now]
        self._due = [each for each in self._due if each[0] > self.now]
        for _, timer, act in ripe:
            if not timer.cancelled:
                act()


class Socket:
    """A transport that keeps what is written."""

    def __init__(self, peer: str = "127.0.0.1") -> None:
        self.peer = peer
        self.written = b""
        self.state = "open"

    def get_extra_info(self, name: str) -> Any:
        return (self.peer, 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.state != "open"

    def close(self) -> None:
        self.state = "closing"

    def abort(self) -> None:
        self.state = "gone"

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def answering(scope: Any, _receive: Any, send: Any) -> None:
    """Answers at once, whether or not the body is there."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """Answers when the body is there."""
    while (await receive()).get("more_body"):
        pass
    await answering(scope, receive, send)


async def working(_scope: Any, _receive: Any, _send: Any) -> None:
    """Does not answer."""
    await asyncio.Event().wait()


class Line:
    """A connection whose clock and transport are the test's."""

    def __init__(self, bounds: ConnectionBounds, app: Any = answering) -> None:
        self.loop, self.socket = Loop(), Socket()
        config = uvicorn.Config(app, ws="none", log_level="critical", lifespan="off")
        given = {"config": config, "server_state": ServerState(), "app_state": {}, "_loop": self.loop}
        self.connection = Connection(Register(bounds), **given)
        self.connection.connection_made(self.socket)  # type: ignore[arg-type]

    async def send(self, data: bytes) -> None:
        self.connection.data_received(data)
        for _ in range(5):  # the answer's task has its turns
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.connection.connection_lost(None)
        for task in list(self.connection.tasks):
            task.cancel()
        await asyncio.gather(*self.connection.tasks, return_exceptions=True)


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
BOUNDS = ConnectionBounds(head_seconds=10, body_seconds=20, kept_seconds=5, unread_seconds=30, parting_seconds=2)


async def test_bytes_that_trickle_in_buy_no_time() -> None:
    line = Line(BOUNDS)
    for byte in GET[:9]:
        await line.send(bytes([byte]))
        line.loop.pass_time(1)
    assert line.socket.state == "open"
    line.loop.pass_time(1)
    assert line.socket.state == "closing"
    assert line.socket.written.startswith(b"HTTP/1.1 408 ")
    await line.send(b"more")
    assert line.socket.written.count(b"HTTP/1.1") == 1


async def test_after_an_answer_bytes_that_trickle_in_buy_no_time_either() -> None:
    line = Line(BOUNDS)
    await line.send(GET)
    assert (line.connection.phase, line.socket.written[:15]) == (Phase.KEPT, b"HTTP/1.1 200 OK")
    line.loop.pass_time(4)
    for byte in GET[:10]:
        await line.send(bytes([byte]))
        line.loop.pass_time(0.99)
    assert line.socket.state == "open"
    line.loop.pass_time(0.2)
    assert (line.socket.state, line.socket.written.count(b" 408 ")) == ("closing", 1)


async def test_a_body_that_trickles_in_behind_its_answer_buys_no_time() -> None:
    line = Line(BOUNDS)
    await line.send(POST)
    assert b" 200 " in line.socket.written
    for _ in range(9):
        await line.send(b"x")
        line.loop.pass_time(2)
    assert line.socket.state == "open"
    line.loop.pass_time(2)
    assert (line.socket.state, b" 408 " in line.socket.written) == ("closing", False)


async def test_each_request_has_its_own_time() -> None:
    line = Line(BOUNDS, reading)
    for _ in range(10):
        await line.send(POST + b"x" * 5)
        line.loop.pass_time(15)
        await line.send(b"x" * 5)
        line.loop.pass_time(4)
    assert (line.socket.state, line.socket.written.count(b" 200 ")) == ("open", 10)
    line.loop.pass_time(2)
    assert line.socket.state == "closing", "and between two of them it is kept for a while"


async def test_an_answer_may_take_its_time() -> None:
    for request, phase in ((GET, Phase.LISTENING), (POST + b"x" * 10, Phase.WORKING)):
        line = Line(BOUNDS, working)
        await line.send(request)
        line.loop.pass_time(10_000)
        assert (line.socket.state, line.connection.phase) == ("open", phase)
        await line.end()


async def test_who_does_not_read_its_answer_is_cut_off() -> None:
    line = Line(BOUNDS, working)
    await line.send(GET)
    line.connection.pause_writing()
    line.loop.pass_time(29)
    line.connection.resume_writing()
    line.loop.pass_time(100)
    assert line.socket.state == "open"
    line.connection.pause_writing()
    line.loop.pass_time(30)
    assert line.socket.state == "gone"
    await line.end()


async def test_what_does_not_flow_off_before_the_end_is_dropped() -> None:
    line = Line(BOUNDS)
    line.loop.pass_time(10)
    assert line.socket.state == "closing"
    line.loop.pass_time(2)
    assert line.socket.state == "gone"


class Open:
    """What a register knows of a connection."""

    def __init__(self, peer: str, phase: Phase, since: float, register: Register) -> None:
        self.peer, self.phase, self.since, self.evicted = peer, phase, since, False
        self._register = register

    def evict(self) -> None:
        self.evicted = True
        self._register.leave(self)  # type: ignore[arg-type]


def admitted(register: Register, peer: str, phase: Phase, since: float = 0.0) -> Open | None:
    new = Open(peer, phase, since, register)
    return new if register.admit(new) else None  # type: ignore[arg-type]


def test_those_leave_first_that_are_worked_on_least_and_of_these_the_oldest() -> None:
    register = Register(ConnectionBounds(connections=6))
    phases = (Phase.KEPT, Phase.WORKING, Phase.BODY, Phase.HEAD, Phase.HEAD, Phase.LISTENING)
    opened = [admitted(register, "127.0.0.1", phase, since) for since, phase in enumerate(phases)]
    left = []
    for _ in range(5):
        admitted(register, "127.0.0.1", Phase.WORKING, 9)
        left += [number for number, each in enumerate(opened) if each and each.evicted and number not in left]
    assert left == [3, 4, 2, 0, 5]
    assert admitted(register, "127.0.0.1", Phase.HEAD) is None, "all others are being worked on"


def test_one_address_cannot_push_others_out() -> None:
    register = Register(ConnectionBounds(connections=12, per_peer=5))
    quiet = [admitted(register, f"10.0.0.{number}", Phase.HEAD, 0) for number in range(6)]
    loud = [admitted(register, "10.9.9.9", Phase.KEPT, 100 + number) for number in range(50)]
    assert not any(each.evicted for each in quiet if each)
    assert sum(not each.evicted for each in loud if each) == 5
    assert [bool(admitted(register, f"10.1.0.{number}", Phase.HEAD, 200)) for number in range(3)] == [True] * 3
    assert not any(each.evicted for each in quiet if each), "those that have most make room"


def test_on_loopback_all_clients_share_an_address() -> None:
    register = Register(ConnectionBounds(connections=100, per_peer=5))
    assert all(admitted(register, "127.0.0.1", Phase.WORKING) for _ in range(100))
    assert admitted(register, "127.0.0.1", Phase.WORKING) is None
    assert admitted(register, "10.0.0.1", Phase.HEAD) is None


@given(st.lists(st.tuples(st.sampled_from(["127.0.0.1", "10.0.0.1", "10.0.0.2"]), st.sampled_from(Phase)), max_size=60))
def test_there_are_never_more_and_none_that_is_worked_on_leaves(arrivals: list[tuple[str, Phase]]) -> None:
    register = Register(ConnectionBounds(connections=10, per_peer=4))
    opened = [admitted(register, peer, phase, since) for since, (peer, phase) in enumerate(arrivals)]
    alive = [each for each in opened if each and not each.evicted]
    assert len(alive) <= 10
    assert all(sum(each.peer == peer for each in alive) <= 4 for peer in ("10.0.0.1", "10.0.0.2"))
    assert not any(each.evicted for each in opened if each and each.phase is Phase.WORKING)
    refused = [number for number, each in enumerate(opened) if each is None]
    assert not refused or sum(phase is Phase.WORKING for _, phase in arrivals[: refused[0]]) >= 4


@pytest.mark.slow
@pytest.mark.usefixtures("idle_time")
async def test_300_half_sent_requests_and_a_server_that_works_as_before_when_they_are_gone(
    make_desk: MakeDesk, serving: Any, wires: Any, hello: dict[str, Any], status: Any
) -> None:
    async with serving(make_desk(), HASTY) as url:
        async with wires(url, 300) as slow:
            for number, each in enumerate(slow):
                each.send((HALF_HEAD, HALF_BODY.replace(b"%s", place(url)))[number % 2])
            async with asyncio.timeout(60):
                ends = await asyncio.gather(*(each.rest() for each in slow))
        assert {end[:12] for end in ends} <= {b"", b"HTTP/1.1 408"}
        assert any(ends), "those that were not pushed out are told why they are closed"
        async with wires(url) as (wire,):
            body = json.dumps(hello).encode()
            wire.send(HALF_BODY.replace(b"%s", place(url)).replace(b"1000", b"%d" % len(body))[:-1] + body)
            assert b" 200 " in await wire.line()
        assert await status(url, {}) == 200
