"""Quantiles against published tables, and the rules of the intervals."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.statistics.intervals import (
    beta_cdf,
    beta_quantile,
    clopper_pearson,
    mean_interval,
    ratio_interval,
    t_quantile,
)


@pytest.mark.parametrize(
    ("freedom", "p", "value"),
    [(1, 0.975, 12.7062), (2, 0.975, 4.30265), (4, 0.975, 2.77645), (10, 0.975, 2.22814), (30, 0.975, 2.04227),
     (120, 0.975, 1.97993), (5, 0.95, 2.01505), (9, 0.995, 3.24984)],
)  # fmt: skip
def test_t_quantiles_as_tabulated(freedom: int, p: float, value: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(value, abs=6e-6 * value)


def test_beta_distribution_in_closed_form() -> None:
    assert beta_cdf(0.3, 1.0, 1.0) == pytest.approx(0.3)
    assert beta_cdf(0.5, 4.0, 4.0) == pytest.approx(0.5)
    assert beta_cdf(0.2, 2.0, 3.0) == pytest.approx(0.1808)
    assert beta_quantile(0.025, 5.0, 1.0) == pytest.approx(0.025**0.2, rel=1e-12)
    assert (beta_cdf(0.0, 2.0, 2.0), beta_cdf(1.0, 2.0, 2.0)) == (0.0, 1.0)


@given(st.floats(0.001, 0.999), st.floats(0.5, 200), st.floats(0.5, 200))
def test_quantile_inverts_the_distribution(p: float, a: float, b: float) -> None:
    assert beta_cdf(beta_quantile(p, a, b), a, b) == pytest.approx(p, abs=1e-9)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (5, 5, 0.4782, 1.0),
        (0, 5, 0.0, 0.5218),
        (3, 10, 0.0667, 0.6525),
        (1, 2, 0.0126, 0.9874),
        (8, 10, 0.4439, 0.9748),
    ],
)
def test_clopper_pearson_as_tabulated(successes: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_fewer_than_three_give_no_interval() -> None:
    assert mean_interval([1.0, 0.0], "trials", pass_fail=True) is None
    assert ratio_interval([1.0, 2.0], [1.0, 1.0]) is None


def test_pass_fail_gets_clopper_pearson_and_says_so() -> None:
    found = mean_interval([1.0] * 5, "trials", pass_fail=True)
    assert found is not None
    assert (round(found.low, 4), found.high, found.method) == (0.4782, 1.0, "Clopper–Pearson on 5 trials")


def test_scores_get_a_t_interval() -> None:
    found = mean_interval([0.4, 0.5, 0.6], "tasks", pass_fail=False)
    assert found is not None
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    assert found.method == "t interval on 3 tasks"


def test_a_t_interval_stays_inside_what_a_score_can_be() -> None:
    found = mean_interval([1.0, 0.9, 0.2], "tasks", pass_fail=False)
    assert found is not None
    assert (found.low, found.high) == (0.0, 1.0)


def test_equal_scores_are_not_certain() -> None:
    found = mean_interval([0.6, 0.6, 0.6], "tasks", pass_fail=False)
    assert found is not None
    assert found.low < 0.2
    assert found.high > 0.9


def test_ratio_interval_of_constant_work_is_the_t_interval() -> None:
    found = ratio_interval([8.0, 10.0, 12.0], [1.0, 1.0, 1.0])
    half = 4.302653 * 2.0 / math.sqrt(3)
    assert found == pytest.approx((10 - half, 10 + half), abs=1e-5)


def test_ratio_interval_is_exact_when_amounts_follow_work() -> None:
    assert ratio_interval([1.0, 2.0, 3.0], [0.2, 0.4, 0.6]) == pytest.approx((5.0, 5.0))


def test_clopper_pearson_covers_the_truth_at_least_as_often_as_it_says() -> None:
    generator = random.Random(1)
    for truth in (0.1, 0.5, 0.8):
        hits = 0
        for _ in range(300):
            low, high = clopper_pearson(sum(generator.random() < truth for _ in range(12)), 12)
            hits += low <= truth <= high
        assert hits >= 0.93 * 300
