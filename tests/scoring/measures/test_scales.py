"""Bands, positions and scores: the numbers of the page, and the laws they obey."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import MIDPOINTS, Weights
from flatfield.scoring.measures.scales import (
    BANDS,
    KNOTS,
    absolute_position,
    blended,
    capped,
    letter_of,
    mean,
    relative_position,
    score_at,
)

ORDER = "SABCDF"
POSITIVE = st.floats(1e-6, 1e6)
EDGES = ((0.05, "S"), (0.20, "A"), (0.40, "B"), (0.60, "C"), (0.80, "D"), (1.0, "F"))


@pytest.mark.parametrize(
    ("score", "letter"),
    [(1, "S"), (0.95, "S"), (0.9499, "A"), (0.85, "A"), (0.84, "B"), (0.7, "B"), (0.69, "C"), (0.5, "C"), (0.49, "D")],
)
def test_bands(score: float, letter: str) -> None:
    assert letter_of(score) == letter


def test_low_scores_are_d_and_f() -> None:
    assert [letter_of(score) for score in (0.25, 0.2499, 0.0)] == ["D", "F", "F"]


def test_midpoints_are_the_middles_of_their_bands() -> None:
    tops = [1.0, *(least for _, least in BANDS)]
    for (letter, least), top in zip(BANDS, tops, strict=False):
        assert MIDPOINTS[letter] == pytest.approx((least + top) / 2)
        assert letter_of(MIDPOINTS[letter]) == letter


def test_knots_map_exactly() -> None:
    assert [score_at(position) for position, _ in KNOTS] == [1.0, 0.95, 0.85, 0.70, 0.50, 0.25, 0.0]


@given(st.floats(0, 1))
def test_the_letter_of_a_position_is_the_letter_of_its_score(position: float) -> None:
    place = round(position, 12)
    assert letter_of(score_at(position)) == next(letter for end, letter in EDGES if place <= end)


@given(st.floats(0, 1), st.floats(0, 1))
def test_scores_never_rise_with_position(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert score_at(low) >= score_at(high)


@pytest.mark.parametrize(("ratio", "letter"), [(1.0, "S"), (1.1, "S"), (1.5, "A"), (2.0, "B"), (3.0, "C"), (8.0, "F")])
def test_relative_letters_with_a_spread_of_eight_or_less(ratio: float, letter: str) -> None:
    position = relative_position(10 * ratio, 10.0, 40.0)
    assert position is not None
    assert letter_of(score_at(position)) == letter


def test_the_ends_of_a_wide_scale() -> None:
    assert relative_position(1.0, 1.0, 100.0) == 0.0
    assert relative_position(10.0, 1.0, 100.0) == 0.5
    assert relative_position(100.0, 1.0, 100.0) == 1.0
    assert relative_position(0.5, 1.0, 100.0) == 0.0
    assert relative_position(900.0, 1.0, 100.0) == 1.0


def test_nothing_is_best_and_beside_nothing_something_has_no_place() -> None:
    assert relative_position(0.0, 0.01, 1.0) == 0.0
    assert relative_position(0.0, 0.0, 0.0) == 0.0
    assert relative_position(0.001, 0.0, 0.0) is None
    assert relative_position(math.inf, 1.0, 2.0) == 1.0


@pytest.mark.parametrize(
    ("amount", "letter"),
    [
        (1, "S"),
        (20, "S"),
        (20.01, "A"),
        (40, "A"),
        (40.1, "B"),
        (80, "B"),
        (160, "C"),
        (320, "D"),
        (321, "F"),
        (0, "S"),
    ],
)
def test_absolute_letters_fall_with_each_doubling(amount: float, letter: str) -> None:
    assert letter_of(score_at(absolute_position(amount, 20.0))) == letter


def test_a_target_of_nothing_is_met_by_nothing_only() -> None:
    assert absolute_position(0.0, 0.0) == 0.0
    assert absolute_position(0.01, 0.0) == 1.0
    assert absolute_position(math.inf, 20.0) == 1.0


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_more_is_never_better(one: float, other: float, best: float, factor: float) -> None:
    low, high = sorted((one, other))
    worst = best * max(factor, 1.0)
    below, above = relative_position(low, best, worst), relative_position(high, best, worst)
    assert below is not None
    assert above is not None
    assert below <= above
    assert absolute_position(low, best) <= absolute_position(high, best)


@given(st.integers(1, 40), st.sampled_from([0.95, 0.85, 0.7, 0.5, 0.25]))
def test_a_mean_of_equal_scores_keeps_their_letter(n: int, score: float) -> None:
    assert letter_of(mean([score] * n)) == letter_of(score)


def test_overall_is_the_weighted_mean() -> None:
    blend = blended(0.9, 0.6, 0.4, Weights())
    assert blend == pytest.approx(0.7)
    assert capped(0.7, 0.9) == 0.7


def test_who_cannot_do_the_job_is_not_saved_by_being_fast_and_cheap() -> None:
    assert capped(0.72, 0.49) == 0.49
    assert capped(0.3, 0.49) == 0.3
    assert capped(0.72, 0.5) == 0.72


def test_a_weight_of_zero_needs_no_score_and_a_missing_one_leaves_no_overall() -> None:
    assert blended(0.9, 0.5, None, Weights()) is None
    assert blended(0.9, 0.5, None, Weights(performance=1, speed=1, cost=0)) == pytest.approx(0.7)
    assert blended(0.9, 0.5, 0.5, Weights(performance=0, speed=0, cost=0)) is None
