"""One server is asked no more at once and in a minute than it may be; the waiting is measured."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import LaneLimits
from flatfield.runs.traffic.servers import Quarters, ServerLimits, limits_of, narrower
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence


@given(
    concurrent=st.integers(1, 6),
    seconds=st.lists(st.floats(0.1, 50), min_size=1, max_size=20),
    refused=st.sets(st.integers(0, 19)),
)
def test_all_get_their_turn_and_never_more_at_once_than_it_is_wide(
    concurrent: int, seconds: Sequence[float], refused: set[int]
) -> None:
    async def told() -> None:
        clock = FakeClock()
        server = ServerLimits(clock, LaneLimits(concurrent=concurrent, requests_per_minute=5))
        models = [Quarters(clock, lambda: None) for _ in range(2)]
        for quarters in models:
            quarters.fill(server.lane_width(16))
        inside, done = 0, 0

        async def ask(number: int) -> None:
            nonlocal inside, done
            quarters = models[number % 2]
            async with quarters.admit(server, 10, nullcontext) as attempt:
                inside += 1
                assert attempt.queue_seconds >= 0
                assert inside <= concurrent
                assert 1 <= quarters.width <= concurrent
                await clock.sleep(seconds[number])
                if number in refused:
                    attempt.refused(None)
                else:
                    attempt.served()
                inside -= 1
                done += 1

        await asyncio.gather(*map(ask, range(len(seconds))))
        assert done == len(seconds)

    asyncio.run(told())


async def test_cancelled_attempts_leave_no_trace(clock: FakeClock) -> None:
    server, quarters = ServerLimits(clock, LaneLimits(concurrent=1)), Quarters(clock, lambda: None)
    async with quarters.admit(server, 1, nullcontext):
        waiting = asyncio.create_task(quarters.admit(server, 1, nullcontext).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with quarters.admit(server, 1, nullcontext) as attempt:
        assert attempt.queue_seconds == 0


@pytest.mark.parametrize(
    ("place", "given", "found"),
    [
        ("api.example:8080", ("api.example:8080", "api.example", "openai"), "api.example:8080"),
        ("api.example:8080", ("api.example", "openai"), "api.example"),
        ("api.example", ("openai", "anthropic"), "openai"),
        ("[::1]:8080", ("::1",), "::1"),
        ("api.example", ("anthropic",), None),
    ],
)
def test_the_most_particular_table_counts(place: str, given: tuple[str, ...], found: str | None) -> None:
    limits = {name: LaneLimits(concurrent=1, source=name) for name in given}
    assert getattr(limits_of(place, "openai", limits), "source", None) == found


def test_of_two_limits_the_smaller_of_each() -> None:
    one = LaneLimits(concurrent=4, requests_per_minute=60, source="a")
    other = LaneLimits(concurrent=8, requests_per_minute=30, tokens_per_minute=1000, source="b")
    assert narrower(one, other) == LaneLimits(concurrent=4, requests_per_minute=30, tokens_per_minute=1000, source="a")
