"""Differences of two agents: paired by task, or of independent estimates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.statistics.paired import Estimate, paired, t_cdf, unpaired

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=12)


def test_the_interval_is_t_with_the_addition() -> None:
    found = paired([0.9, 0.8, 1.0, 0.7], [0.6, 0.6, 0.7, 0.4], 5)
    apart = [0.3, 0.2, 0.3, 0.3]
    squares = sum((each - 0.275) ** 2 for each in apart) + 0.2
    half = 3.182446 * math.sqrt(squares / 3 / 4)
    assert found.value == pytest.approx(0.275)
    assert (found.low, found.high) == pytest.approx((0.275 - half, 0.275 + half), abs=1e-6)


def test_two_that_pass_everything_are_not_surely_the_same() -> None:
    once, often = paired([1.0] * 8, [1.0] * 8, 1), paired([1.0] * 8, [1.0] * 8, 5)
    assert once.low < -0.2
    assert once.high > 0.2
    assert once.low < often.low < 0.0
    assert (once.value, once.probability) == (0.0, 0.5)


def test_pairing_makes_a_steady_lead_surer() -> None:
    hard_and_easy = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7]
    lead = [score + 0.1 for score in hard_and_easy]
    shuffled = lead[1:] + lead[:1]
    assert paired(lead, hard_and_easy, 30).low > 0.0
    assert paired(shuffled, hard_and_easy, 30).low < 0.0


def test_lists_of_different_lengths_are_a_bug() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired([0.5, 0.5, 0.5], [0.5, 0.5], 1)


@given(SCORES, st.integers(1, 20))
def test_swapping_the_sides_mirrors_everything(pairs: list[tuple[float, float]], repeats: int) -> None:
    first, second = [list(side) for side in zip(*pairs, strict=True)]
    one, other = paired(first, second, repeats), paired(second, first, repeats)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert one.probability == pytest.approx(1.0 - other.probability, abs=1e-9)
    assert one.low <= one.value <= one.high
    assert (one.probability > 0.975) == (one.low > 0.0) or one.probability == pytest.approx(0.975, abs=1e-6)


def test_independent_estimates_join_by_the_root_of_squares() -> None:
    found = unpaired(Estimate(value=0.8, low=0.5, high=0.9), Estimate(value=0.4, low=0.2, high=0.8))
    assert (found.low, found.high) == pytest.approx((0.4 - 0.5, 0.4 + math.hypot(0.1, 0.2)))
    assert 0.9 < found.probability < 0.975


def test_certain_estimates_have_a_certain_difference() -> None:
    sure, other = Estimate(value=1.0, low=1.0, high=1.0), Estimate(value=0.5, low=0.5, high=0.5)
    assert unpaired(sure, other).probability == 1.0
    assert unpaired(other, sure).probability == 0.0


def test_students_distribution_as_tabulated() -> None:
    assert t_cdf(2.77645, 4) == pytest.approx(0.975, abs=1e-6)
    assert t_cdf(-2.77645, 4) == pytest.approx(0.025, abs=1e-6)
    assert t_cdf(0.0, 9) == pytest.approx(0.5)
