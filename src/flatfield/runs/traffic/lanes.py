"""Keeps apart what must not run at the same time: lanes here, and locks on devices among all processes.

A lane to a model that is asked too much is narrower for a while: fewer trials start, and the next attempts of those
that run wait for a place in it. What one model refuses narrows no other's lane, not at the same server either.
"""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import math
import os
import re
import tempfile
from collections import defaultdict
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from flatfield import plugins
from flatfield.runs.traffic.servers import Gate, Quarters, ServerLimits, limits_of, narrower
from flatfield.scoring.verifying.verification import verify
from flatfield.vendors.base import THIS_DEVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.clock import Clock
    from flatfield.records import AgentConfig, Check, LaneLimits
    from flatfield.runs.traffic.servers import Attempt
    from flatfield.scoring.protocols import VerifyContext
    from flatfield.vendors.base import Lane


# Keeps processes from measuring two models on one device at a time: locks on files that end with their process.


POLL_SECONDS = 0.1
"""How often a lock that another process holds is asked for: a thread that waits for it could not be cancelled."""


class Devices:
    """The devices of one event loop, locked by files in `folder`, which all processes share.

    A device has two locks: `NAME.lock`, which is held alone or with others, and `NAME.next`, which whoever waits for
    the first holds meanwhile. So a process cannot take the device again and again while another waits. `tell` is told
    once for each process that is waited for.
    """

    def __init__(self, folder: Path, clock: Clock, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._told: set[tuple[str, str]] = set()
        self._order: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(self, device: str, *, shared: bool) -> AsyncIterator[float]:
        """Hold the device alone, or `shared` with others who share it; the value is the seconds waited for it.

        First come, first served within the process; the system lets go of it when the process ends, however it ends.
        """
        asked = self._clock.now()
        lock = self._open(device, "lock")
        try:
            async with self._order[device]:
                following = self._open(device, "next")
                try:
                    await self._lock(following, fcntl.LOCK_EX, device, lock)
                    await self._lock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, device, lock)
                finally:
                    os.close(following)
            if not shared:
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
            yield self._clock.now() - asked
        finally:
            os.close(lock)

    async def _lock(self, descriptor: int, kind: int, device: str, lock: int) -> None:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(device, os.pread(lock, 32, 0).decode("ascii", "replace").strip())
                await self._clock.sleep(POLL_SECONDS)
            else:
                return

    def _say(self, device: str, owner: str) -> None:
        if owner != str(os.getpid()) and (device, owner) not in self._told:
            self._told.add((device, owner))
            self._tell(f"waiting for the device {device}: used by process {owner or '?'}")

    def _open(self, device: str, kind: str) -> int:
        path = self._folder / f"{re.sub('[^A-Za-z0-9.-]', '_', device)}.{kind}"
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


@contextmanager
def shared_devices(cache: Path, clock: Clock, tell: Callable[[str], None]) -> Iterator[Devices]:
    """The devices that all processes with the same cache folder share; where it cannot be used, this one's alone."""
    folder = cache / "locks"
    problem = _problem(folder)
    if not problem:
        yield Devices(folder, clock, tell)
        return
    tell(f"{folder} cannot hold locks ({problem}): other processes may use a device while a model on it is measured")
    with tempfile.TemporaryDirectory(prefix="locks-") as spare:
        yield Devices(Path(spare), clock, tell)


def _problem(folder: Path) -> str:
    """Why locks cannot lie in a folder; "" when they can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "probe").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.strerror or str(error)
    return ""


# ---------------------------------------------------------------------------- first come, first served


SHOWN_LANES = 3


class _Places:
    """A lane's gate, and the smallest width that it was named with."""

    __slots__ = ("gate", "quarters", "width")

    def __init__(self, quarters: Quarters | None) -> None:
        self.quarters = quarters
        self.width = math.inf
        self.gate = Gate(self._now)

    def _now(self) -> float:
        if self.quarters is None:
            return self.width
        return min(self.width, self.quarters.width) + self.quarters.spare


class Work:
    """How many of those at work only wait out a refusal, and the gates that let others work meanwhile."""

    def __init__(self) -> None:
        self.resting = 0
        self.gates: list[Gate] = []

    @contextmanager
    def rest(self) -> Iterator[None]:
        """One more is resting."""
        self.resting += 1
        for gate in self.gates:
            gate.admit()
        try:
            yield
        finally:
            self.resting -= 1


