"""Bounded output, bounded time, and nothing left behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.children.running import HeadAndTail, Start
from flatfield.errors import NotReady
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.processes import MARKED, CommandOutput, run_to_end

if TYPE_CHECKING:
    from flatfield.testing.clocks import IdleTime


@given(st.lists(st.text("abcdefghij", max_size=300), max_size=30), st.integers(2, 400))
def test_head_and_tail_of_any_stream_are_kept_and_the_rest_is_counted(parts: list[str], limit_bytes: int) -> None:
    kept = HeadAndTail(limit_bytes)
    for part in parts:
        kept.add(part.encode())
    whole, text = "".join(parts), kept.text()
    if len(whole) <= limit_bytes:
        assert (text, kept.whole()) == (whole, whole.encode())
    else:
        assert kept.whole() is None
        half = limit_bytes // 2
        tail = limit_bytes - half
        cut = len(whole) - limit_bytes
        assert text == f"{whole[:half]}\n[{cut:,} bytes of output are left out here]\n{whole[-tail:]}"


def test_a_flood_takes_little_memory() -> None:
    kept = HeadAndTail(1000)
    for _ in range(10_000):
        kept.add(b"x" * 4096)
    assert len(kept._head) + len(kept._tail) < 300_000
    assert f"[{10_000 * 4096 - 1000:,} bytes" in kept.text()


def test_bytes_that_are_no_text_are_replaced() -> None:
    kept = HeadAndTail(100)
    kept.add(b"\xff\xfeok")
    assert kept.text() == "��ok"


async def _shell(command: str, folder: Path, seconds: float = 20) -> tuple[int | None, str]:
    limits = SandboxLimits(wall_seconds=seconds, output_bytes=1000)
    ended = await run_to_end(lambda _: ("/bin/sh", "-c", command), Start(cwd=folder, environ={"A": "1"}), limits)
    return ended.exit_code, ended.output


async def test_exit_code_and_both_streams_in_their_order(tmp_path: Path) -> None:
    assert await _shell("echo $A; echo two >&2; exit 7", tmp_path) == (7, "1\ntwo\n")


async def test_a_commands_time_begins_with_it_and_the_mark_that_tells_so_is_not_shown(
    tmp_path: Path, idle_time: IdleTime
) -> None:
    """Time passes here by the test's hand alone: 100 seconds before the command begins, and 7 while it runs."""
    idle_time.only(0.0)
    before = 'echo before; echo > up; until test -e go; do sleep 0.01; done; exec /bin/sh -c "$0" sh "$1"'
    command = "echo > begun; until test -e end; do sleep 0.01; done; echo done"
    late, limits = ("/bin/sh", "-c", before, MARKED, command), SandboxLimits(wall_seconds=1000.0)
    run = asyncio.create_task(run_to_end(lambda _: late, Start(cwd=tmp_path, environ={}), limits))
    for sign, seconds, answer in (("up", 100.0, "go"), ("begun", 7.0, "end")):
        while not (tmp_path / sign).exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # what was written before the sign is read
        await asyncio.sleep(0)
        idle_time.seconds += seconds
        (tmp_path / answer).touch()
    ended = await run
    assert ended.output == "before\ndone\n"
    assert ended.seconds == pytest.approx(7.0, abs=0.1)


async def test_only_the_first_mark_is_ours(tmp_path: Path) -> None:
    forging = ("/bin/sh", "-c", MARKED, "sh", "sleep 0.1; printf '\\002\\003\\n'")
    ended = await run_to_end(lambda _: forging, Start(cwd=tmp_path, environ={}), SandboxLimits())
    assert ended.output == "\x02\x03\n"
    assert ended.seconds > 0.05


async def test_what_never_tells_that_it_began_is_timed_whole_and_floods_no_memory(tmp_path: Path) -> None:
    output = CommandOutput(1000)
    for _ in range(1000):
        output.add(b"x" * 4096)
    assert output.begun is None
    assert len(output._head) + len(output._tail) < 300_000
    assert await _shell("exit 3", tmp_path) == (3, "")


async def test_a_signal_is_128_and_its_number(tmp_path: Path) -> None:
    assert await _shell("kill -TERM $$", tmp_path) == (143, "")


async def test_standard_input_is_empty(tmp_path: Path) -> None:
    assert await _shell("cat; echo end", tmp_path) == (0, "end\n")


async def test_over_time_the_output_until_then_is_kept(tmp_path: Path, idle_time: IdleTime) -> None:
    idle_time.only(21.0, once=(tmp_path / "said").exists)
    assert await _shell("echo begun; echo > said; exec sleep 600", tmp_path) == (None, "begun\n")


async def test_a_flood_is_read_until_time_is_over(tmp_path: Path, idle_time: IdleTime) -> None:
    run = asyncio.create_task(_shell("yes flood | head -c 1000000; echo > floods; exec yes flood", tmp_path))
    while not (tmp_path / "floods").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0)
    idle_time.seconds += 21.0
    code, output = await run
    assert code is None
    assert output.startswith("flood\nflood\n")
    assert "bytes of output are left out here" in output


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_descriptors_are_given_back(tmp_path: Path) -> None:
    await _shell("true", tmp_path)
    before = _open_descriptors()
    for _ in range(5):
        await _shell("echo x", tmp_path)
    assert _open_descriptors() == before


async def test_the_group_is_gone_after_cancellation(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = "exec 9>lock; flock 9; sleep 600 & echo up > fifo; sleep 600"
    task = asyncio.create_task(_shell(command, tmp_path))
    assert await asyncio.to_thread(fifo.read_text) == "up\n"
    with (tmp_path / "lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with (tmp_path / "lock").open() as lock:
        # It waits for as long as a process of the group lives; one that was killed closes its files one by one.
        await asyncio.wait_for(asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX), 60)


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    limits = SandboxLimits()
    with pytest.raises(NotReady, match="/no/such/program cannot be started: No such file"):
        await run_to_end(lambda _: ("/no/such/program",), Start(cwd=tmp_path, environ={}), limits)
