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
    gaffke,
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
        (5, 5, 0.5493, 1.0),
        (0, 5, 0.0, 0.4507),
        (3, 10, 0.0667, 0.6525),
        (1, 2, 0.0126, 0.9874),
        (8, 10, 0.4439, 0.9748),
    ],
)
def test_clopper_pearson_as_tabulated(successes: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_fewer_than_three_give_no_interval() -> None:
    assert mean_interval([1.0, 0.0], "trials") is None
    assert ratio_interval([1.0, 2.0], [1.0, 1.0]) is None


def test_pass_fail_gets_clopper_pearson_and_says_so() -> None:
    found = mean_interval([1.0] * 5, "trials")
    assert found is not None
    assert (round(found.low, 4), found.high, found.method) == (0.5493, 1.0, "Clopper–Pearson on 5 trials, one-sided")
    mixed = mean_interval([1.0, 1.0, 0.0], "tasks")
    assert mixed is not None
    assert mixed.method == "Clopper–Pearson on 3 tasks"


@pytest.mark.parametrize("n", [3, 4, 5, 8, 10, 13, 20])
def test_clopper_pearson_covers_everywhere_as_stated(n: int) -> None:
    for truth in (step / 500 for step in range(501)):
        held = 0.0
        for passed in range(n + 1):
            low, high = clopper_pearson(passed, n)
            chance = math.comb(n, passed) * truth**passed * (1 - truth) ** (n - passed)
            held += chance if low <= truth <= high else 0.0
        assert held > 0.925


@pytest.mark.parametrize(("passed", "n"), [(1, 4), (3, 5), (9, 10)])
def test_gaffkes_bound_of_passes_is_clopper_pearson(passed: int, n: int) -> None:
    values = [1.0] * passed + [0.0] * (n - passed)
    assert gaffke(values) == pytest.approx(clopper_pearson(passed, n), abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=8))
def test_gaffkes_bound_holds_the_mean_mirrors_and_knows_no_order(values: list[float]) -> None:
    low, high = gaffke(values)
    assert 0.0 <= low <= sum(values) / len(values) + 1e-9
    assert sum(values) / len(values) - 1e-9 <= high <= 1.0
    assert gaffke(values[::-1]) == (low, high)
    mirrored = gaffke([1.0 - value for value in values])
    assert mirrored == pytest.approx((1.0 - high, 1.0 - low), abs=1e-9)


@given(st.lists(st.floats(0, 0.9), min_size=3, max_size=6), st.floats(0, 0.1))
def test_better_scores_never_have_worse_ends(values: list[float], more: float) -> None:
    better = gaffke([value + more for value in values])
    assert all(after >= before - 1e-9 for before, after in zip(gaffke(values), better, strict=True))


def test_scores_near_one_are_not_surely_there() -> None:
    found = mean_interval([0.99, 0.98, 0.99, 0.99, 0.98], "tasks")
    assert found is not None
    assert found.method == "Gaffke on 5 tasks"
    assert found.low < 0.6
    assert found.high > 0.99


def test_equal_scores_are_not_certain() -> None:
    found = mean_interval([0.6, 0.6, 0.6], "tasks")
    assert found is not None
    assert found.low < 0.2
    assert found.high > 0.85


def test_gaffke_covers_skewed_scores_where_t_does_not() -> None:
    generator = random.Random(4)
    held = 0
    for _ in range(300):
        low, high = gaffke([generator.betavariate(4.9, 0.1) for _ in range(5)])
        held += low <= 0.98 <= high
    assert held >= 0.93 * 300


def test_a_ratio_is_as_uncertain_as_its_parts() -> None:
    found = ratio_interval([8.0, 10.0, 12.0], [1.0, 1.0, 1.0])
    factor = math.exp(4.302653 * 2.0 / math.sqrt(3) / 10)
    assert found == pytest.approx((10 / factor, 10 * factor / 0.05 ** (1 / 3)), rel=1e-5)


def test_more_trials_narrow_a_ratio() -> None:
    few, many = ratio_interval([9.0, 10.0, 11.0], [1.0] * 3), ratio_interval([9.0, 10.0, 11.0] * 10, [1.0] * 30)
    assert few is not None
    assert many is not None
    assert few[0] < many[0] < 10.0 < many[1] < few[1]


def test_what_costs_nothing_is_exact_and_what_did_nothing_is_open() -> None:
    assert ratio_interval([0.0, 0.0, 0.0], [1.0, 0.0, 1.0]) == (0.0, 0.0)
    found = ratio_interval([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    assert found is not None
    assert found[1] == math.inf