class Lanes:
    """All lanes of one event loop; runs that share a device or a provider share one of these.

    `devices` None: devices are shared with no other process, and with no verifier.
    """

    def __init__(self, clock: Clock, devices: Devices | None = None) -> None:
        self._clock = clock
        self._devices = devices
        self._places: dict[str, _Places] = {}
        self._servers: dict[str, ServerLimits] = {}
        self._quarters: dict[tuple[str, str], Quarters] = {}
        self._work = Work()

    def with_devices(self, devices: Devices) -> Lanes:
        """The same lanes to the same servers, with devices that tell somebody else what is waited for."""
        lanes = Lanes(self._clock, devices)
        lanes._places, lanes._servers, lanes._quarters = self._places, self._servers, self._quarters
        lanes._work = self._work
        return lanes

    def limit(self, place: str, limits: LaneLimits) -> None:
        """Ask the server at `place` (host and port) no more than this; to be said before it is asked anything.

        Saying what holds already changes nothing: what the server was asked in the last minute still counts.
        """
        if place in self._servers:
            limits = narrower(limits, self._servers[place].limits)
            if limits == self._servers[place].limits:
                return
        self._servers[place] = ServerLimits(self._clock, limits)

    def jobs(self, most: int) -> Gate:
        """Places for so many who work at once; who waits out a refusal is not at work, so that others go on."""
        gate = Gate(lambda: most + self._work.resting)
        self._work.gates.append(gate)
        return gate

    @asynccontextmanager
    async def hold(self, lane: Lane, on_wait: Callable[[], None] | None = None) -> AsyncIterator[float]:
        """Hold one of the lane's places; the value is the seconds that were waited for it.

        `on_wait` is called when there is no place at once. Where two name the same lane with different widths, the
        smaller counts until the lane is empty. Cancelling while waiting or holding gives the place on.

        Raises:
            ValueError: the lane's width is below 1: nothing could ever run in it.
        """
        if lane.width < 1:
            message = f"lane {lane.name!r} has width {lane.width}; it must be at least 1"
            raise ValueError(message)
        asked = self._clock.now()
        places = self._of(lane)
        await places.gate.enter(on_wait)
        try:
            if not lane.place:
                yield self._clock.now() - asked
                return
            server = self._server(lane.place)
            await server.trials.enter(on_wait)
            try:
                yield self._clock.now() - asked
            finally:
                server.trials.leave()
        finally:
            places.gate.leave()
            if places.gate.idle:
                self._places.pop(lane.name, None)

    def alone(self, lane: Lane) -> AbstractAsyncContextManager[float]:
        """Have the lane's device to oneself, also among processes; the value is the seconds that were waited for it.

        To be asked for last, when nothing else is waited for any more: nobody who holds a device may wait for others.
        """
        return self._device(lane.device, shared=False)

    @asynccontextmanager
    async def alone_at_work(self, lane: Lane) -> AsyncIterator[float]:
        """As `alone`, for one who has a place of `jobs`: until the device is free, the place is lent to others."""
        with ExitStack() as waiting:
            if lane.device:
                waiting.enter_context(self._work.rest())
            async with self.alone(lane) as seconds:
                waiting.close()
                yield seconds

    @asynccontextmanager
    async def hold_at_work(self, lane: Lane, on_wait: Callable[[], None] | None = None) -> AsyncIterator[float]:
        """Hold the lane and then its device, for one who has a place of `jobs`; the value is the seconds waited.

        While it waits, the place is lent to others: one of them may hold what it waits for, and wait for a place.
        """
        with ExitStack() as waiting:

            def wait() -> None:
                waiting.pop_all().close()
                waiting.enter_context(self._work.rest())
                if on_wait is not None:
                    on_wait()

            async with self.hold(lane, wait) as lane_seconds:
                waiting.close()
                async with self.alone_at_work(lane) as device_seconds:
                    yield lane_seconds + device_seconds

    def beside(self) -> AbstractAsyncContextManager[float]:
        """Use this device beside others of the kind, but not while a model on it is measured; else as `alone`."""
        return self._device(THIS_DEVICE, shared=True)

    def here(self) -> AbstractAsyncContextManager[float]:
        """Have this device to oneself, as `alone` does where a model on it is measured."""
        return self._device(THIS_DEVICE, shared=False)

    def admit(self, place: str, model: str, tokens: int) -> AbstractAsyncContextManager[Attempt]:
        """Wait until the server at `place` may be asked once more for a model; see `http.services.Pressure`."""
        return self._quarters_of(place, model).admit(self._server(place), tokens, self._work.rest)

    def width_of(self, place: str, model: str) -> float:
        """How many requests for a model a server is sent at once now; infinite where no lane has said how many."""
        return self._quarters_of(place, model).width

    @contextmanager
    def resting(self, place: str, model: str) -> Iterator[None]:
        """Whoever waits in here takes none of the places of `jobs`, and lends out his in the lane."""
        quarters, server = self._quarters_of(place, model), self._server(place)
        quarters.resting += 1
        server.resting += 1
        server.trials.admit()
        self._widened()
        try:
            with self._work.rest():
                yield
        finally:
            quarters.resting -= 1
            server.resting -= 1

    def _of(self, lane: Lane) -> _Places:
        quarters = self._quarters_of(lane.place, lane.model) if lane.place else None
        width = self._server(lane.place).lane_width(lane.width) if lane.place else lane.width
        if quarters is not None:
            quarters.fill(width)
        places = self._places.setdefault(lane.name, _Places(quarters))
        places.width = min(places.width, width)
        return places

    def _server(self, place: str) -> ServerLimits:
        if place not in self._servers:
            self._servers[place] = ServerLimits(self._clock)
        return self._servers[place]

    def _quarters_of(self, place: str, model: str) -> Quarters:
        if (place, model) not in self._quarters:
            self._quarters[place, model] = Quarters(self._clock, self._widened)
        return self._quarters[place, model]

    def _widened(self) -> None:
        """A model may be asked more: its lanes have room for more trials."""
        for places in self._places.values():
            places.gate.admit()

    def _device(self, device: str, *, shared: bool) -> AbstractAsyncContextManager[float]:
        if self._devices is None or not device:
            return nullcontext(0.0)
        return self._devices.hold(device, shared=shared)


