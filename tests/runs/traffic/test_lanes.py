"""A lane holds no more than its width, serves in order, and survives cancellation."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import pytest

from flatfield.records import LaneLimits
from flatfield.runs.traffic.lanes import Devices, Lanes
from flatfield.runs.traffic.servers import REFUSED_OF_RECENT, SERVED_TO_GROW
from flatfield.vendors.base import Lane

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.clock import Clock

DEVICE = Lane(name="device", width=1)


async def settle() -> None:
    """Let all tasks go on until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


class Visitor:
    """Holds a lane until told to leave."""

    def __init__(self, lanes: Lanes, lane: Lane, log: list[str], name: str = "") -> None:
        self.leave = asyncio.Event()
        self.waited: float | None = None
        self._visit = (lanes, lane, log, name)
        self.task = asyncio.create_task(self._stay())

    async def _stay(self) -> None:
        lanes, lane, log, name = self._visit
        async with lanes.hold(lane, lambda: log.append(f"{name} waits")) as seconds:
            self.waited = seconds
            log.append(f"{name} in")
            await self.leave.wait()
        log.append(f"{name} out")


async def test_waiting_is_measured_and_first_come_is_first_served(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    visitors = [Visitor(lanes, DEVICE, log, name) for name in "abc"]
    for visitor in visitors:
        await settle()
        await clock.sleep(5)
        visitor.leave.set()
    await settle()
    assert log == ["a in", "b waits", "c waits", "a out", "b in", "b out", "c in", "c out"]
    assert [visitor.waited for visitor in visitors] == [0, 5, 10]


async def test_a_lane_is_as_wide_as_it_says_and_lanes_do_not_share(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    wide = Lane(name="api", width=2)
    visitors = [Visitor(lanes, wide, log, name) for name in "abc"] + [Visitor(lanes, DEVICE, log, "d")]
    await settle()
    assert log == ["a in", "b in", "c waits", "d in"]
    for visitor in visitors:
        visitor.leave.set()
    await settle()


async def test_where_widths_differ_the_smaller_counts_until_the_lane_is_empty(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    visitors = [
        Visitor(lanes, Lane(name="device", width=width), log, name)
        for name, width in zip("abc", (2, 1, 9), strict=True)
    ]
    await settle()
    assert log == ["a in", "b waits", "c waits"]
    visitors[0].leave.set()
    await settle()
    assert log[3:] == ["a out", "b in"]
    for visitor in visitors:
        visitor.leave.set()
    await settle()
    others = [Visitor(lanes, Lane(name="device", width=2), log, name) for name in "cd"]
    await settle()
    assert log[-2:] == ["c in", "d in"]
    for visitor in others:
        visitor.leave.set()
    await settle()


@pytest.mark.parametrize("leaves_first", [True, False])
async def test_who_is_cancelled_while_waiting_holds_up_nobody(clock: Clock, leaves_first: bool) -> None:
    lanes, log = Lanes(clock), list[str]()
    first, second, third = (Visitor(lanes, DEVICE, log, name) for name in "abc")
    await settle()
    if leaves_first:  # the place is handed to b in the same instant in which b is cancelled
        first.leave.set()
        while "a out" not in log:  # noqa: ASYNC110 - one step of the loop at a time is the point
            await asyncio.sleep(0)
        assert "b in" not in log
    second.task.cancel()
    first.leave.set()
    await settle()
    assert second.task.done()
    assert "c in" in log
    third.leave.set()
    await settle()
    assert "c out" in log


async def test_an_error_inside_gives_the_place_back(clock: Clock) -> None:
    lanes = Lanes(clock)
    with pytest.raises(OSError, match="broken"):
        async with lanes.hold(DEVICE):
            raise OSError("broken")
    async with lanes.hold(DEVICE) as seconds:
        assert seconds == 0


async def test_a_lane_without_width_is_refused_instead_of_waiting_for_ever(clock: Clock) -> None:
    with pytest.raises(ValueError, match="width 0"):
        async with Lanes(clock).hold(Lane(name="shut", width=0)):
            pass


MODEL = "m"
HOSTED = Lane(name="vendor:api.example m", width=4, place="api.example", model=MODEL)


async def attempt(lanes: Lanes, log: list[str], name: str, leave: asyncio.Event, model: str = MODEL) -> None:
    """One attempt at the hosted server, under way until `leave`."""
    async with lanes.admit("api.example", model, 100):
        log.append(f"{name} in")
        await leave.wait()
    log.append(f"{name} out")


async def refuse(lanes: Lanes, wait_seconds: float | None = None, *, beside: int = 1, model: str = MODEL) -> None:
    """Have the server refuse so much that the lane becomes as narrow as what is under way `beside`."""
    async with AsyncExitStack() as stack:
        for _ in range(beside):
            await stack.enter_async_context(lanes.admit("api.example", model, 100))
        for _ in range(REFUSED_OF_RECENT):
            async with lanes.admit("api.example", model, 100) as admitted:
                admitted.refused(wait_seconds)


async def serve(lanes: Lanes) -> None:
    """Have it answer until the lane may be wider by one."""
    for _ in range(SERVED_TO_GROW):
        async with lanes.admit("api.example", MODEL, 100) as admitted:
            admitted.served()


async def test_a_model_that_refuses_gets_fewer_trials_until_it_serves_again(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    visitors = [Visitor(lanes, HOSTED, log, name) for name in "abcdef"]
    await settle()
    await refuse(lanes, beside=2)
    for visitor in visitors[:3]:  # one of four still runs, and two may
        visitor.leave.set()
    await settle()
    assert [line for line in log if line.endswith(" in")] == ["a in", "b in", "c in", "d in", "e in"]
    await serve(lanes)
    await settle()
    assert log[-1] == "f in"
    for visitor in visitors:
        visitor.leave.set()
    await settle()


async def test_refusals_narrow_the_lane_for_the_next_attempts_of_trials_that_run(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    async with AsyncExitStack() as trials:
        for _ in range(4):
            await trials.enter_async_context(lanes.hold(HOSTED))
        await refuse(lanes, beside=2)
        leave = [asyncio.Event() for _ in range(4)]
        tasks = [
            asyncio.create_task(attempt(lanes, log, name, event)) for name, event in zip("abcd", leave, strict=True)
        ]
        await settle()
        assert log == ["a in", "b in"]
        leave[0].set()
        await settle()
        assert log == ["a in", "b in", "a out", "c in"]
        for event in leave:
            event.set()
        await asyncio.gather(*tasks)
        assert "d out" in log


async def test_one_models_refusals_narrow_no_other_models_lane_at_the_same_server(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    other = Lane(name="vendor:api.example o", width=4, place="api.example", model="o")
    async with lanes.hold(HOSTED), lanes.hold(other):
        await refuse(lanes, 30.0)
    async with lanes.admit("api.example", "o", 1) as admitted:
        assert admitted.queue_seconds == 0
    visitors = [Visitor(lanes, other, log, name) for name in "abcd"]
    leave = asyncio.Event()
    tasks = [asyncio.create_task(attempt(lanes, log, str(number), leave, "o")) for number in range(4)]
    await settle()
    assert sorted(log) == ["0 in", "1 in", "2 in", "3 in", "a in", "b in", "c in", "d in"]
    for visitor in visitors:
        visitor.leave.set()
    leave.set()
    await asyncio.gather(*tasks)
    await settle()


async def test_places_of_those_who_wait_to_try_again_are_lent_up_to_half(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    visitors = [Visitor(lanes, HOSTED, log, name) for name in "abcdefgh"]
    await settle()
    with ExitStack() as resting:
        for _ in range(3):
            resting.enter_context(lanes.resting("api.example", MODEL))
        await settle()
        assert [line for line in log if line.endswith(" in")] == [f"{name} in" for name in "abcdef"]
    for visitor in visitors[:2]:
        visitor.leave.set()
    await settle()
    assert "g in" not in log  # who was lent a place has it
    for visitor in visitors:
        visitor.leave.set()
    await settle()
    assert "h out" in log


async def test_who_waits_because_of_refusals_takes_no_job(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    jobs, leave = lanes.jobs(1), asyncio.Event()
    async with lanes.hold(HOSTED):
        await refuse(lanes)
    first = asyncio.create_task(attempt(lanes, log, "a", leave))
    await settle()

    async def work() -> None:
        async with jobs:
            await attempt(lanes, log, "b", leave)

    async def another() -> None:
        async with jobs:
            log.append("works meanwhile")

    works = [asyncio.create_task(work()), asyncio.create_task(another())]
    await settle()
    assert log == ["a in", "works meanwhile"]
    leave.set()
    await asyncio.gather(first, *works)
    async with jobs:
        late = asyncio.create_task(another())
        await settle()
        assert log.count("works meanwhile") == 1
        with lanes.resting("api.example", MODEL):
            await settle()
            assert log.count("works meanwhile") == 2
    await late


@pytest.mark.parametrize("widths", [(2, 8), (8, 2)])
async def test_two_lanes_to_one_server_share_its_widest_whichever_comes_first(
    clock: Clock, widths: tuple[int, int]
) -> None:
    lanes, log = Lanes(clock), list[str]()
    lane, other = (Lane(name=f"{width} wide", width=width, place="api.example", model=MODEL) for width in widths)
    async with lanes.hold(lane), lanes.hold(other):
        leave = asyncio.Event()
        tasks = [asyncio.create_task(attempt(lanes, log, str(number), leave)) for number in range(10)]
        await settle()
        assert len(log) == 8
        leave.set()
        await asyncio.gather(*tasks)


async def test_the_users_width_goes_before_the_lanes_own(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    lanes.limit("api.example", LaneLimits(concurrent=2))
    lanes.limit("api.example", LaneLimits(concurrent=5, requests_per_minute=3))  # the smaller of each
    visitors = [Visitor(lanes, HOSTED, log, name) for name in "abc"]
    await settle()
    assert log == ["a in", "b in", "c waits"]
    for visitor in visitors:
        visitor.leave.set()
    await settle()
    for _ in range(3):
        async with lanes.admit("api.example", MODEL, 1) as admitted:
            assert admitted.queue_seconds == 0
    async with lanes.admit("api.example", MODEL, 1) as admitted:
        assert admitted.queue_seconds == 60


async def test_the_users_width_is_that_of_all_models_together(clock: Clock) -> None:
    lanes, log = Lanes(clock), list[str]()
    lanes.limit("api.example", LaneLimits(concurrent=2, requests_per_minute=2))
    other = Lane(name="vendor:api.example o", width=4, place="api.example", model="o")
    visitors = [Visitor(lanes, lane, log, name) for name, lane in (("a", HOSTED), ("b", other), ("c", other))]
    await settle()
    assert log == ["a in", "b in", "c waits"]
    for visitor in visitors:
        visitor.leave.set()
    await settle()
    waited = []
    for model in (MODEL, "o", MODEL):
        async with lanes.admit("api.example", model, 1) as admitted:
            waited.append(admitted.queue_seconds)
    assert waited == [0, 0, 60]


async def test_what_one_refusal_asks_for_holds_back_nobody_else(clock: Clock) -> None:
    lanes = Lanes(clock)
    async with lanes.hold(HOSTED), lanes.admit("api.example", MODEL, 1):
        for _ in range(REFUSED_OF_RECENT - 1):
            async with lanes.admit("api.example", MODEL, 1) as admitted:
                admitted.refused(20.0)
        async with lanes.admit("api.example", MODEL, 1) as admitted:
            assert admitted.queue_seconds == 0


async def test_what_a_model_that_refuses_most_asks_for_holds_for_all_its_trials(clock: Clock) -> None:
    lanes = Lanes(clock)
    async with lanes.hold(HOSTED):
        await refuse(lanes, 20.0)
    async with lanes.admit("api.example", MODEL, 1) as admitted:
        assert admitted.queue_seconds == 20
    async with lanes.admit("other.example", MODEL, 1) as admitted:
        assert admitted.queue_seconds == 0


async def test_without_devices_nothing_is_waited_for(clock: Clock) -> None:
    lanes = Lanes(clock)
    async with lanes.alone(Lane(name="device:local", width=1, device="local")) as first, lanes.beside() as second:
        assert (first, second) == (0, 0)


async def test_who_waits_for_a_device_lends_his_place_and_has_it_again(clock: Clock, tmp_path: Path) -> None:
    """Another process has the device: meanwhile nobody else is kept from work."""
    device = Lane(name="device:local", width=1, device="local")
    lanes = Lanes(clock, Devices(tmp_path, clock, lambda _: None))
    places, freed, left = lanes.jobs(1), asyncio.Event(), asyncio.Event()

    async def on_device() -> None:
        async with places, lanes.alone_at_work(device):
            freed.set()
            await left.wait()

    async with Devices(tmp_path, clock, lambda _: None).hold("local", shared=False):
        task = asyncio.create_task(on_device())
        await settle()
        await asyncio.wait_for(places.enter(), 5)
        places.leave()
        assert not freed.is_set()
    await asyncio.wait_for(freed.wait(), 5)
    waiting = asyncio.create_task(places.enter())
    await settle()
    assert not waiting.done(), "it is at work now"
    left.set()
    await asyncio.gather(task, waiting)


async def test_lanes_with_devices_of_their_own_ask_the_same_servers(clock: Clock, tmp_path: Path) -> None:
    lanes, log = Lanes(clock), list[str]()
    devices = Devices(tmp_path, clock, log.append)
    one, other = lanes.with_devices(devices), lanes.with_devices(devices)
    first, second = Visitor(one, DEVICE, log, "a"), Visitor(other, DEVICE, log, "b")
    await settle()
    assert log == ["a in", "b waits"]
    for visitor in (first, second):
        visitor.leave.set()
    await settle()


async def test_a_limit_that_is_said_again_forgets_nothing(clock: Clock) -> None:
    lanes, leave, log = Lanes(clock), asyncio.Event(), list[str]()
    limits = LaneLimits(concurrent=1)
    lanes.limit("api.example", limits)
    first = asyncio.create_task(attempt(lanes, log, "a", leave))
    await settle()
    lanes.limit("api.example", limits)
    second = asyncio.create_task(attempt(lanes, log, "b", leave))
    await settle()
    assert log == ["a in"]
    leave.set()
    await asyncio.gather(first, second)
