"""Refusals make a lane narrower, service makes it wider again, and never beyond its width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from flatfield.runs.traffic.pressure import SERVED_TO_GROW, SETTLING_SECONDS, Pressure
from flatfield.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_each_burst_of_refusals_halves_the_width_once_down_to_one() -> None:
    clock = FakeClock()
    pressure = Pressure(clock, 16)
    widths = []
    for _ in range(6):
        for _ in range(10):
            pressure.refused(under_way=16)
        widths.append(pressure.width)
        clock.seconds += SETTLING_SECONDS
    assert widths == [8, 4, 2, 1, 1, 1]


def test_it_grows_by_one_after_enough_served_in_a_row() -> None:
    clock = FakeClock()
    pressure = Pressure(clock, 4)
    pressure.refused(under_way=4)
    assert [pressure.served() for _ in range(SERVED_TO_GROW)] == [False] * (SERVED_TO_GROW - 1) + [True]
    assert pressure.width == 3
    for _ in range(SERVED_TO_GROW - 1):
        pressure.served()
    pressure.refused(under_way=3)  # of the same burst, but the row is broken
    assert not pressure.served()
    assert pressure.width == 3


@given(width=st.integers(1, 40), story=st.lists(st.sampled_from(["refused", "served", "later"])))
def test_it_stays_between_one_and_its_width_and_comes_back(width: int, story: Sequence[str]) -> None:
    clock = FakeClock()
    pressure = Pressure(clock, width)
    for event in story:
        if event == "later":
            clock.seconds += SETTLING_SECONDS
        elif event == "refused":
            pressure.refused(under_way=width)
        else:
            before = pressure.width
            assert pressure.served() == (pressure.width == before + 1)
        assert 1 <= pressure.width <= width
    for _ in range(width * SERVED_TO_GROW):
        pressure.served()
    assert pressure.width == width


def test_half_of_what_was_under_way_is_left_where_the_width_was_never_used() -> None:
    pressure = Pressure(FakeClock(), 16)
    pressure.refused(under_way=6)
    assert pressure.width == 3


def test_another_full_width_keeps_what_refusals_took_off() -> None:
    pressure = Pressure(FakeClock(), 4)
    pressure.fill(16)
    assert pressure.width == 16
    pressure.refused(under_way=16)
    pressure.fill(20)
    assert pressure.width == 8
    pressure.fill(6)
    assert pressure.width == 6
