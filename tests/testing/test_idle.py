"""Limits strike when nothing else can happen, and not before."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.testing.clocks import IdleTime


async def test_nobody_waits_for_a_limit_and_it_strikes_at_its_time(idle_time: IdleTime) -> None:
    began = idle_time.now()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10_000):
            await asyncio.Event().wait()
    assert idle_time.now() - began == pytest.approx(10_000, abs=0.1)


async def test_what_comes_over_a_socket_comes_before_any_limit(idle_time: IdleTime) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        time.sleep(0.1)  # noqa: ASYNC251 - a machine that is busy
        writer.write(b"yes\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, asyncio.timeout(0.001):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"there?\n")
        assert await reader.readline() == b"yes\n"
        writer.close()
        await writer.wait_closed()
    assert idle_time.now() < time.monotonic() + 1.0


async def test_work_in_a_thread_comes_before_any_limit(idle_time: IdleTime) -> None:
    del idle_time
    async with asyncio.timeout(0.001):
        await asyncio.to_thread(time.sleep, 0.1)


async def test_time_stands_still_until_another_process_has_done_its_part(tmp_path: Path, idle_time: IdleTime) -> None:
    made = tmp_path / "made"
    idle_time.only(20.0, once=made.exists)
    child = await asyncio.create_subprocess_exec(sys.executable, "-SEc", f"open({str(made)!r}, 'w')")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10.0):
            await asyncio.Event().wait()
    assert made.exists()
    await child.wait()


async def test_no_more_time_passes_than_it_may(idle_time: IdleTime) -> None:
    began = idle_time.now()
    idle_time.only(20.0)
    asleep, later = asyncio.create_task(asyncio.sleep(30.0)), asyncio.Event()
    waker = threading.Timer(0.2, asyncio.get_running_loop().call_soon_threadsafe, (later.set,))
    waker.start()
    await later.wait()
    waker.join()
    assert not asleep.done()
    assert idle_time.now() - began == pytest.approx(20.0, abs=0.1)
    asleep.cancel()
