"""A large share of refusals makes a lane narrower, stray ones do not; service makes it wider again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.runs.traffic.servers import (
    OFTEN_IN_A_ROW,
    RAREST_GROWTH,
    RECENT_REQUESTS,
    REFUSED_OF_RECENT,
    SERVED_TO_GROW,
    SharedPressure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def answer(pressure: SharedPressure, answers: Sequence[bool]) -> None:
    """One request after the other, True: refused; as many others as there may be stay under way."""
    for refused in answers:
        asking = pressure.sent()
        if refused:
            pressure.refused(asking)
        else:
            pressure.served(asking)
        pressure.ended()


def busy(width: int, others: int) -> SharedPressure:
    """A lane so wide, with so many requests under way that nobody answers yet."""
    pressure = SharedPressure(width)
    for _ in range(others):
        pressure.sent()
    return pressure


@pytest.mark.parametrize("seed", range(20))
def test_a_tenth_of_refusals_by_chance_does_not_make_it_narrow(seed: int) -> None:
    dice, pressure = random.Random(seed), busy(50, 49)
    for _ in range(1000):
        answer(pressure, [dice.random() < 0.1])
        assert pressure.width >= 45


def test_a_large_share_leaves_what_is_still_under_way() -> None:
    pressure = busy(50, 12)
    answer(pressure, [True] * (REFUSED_OF_RECENT - 1))
    assert pressure.width == 50
    answer(pressure, [True])
    assert pressure.width == 12
    answer(pressure, [True])  # those before have been counted
    assert pressure.width == 12


def test_one_that_is_refused_again_and_again_while_others_are_answered_makes_it_narrower() -> None:
    pressure = busy(16, 2)
    for times in range(1, OFTEN_IN_A_ROW + 1):
        assert pressure.width == 16
        pressure.refused(pressure.sent(), times)
        pressure.ended()
        answer(pressure, [False] * RECENT_REQUESTS)
    assert pressure.width == 2 + 1 + 2  # what is under way, and what it has grown by since


def test_it_is_the_share_of_the_last_ones_that_counts() -> None:
    pressure = busy(50, 12)
    for _ in range(10):
        answer(pressure, [True] * (REFUSED_OF_RECENT - 1))
        answer(pressure, [False] * (RECENT_REQUESTS - REFUSED_OF_RECENT + 1))
    assert pressure.width == 50


def test_a_burst_into_a_server_that_takes_ten_comes_near_them_at_once() -> None:
    pressure = SharedPressure(50)
    askings = [pressure.sent() for _ in range(50)]
    for asking in askings[10:]:
        pressure.refused(asking)
        pressure.ended()
    assert 10 <= pressure.width < 10 + REFUSED_OF_RECENT


def test_a_refusal_of_the_only_request_under_way_says_nothing_of_the_width() -> None:
    pressure = SharedPressure(16)
    answer(pressure, [True] * 100)
    assert pressure.width == 16


def test_it_grows_faster_and_faster_while_that_is_borne() -> None:
    pressure = busy(64, 1)
    answer(pressure, [True] * REFUSED_OF_RECENT)
    widths = [pressure.width]
    for _ in range(7):
        answer(pressure, [False] * SERVED_TO_GROW)
        widths.append(pressure.width)
    assert widths == [1, 2, 4, 8, 16, 32, 64, 64]


def test_growing_that_was_too_much_is_tried_again_more_and_more_rarely() -> None:
    pressure = busy(16, 4)
    answer(pressure, [True] * REFUSED_OF_RECENT)
    tries = []
    for _ in range(6):
        served = 0
        while pressure.width == 4:
            answer(pressure, [False])
            served += 1
        tries.append(served)
        answer(pressure, [True] * RECENT_REQUESTS)
        assert pressure.width == 4
    assert tries == [SERVED_TO_GROW, 16, 32, RAREST_GROWTH, RAREST_GROWTH, RAREST_GROWTH]


@given(
    width=st.integers(1, 40),
    story=st.lists(st.tuples(st.sampled_from(["sent", "refused", "served", "ended"]), st.integers(0, 40))),
)
def test_it_stays_between_one_and_its_width_and_comes_back(width: int, story: Sequence[tuple[str, int]]) -> None:
    pressure = SharedPressure(width)
    under_way = [pressure.sent()]
    for event, number in story:
        if event == "sent" and len(under_way) < pressure.width:
            under_way.append(pressure.sent())
        elif event != "sent" and under_way:
            asking = under_way.pop(number % len(under_way))
            if event == "refused":
                pressure.refused(asking)
            elif event == "served":
                before = pressure.width
                assert pressure.served(asking) == (pressure.width > before)
            pressure.ended()
        assert 1 <= pressure.width <= width
        assert pressure.under_way == len(under_way)
    answer(pressure, [False] * width * RAREST_GROWTH)
    assert pressure.width == width


def test_another_full_width_keeps_what_refusals_took_off() -> None:
    pressure = busy(4, 8)
    pressure.fill(16)
    assert pressure.width == 16
    answer(pressure, [True] * REFUSED_OF_RECENT)
    pressure.fill(20)
    assert pressure.width == 8
    pressure.fill(6)
    assert pressure.width == 6