def limit_agents(
    lanes: Lanes, pool: ProviderPool, agents: Iterable[AgentConfig], given: Mapping[str, LaneLimits]
) -> None:
    """Set the limits that the user gives by host or provider to the servers that these agents ask."""
    for member in (member for agent in agents for member in agent.members) if given else ():
        place = pool.of(member).lane(member).place
        limits = limits_of(place, member.provider, given) if place else None
        if limits is not None:
            lanes.limit(place, limits)


class Bottleneck(NamedTuple):
    """What lets at most `width` trials run at once; `widened_at` says where that is set, "" where it cannot be."""

    name: str
    width: int
    widened_at: str


def bottleneck(lane: Lane, provider: str, given: Mapping[str, LaneLimits]) -> Bottleneck:
    """What narrows an agent's trials most: a device, what the user says of a server, or the lane itself."""
    if lane.device:
        return Bottleneck(f"device {lane.device}", 1, "")
    if not lane.place:
        return Bottleneck(lane.name, lane.width, "")
    limits = limits_of(lane.place, provider, given)
    if limits is None:
        return Bottleneck(lane.name, lane.width, f'[lanes."{lane.place}"] in flatfield.toml')
    if limits.concurrent is None:
        return Bottleneck(lane.name, lane.width, limits.source)
    return Bottleneck(lane.place, limits.concurrent, limits.source)


def crowding(jobs: int, trials: Mapping[Bottleneck, int]) -> str:
    """One line where fewer trials can run at once than a user asked for, and how to widen that; "" else."""
    at_once = sum(min(each.width, count) for each, count in trials.items())
    if at_once >= min(jobs, sum(trials.values())):
        return ""
    full = [each for each, count in trials.items() if each.width < count]
    takes = [f"{each.name} takes {each.width}" for each in full]
    more = f" and {len(takes) - SHOWN_LANES} more" if len(takes) > SHOWN_LANES else ""
    places = list(dict.fromkeys(each.widened_at for each in full if each.widened_at))
    fix = f"; for more, write concurrent = {jobs} below {places[0]}" if places else ""
    others = f" (and {', '.join(places[1:SHOWN_LANES])})" if places[1:] else ""
    return (
        f"of the {jobs} trials at once that --jobs asks for, {at_once} run at once: "
        f"{', '.join(takes[:SHOWN_LANES])}{more}{fix}{others}"
    )


# Verifies a trial when it slows no measurement: code that verifiers run, and models on this device, take turns.


LEAST_OF_SOLUTION = 4
"""How many times as long as its solution's check, on this machine, a check may take at least."""


async def verify_quietly(
    context: VerifyContext,
    lane: Lane,
    lanes: Lanes | None,
    solution_seconds: Callable[[], Awaitable[float]] | None = None,
) -> tuple[Check, ...]:
    """One Check for each verifier of the trial's task, when no model on this device is at work.

    `lane` is the trial's own: one that has this device does not wait for itself. What is waited here is after the
    trial's end, so it is no part of any of its seconds. A check that took too long is made once more, alone, and has
    four times as long as the slowest takes on the task's solution, which is asked for then; too long again scores 0.
    """
    busy = any(plugins.verifier_traits(spec.kind).runs_code for spec in context.task.verifiers)
    apart = lanes if busy and lane.device != THIS_DEVICE else None
    async with apart.beside() if apart is not None else nullcontext():
        checks = await verify(context.task, context)
    if not any(check.trouble == "time" for check in checks):
        return checks
    own_seconds = await solution_seconds() if solution_seconds else 0.0
    roomy = dataclasses.replace(context, least_seconds=LEAST_OF_SOLUTION * own_seconds)
    # Beside others it may have been short of time; nobody else's work is to be a reason for a 0, or for none.
    async with apart.here() if apart is not None else nullcontext():
        again = await verify(context.task, roomy, before=checks)
    return tuple(_too_late(check) if check.trouble == "time" else check for check in again)


def _too_late(check: Check) -> Check:
    return replace(check, score=0.0, reason=f"{check.reason}, also when it was done again alone")
