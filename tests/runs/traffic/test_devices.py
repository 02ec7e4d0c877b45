"""One model at a time is measured on a device, also among processes; who waits gets it, and a crash gives it back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.runs.traffic.lanes import POLL_SECONDS, Devices, shared_devices
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHILD = Path(__file__).parents[1] / "holding_child.py"


@contextmanager
def another_process(folder: Path, device: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the device."""
    command = [sys.executable, str(CHILD), str(folder), device]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


async def test_another_process_is_waited_for_named_once_and_its_crash_gives_the_device_back(
    tmp_path: Path, clock: FakeClock
) -> None:
    told: list[str] = []
    with another_process(tmp_path, "local") as child:
        devices = Devices(tmp_path, clock, told.append)
        async with devices.hold("desk", shared=False) as seconds:  # another device is free
            assert seconds == 0

        async def ended() -> None:
            while len(clock.slept) < 5:  # noqa: ASYNC110 - the clock under test is what is waited for
                await asyncio.sleep(0)
            child.kill()
            child.wait()

        ending = asyncio.create_task(ended())
        async with devices.hold("local", shared=False) as seconds:
            assert seconds == pytest.approx(POLL_SECONDS * len(clock.slept))
            assert seconds >= POLL_SECONDS * 5
        await ending
        assert told == [f"waiting for the device local: used by process {child.pid}"]


@settings(max_examples=30, deadline=None)
@given(kinds=st.lists(st.booleans(), min_size=1, max_size=8), seconds=st.integers(0, 3))
def test_one_alone_or_many_beside_each_other_and_everybody_gets_it(kinds: Sequence[bool], seconds: int) -> None:
    """`Devices` of three event loops' worth: none knows of another but through the files."""
    import tempfile

    async def told(folder: Path) -> None:
        clock = FakeClock()
        holders: list[bool] = []
        done = 0
        all_devices = [Devices(folder, clock, lambda _: None) for _ in range(3)]

        async def use(number: int, shared: bool) -> None:
            nonlocal done
            async with all_devices[number % 3].hold("local", shared=shared):
                assert not holders or (shared and all(holders))
                holders.append(shared)
                await clock.sleep(seconds)
                holders.remove(shared)
            done += 1

        await asyncio.gather(*(use(number, shared) for number, shared in enumerate(kinds)))
        assert done == len(kinds)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(told(Path(folder)))


async def test_who_takes_it_again_and_again_lets_others_in_between(tmp_path: Path, clock: FakeClock) -> None:
    greedy, patient = (Devices(tmp_path, clock, lambda _: None) for _ in range(2))
    order: list[str] = []

    async def take(devices: Devices, name: str, times: int) -> None:
        for _ in range(times):
            async with devices.hold("local", shared=False):
                order.append(name)
                for _ in range(10):
                    await asyncio.sleep(0)

    await asyncio.gather(take(greedy, "greedy", 20), take(patient, "patient", 1))
    assert order.index("patient") <= 2


async def test_many_who_share_do_not_keep_out_one_who_wants_it_alone(tmp_path: Path, clock: FakeClock) -> None:
    sharing, alone = (Devices(tmp_path, clock, lambda _: None) for _ in range(2))
    order: list[str] = []

    async def share(number: int) -> None:
        for _ in range(20):
            async with sharing.hold("local", shared=True):
                order.append(f"shared {number}")
                await clock.sleep(0.1)

    async def measure() -> None:
        await clock.sleep(0.1)
        async with alone.hold("local", shared=False):
            order.append("alone")

    await asyncio.gather(share(0), share(1), measure())
    assert order.index("alone") < 15


async def test_cancelling_while_waiting_leaves_the_way_free(tmp_path: Path, clock: FakeClock) -> None:
    devices, others = (Devices(tmp_path, clock, lambda _: None) for _ in range(2))
    async with devices.hold("local", shared=False):
        waiting = asyncio.create_task(others.hold("local", shared=False).__aenter__())
        while not clock.slept:  # noqa: ASYNC110 - the clock under test is what is waited for
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with devices.hold("local", shared=False) as seconds:
        assert seconds == 0


async def test_a_cache_that_cannot_hold_locks_keeps_this_process_in_order_and_says_so(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "locks").write_text("a file where the folder should be")
    told: list[str] = []
    with shared_devices(tmp_path, clock, told.append) as devices:
        async with devices.hold("local", shared=True) as seconds:
            assert seconds == 0
    assert len(told) == 1
    assert "cannot hold locks (" in told[0]


async def test_a_devices_name_may_be_any_host(tmp_path: Path, clock: FakeClock) -> None:
    with shared_devices(tmp_path, clock, print) as devices:
        async with devices.hold("fe80::1%eth0/../x", shared=False):
            pass
    assert {path.parent for path in (tmp_path / "locks").iterdir()} == {tmp_path / "locks"}
