"""What comes in while the event loop is busy has come in then, and not when there is time to read it."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from flatfield.clock import SystemClock
from flatfield.http.arrivals import Arrivals, TimedSocket
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from flatfield.clock import Clock

BUSY_SECONDS = 0.1


def busy() -> None:
    until = time.perf_counter() + BUSY_SECONDS
    while time.perf_counter() < until:
        pass


def connected(clock: Clock) -> tuple[TimedSocket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = Arrivals(clock).socket(socket.AF_INET, socket.SOCK_STREAM)
        ours.connect(server.getsockname())
        theirs, _ = server.accept()
    return ours, theirs


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")
@pytest.mark.parametrize("into", [False, True])
def test_a_busy_reader_makes_nothing_arrive_later(into: bool) -> None:
    ours, theirs = connected(SystemClock())
    late_seconds: list[float] = []
    with ours, theirs:
        # Linux begins to stamp a moment after the first socket of the machine has asked for it.
        while len(late_seconds) < 50 and min(late_seconds, default=BUSY_SECONDS) >= BUSY_SECONDS / 2:
            sent = time.perf_counter()
            theirs.send(b"hello")
            busy()
            buffer = bytearray(9)
            assert (bytes(buffer[: ours.recv_into(buffer)]) if into else ours.recv(9)) == b"hello"
            late_seconds.append(ours.arrivals.last(ours.fileno()) - sent)
        assert min(late_seconds) < BUSY_SECONDS / 2
        ours.arrivals.note(ours.fileno(), -60.0)
        assert ours.arrivals.last(ours.fileno()) <= time.perf_counter(), "never later than now"


def test_other_clocks_and_other_sockets_know_when_it_was_read() -> None:
    clock = FakeClock()
    ours, theirs = connected(clock)
    with ours, theirs:
        theirs.send(b"hello")
        assert ours.recv(9) == b"hello"
        clock.seconds += 5
        assert ours.arrivals.last(ours.fileno()) == 1000.0
    assert ours.arrivals.last(-1) == clock.now()


def test_a_closed_socket_leaves_nothing_to_the_next_of_its_descriptor() -> None:
    clock = FakeClock()
    ours, theirs = connected(clock)
    with theirs:
        theirs.send(b"hello")
        ours.recv(9)
        descriptor = ours.fileno()
        clock.seconds += 5
        assert ours.arrivals.last(descriptor) == 1000.0
        ours.close()
    assert ours.arrivals.last(descriptor) == clock.now()


async def test_the_event_loop_reads_from_it_as_from_any_other() -> None:
    ours, theirs = connected(SystemClock())
    ours.setblocking(False)
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.send(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.write(b"bye")
        await writer.drain()
        assert theirs.recv(9) == b"bye"
        writer.close()
        await writer.wait_closed()
