"""Whole runs against servers that refuse, played on a timeline: what they cost, and that no trial is lost."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from flatfield.http.retrying import RetryPolicy
from flatfield.runs.traffic.lanes import Lanes
from flatfield.testing.clocks import FakeClock
from flatfield.vendors.base import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Refusal = tuple[int, float | None] | None

pytestmark = pytest.mark.whole

TURNS_OF_THE_LOOP = 30
"""So many at most until everybody waits for time to pass."""
TRIALS, JOBS, REPLY_SECONDS = 200, 50, 0.3


class Timeline(FakeClock):
    """Sleepers wake in their order; time moves when all of them sleep."""

    def __init__(self) -> None:
        super().__init__()
        self._number = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        """Wait until it is so much later."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.seconds + max(0.0, seconds), next(self._number), woken))
        await woken

    async def play(self, work: Awaitable[object]) -> float:
        """Let time pass until the work is done; returns how much did."""
        began, task = self.seconds, asyncio.ensure_future(work)
        while True:
            for _ in range(TURNS_OF_THE_LOOP):
                await asyncio.sleep(0)
            if task.done():
                task.result()
                return self.seconds - began
            self.seconds, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


@dataclass
class Busy:
    """A server whose `policy` says what refuses a request of a model, of which so many are being answered."""

    clock: Timeline
    policy: Callable[[str, int], Refusal]
    reply_seconds: float = REPLY_SECONDS
    refusal_seconds: float = 0.0
    busy: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    async def ask(self, model: str) -> Refusal:
        """The refusal, at once, or the answer after a while."""
        self.asked += 1
        refusal = self.policy(model, self.busy.get(model, 0))
        if refusal is None:
            self.busy[model] = self.busy.get(model, 0) + 1
            await self.clock.sleep(self.reply_seconds)
            self.busy[model] -= 1
        elif self.refusal_seconds:
            await self.clock.sleep(self.refusal_seconds)
        return refusal


class Runs:
    """Trials of some requests each, through lanes, as the scheduler and the transport take them."""

    def __init__(self, clock: Timeline, server: Busy, *, width: int, jobs: int = JOBS) -> None:
        self._clock = clock
        self._server = server
        self._policy = RetryPolicy()
        self._width = width
        self.lanes = Lanes(clock)
        self._jobs = self.lanes.jobs(jobs)
        self.ended: dict[str, list[float]] = {}
        self.widths: list[float] = []
        self.lost = 0

    async def all(self, *models: str, trials: int = TRIALS, turns: int = 1) -> None:
        """So many trials of each model."""
        works = [self._trial(model, turns) for _ in range(trials) for model in models]
        await asyncio.gather(*works)

    async def _trial(self, model: str, turns: int) -> None:
        lane = Lane(name=f"v:host {model}", width=self._width, place="host", model=model)
        async with self.lanes.hold(lane), self._jobs:
            for _ in range(turns):
                self.lost += not await self._request(model)
        self.ended.setdefault(model, []).append(self._clock.now())

    async def _request(self, model: str) -> bool:
        waited_seconds, times = 0.0, 0
        for attempt in itertools.count(1):
            async with self.lanes.admit("host", model, 10) as admitted:
                refusal = await self._server.ask(model)
                if refusal is None:
                    admitted.served()
                elif refusal[0] == 429:
                    times += 1
                    admitted.refused(refusal[1], times)
                else:
                    times = 0
            self.widths.append(self.lanes.width_of("host", model))
            if refusal is None:
                return True
            wait_seconds = self._policy.wait_seconds(attempt, refusal[1], waited_seconds)
            waited_seconds += wait_seconds
            if self._policy.ending(attempt, 0, refusal[1], waited_seconds):
                return False
            with self.lanes.resting("host", model):
                await self._clock.sleep(wait_seconds)
        raise AssertionError("unreachable")


def never(_model: str, _busy: int) -> Refusal:
    return None


def stray(retry_after: float, seed: int) -> Callable[[str, int], Refusal]:
    """5 % each of 429, 429 with Retry-After, and 529."""
    dice = random.Random(seed)
    kinds: list[Refusal] = [(429, None), (429, retry_after), (529, None)]

    def policy(_model: str, _busy: int) -> Refusal:
        cast = dice.random()
        return kinds[int(cast / 0.05)] if cast < 0.15 else None

    return policy


