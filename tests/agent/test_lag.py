"""The lag meter: what it says of a moment is the largest lag since then, and no other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.agent.lag import EVERY_SECONDS, LagMeter, measured_lag

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """A loop whose time a test sets; it wakes its one timer as late as it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.callback: Callable[[], object] | None = None
        self._loop = asyncio.new_event_loop()

    def time(self) -> float:
        return self.seconds

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        self.callback = callback
        handle = self._loop.call_later(delay, callback)
        handle.cancel()
        return handle

    def wake(self, late_seconds: float) -> None:
        assert self.callback is not None
        self.seconds += EVERY_SECONDS + late_seconds
        self.callback()

    def close(self) -> None:
        self._loop.close()


def test_a_block_counts_for_what_ran_meanwhile_and_for_nothing_later() -> None:
    loop = Loop()
    meter = LagMeter(loop)
    meter.start()
    before = meter.now()
    loop.wake(0.001)
    loop.wake(0.05)
    after = meter.now() + 0.0001
    loop.wake(0.002)
    assert meter.since(before) == pytest.approx(0.05)
    assert meter.since(after) == pytest.approx(0.002)
    loop.close()


def test_a_block_that_still_lasts_counts() -> None:
    loop = Loop()
    meter = LagMeter(loop)
    meter.start()
    loop.seconds += EVERY_SECONDS + 0.3
    assert meter.since(0.0) == pytest.approx(0.3)
    loop.close()


def test_what_began_at_the_end_of_a_block_was_not_held_up_by_it() -> None:
    loop = Loop()
    meter = LagMeter(loop)
    meter.start()
    loop.seconds += EVERY_SECONDS + 0.3
    began = meter.now()
    loop.seconds += 0.001
    assert loop.callback is not None
    loop.callback()
    assert meter.since(began) == pytest.approx(0.001)
    loop.close()


@given(lags=st.lists(st.floats(0, 1), min_size=1, max_size=30), after=st.integers(0, 29))
def test_it_is_the_largest_lag_since_then(lags: list[float], after: int) -> None:
    after = min(after, len(lags) - 1)
    loop = Loop()
    meter = LagMeter(loop)
    meter.start()
    moment = 0.0
    for index, late in enumerate(lags):
        if index == after:
            moment = meter.now() + EVERY_SECONDS / 2
        loop.wake(late)
    assert meter.since(moment) == pytest.approx(max(lags[after:]), abs=1e-9)
    loop.close()


async def test_a_real_loop_is_watched_and_left_as_it_was() -> None:
    loop = asyncio.get_running_loop()
    with measured_lag() as meter:
        before = meter.now()
        until = loop.time() + 0.06
        while loop.time() < until:  # the loop is held up
            pass
        assert meter.since(before) >= 0.045
