"""No minute holds more requests or tokens than it may, and everybody's turn comes, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.runs.traffic.servers import LONGEST_PAUSE_SECONDS, MINUTE_SECONDS, Pace, Sending
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence


@given(
    requests=st.one_of(st.none(), st.integers(1, 5)),
    most=st.one_of(st.none(), st.integers(1, 1000)),
    story=st.lists(st.tuples(st.floats(0, 90), st.integers(0, 1500), st.integers(0, 1500)), max_size=40),
)
def test_no_window_of_a_minute_holds_more_than_it_may(
    requests: int | None, most: int | None, story: Sequence[tuple[float, int, int]]
) -> None:
    async def told() -> None:
        clock = FakeClock()
        pace = Pace(clock, requests_per_minute=requests, tokens_per_minute=most)
        sent: list[Sending] = []
        for wait_seconds, tokens, used in story:
            clock.seconds += wait_seconds
            now = await pace.take(tokens)
            window = [each for each in sent if each.at + MINUTE_SECONDS > now.at]
            if requests is not None:
                assert len(window) < requests
            if most is not None:
                assert not window or sum(each.tokens for each in window) + tokens <= most
            now.tokens = used
            sent.append(now)

    asyncio.run(told())


async def test_who_asked_first_goes_first_also_when_it_wants_most(clock: FakeClock) -> None:
    pace = Pace(clock, requests_per_minute=None, tokens_per_minute=100)
    await pace.take(90)
    order: list[int] = []

    async def ask(tokens: int) -> None:
        await pace.take(tokens)
        order.append(tokens)

    await asyncio.gather(*(ask(tokens) for tokens in (80, 10, 5)))
    assert order == [80, 10, 5]


async def test_what_was_really_used_counts(clock: FakeClock) -> None:
    pace = Pace(clock, requests_per_minute=None, tokens_per_minute=1000)
    sent = await pace.take(100)
    sent.tokens = 1000
    started = clock.now()
    await pace.take(100)
    assert clock.now() - started == MINUTE_SECONDS
    assert clock.slept == [MINUTE_SECONDS]


async def test_one_that_is_cancelled_while_it_waits_holds_up_nobody(clock: FakeClock) -> None:
    pace = Pace(clock, requests_per_minute=1, tokens_per_minute=None)
    await pace.take(0)
    waiting = asyncio.create_task(pace.take(0))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await pace.take(0)
    assert len(clock.slept) == 1


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (3600.0, LONGEST_PAUSE_SECONDS)])
async def test_a_pause_holds_everything_for_a_minute_at_most(clock: FakeClock, asked: float, waited: float) -> None:
    pace = Pace(clock, requests_per_minute=None, tokens_per_minute=None)
    pace.pause(asked)
    pace.pause(1.0)  # a shorter one takes nothing away
    await pace.take(0)
    assert clock.slept == [waited]
    await pace.take(0)
    assert clock.slept == [waited]