def above(most: int) -> Callable[[str, int], Refusal]:
    return lambda _model, busy: (429, None) if busy >= most else None


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(7)


@pytest.mark.parametrize("seed", range(5))
async def test_stray_refusals_cost_their_own_waiting_and_no_more(seed: int) -> None:
    seconds = {}
    for policy in (never, stray(1.0, seed)):
        clock = Timeline()
        runs = Runs(clock, Busy(clock, policy, reply_seconds=1.0), width=JOBS)
        seconds[policy] = await clock.play(runs.all("m", turns=5))
        assert runs.lost == 0
        assert min(runs.widths) > JOBS / 2
    calm, refused = seconds.values()
    assert refused <= 1.5 * calm


@pytest.mark.parametrize("refusal_seconds", [0.0, 0.1])
@pytest.mark.parametrize(("most", "reply_seconds"), [(1, 5.0), (3, 1.0), (10, 1.0), (10, 20.0), (40, 5.0)])
async def test_a_server_that_takes_so_many_at_a_time_is_asked_about_so_many_and_loses_no_trial(
    most: int, reply_seconds: float, refusal_seconds: float
) -> None:
    clock = Timeline()
    server, began = Busy(clock, above(most), reply_seconds, refusal_seconds), clock.now()
    runs = Runs(clock, server, width=JOBS)
    await clock.play(runs.all("m", turns=2))
    assert runs.lost == 0
    nearly_all = sorted(runs.ended["m"])[TRIALS * 95 // 100]  # the last one may have waited long by chance
    assert nearly_all - began <= 1.4 * 2 * TRIALS / most * reply_seconds
    late = sorted(runs.widths[len(runs.widths) // 2 :])
    assert most * 0.8 <= late[len(late) // 2] <= most + 3
    assert server.asked <= 2 * 2 * TRIALS


async def test_of_two_trials_at_a_server_that_takes_one_neither_is_starved() -> None:
    """Each turn of the one follows its last at once: the other, which waits longer and longer, would never be there."""
    clock = Timeline()
    runs = Runs(clock, Busy(clock, above(1), reply_seconds=10.0), width=16, jobs=2)
    await clock.play(runs.all("m", trials=2, turns=60))
    assert runs.lost == 0


async def test_a_model_that_is_refused_holds_up_no_other_models_trials() -> None:
    clock = Timeline()
    alone = Runs(clock, Busy(clock, never), width=16, jobs=16)
    alone_seconds = await clock.play(alone.all("good", turns=3))
    clock = Timeline()
    refusing = Busy(clock, lambda model, busy: (429, 2.0) if model == "bad" and busy >= 1 else None)
    runs, began = Runs(clock, refusing, width=16, jobs=16), clock.now()
    await clock.play(runs.all("bad", "good", turns=3))
    assert runs.lost == 0
    assert runs.ended["good"][-1] - began <= 1.5 * alone_seconds
    assert runs.ended["bad"][-1] - began > 5 * alone_seconds


async def test_an_overload_of_a_minute_loses_no_trial_and_narrows_nothing() -> None:
    clock = Timeline()
    until = clock.now() + 60
    runs = Runs(clock, Busy(clock, lambda _model, _busy: (529, None) if clock.now() < until else None), width=JOBS)
    await clock.play(runs.all("m"))
    assert runs.lost == 0
    assert set(runs.widths) == {JOBS}


async def test_a_minutes_quota_that_is_used_up_is_waited_for_together() -> None:
    """60 requests a minute, which nobody told us of: the lane waits as the server asks, and few find out anew."""
    clock = Timeline()
    served: list[float] = []

    def policy(_model: str, _busy: int) -> Refusal:
        recent = [at for at in served if at > clock.now() - 60]
        if len(recent) >= 60:
            return 429, max(0.0, recent[0] + 60 - clock.now())
        served.append(clock.now())
        return None

    server = Busy(clock, policy)
    runs = Runs(clock, server, width=16, jobs=16)
    seconds = await clock.play(runs.all("m"))
    assert runs.lost == 0
    assert seconds <= 1.3 * (TRIALS / 60 - 1) * 60
    assert server.asked <= 2 * TRIALS
