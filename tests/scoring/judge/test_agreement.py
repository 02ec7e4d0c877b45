"""Agreement, against published worked examples and numbers that other libraries computed once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.judge.reliability import (
    at_least,
    difference_interval,
    kappa_interval,
    kappa_p,
    ordinal_alpha,
    spearman,
    spearman_interval,
    weighted_kappa,
)

FORTY = [
    (4, 3), (2, 1), (5, 4), (2, 1), (5, 5), (5, 5), (5, 4), (4, 4), (0, 1), (3, 4), (1, 0), (5, 4), (0, 1), (1, 0),
    (0, 0), (2, 2), (3, 1), (1, 1), (3, 3), (4, 3), (0, 0), (4, 4), (1, 0), (0, 0), (5, 5), (1, 1), (3, 3), (2, 0),
    (1, 1), (3, 4), (1, 2), (0, 0), (1, 0), (4, 4), (4, 4), (3, 3), (1, 1), (1, 2), (0, 0), (0, 0),
]  # fmt: skip
GRADES = st.integers(0, 5)


def test_weighted_kappa_is_that_of_scikit_learn() -> None:
    assert weighted_kappa(FORTY) == pytest.approx(0.8985801217038539)


@given(st.lists(st.tuples(GRADES, GRADES), min_size=1, max_size=30))
def test_weighted_kappa_knows_no_first_and_second(pairs: list[tuple[int, int]]) -> None:
    value = weighted_kappa(pairs)
    assert value == weighted_kappa([(b, a) for a, b in pairs])
    assert value is None or -1.0 <= value <= 1.0


@pytest.mark.parametrize(("pairs", "value"), [([], None), ([(2, 2), (2, 2)], None), ([(0, 0), (5, 5)], 1.0)])
def test_the_ends_of_weighted_kappa(pairs: list[tuple[int, int]], value: float | None) -> None:
    assert weighted_kappa(pairs) == value


def test_krippendorffs_own_example_with_missing_data() -> None:
    """Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units; ordinal .815."""
    rows = ["1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."]
    observers = [[None if cell == "." else int(cell) for cell in row.split()] for row in rows]
    assert ordinal_alpha(list(zip(*observers, strict=True))) == pytest.approx(0.815, abs=0.0005)


def test_alpha_is_that_of_another_library() -> None:
    first, second = [a for a, _ in FORTY], [b for _, b in FORTY]
    third = [None if place % 3 else grade for place, grade in enumerate(first[12:24])]
    units = list(zip(first[:12], second[:12], third, strict=True))
    assert ordinal_alpha(units) == pytest.approx(0.7212352724594993)


@pytest.mark.parametrize("units", [[], [[3]], [[3, None]], [[3, 3], [3, 3]]])
def test_alpha_is_not_defined_without_pairs_or_without_variety(units: list[list[int | None]]) -> None:
    assert ordinal_alpha(units) is None


def test_spearman_with_ties_is_that_of_scipy() -> None:
    x, y = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4]
    assert spearman(list(zip(x, y, strict=True))) == pytest.approx(0.1384567651467695)
    assert spearman([(1, 2), (2, 3)]) is None
    assert spearman([(1, 2), (2, 2), (3, 2)]) is None


def test_spearmans_interval_holds_it_and_narrows_with_n() -> None:
    assert spearman_interval(0.5, 9) is None
    few, many = spearman_interval(0.5, 12), spearman_interval(0.5, 120)
    assert few is not None
    assert many is not None
    assert few.low < many.low < 0.5 < many.high < few.high


def test_kappas_interval_and_p_tell_agreement_from_chance() -> None:
    interval = kappa_interval(FORTY)
    assert interval is not None
    assert 0.8 < interval.low < 0.8986 < interval.high < 0.96
    assert kappa_p(FORTY) == pytest.approx(1 / 2001)
    chance = random.Random(3)
    luck = [(chance.randrange(6), chance.randrange(6)) for _ in range(48)]
    assert kappa_p(luck) > 0.05
    assert kappa_interval(FORTY[:9]) is None
    assert kappa_p([(1, 1)] * 20) == 1.0


def test_the_binomial_tail_is_that_of_scipy() -> None:
    assert at_least(15, 48, 1 / 6) == pytest.approx(0.009323623898829984)
    assert at_least(0, 48, 1 / 6) == pytest.approx(1.0)


def test_a_difference_is_taken_within_groups() -> None:
    """Easy and hard task: over both, the first side looks worse only because it did the hard one more often."""
    found = difference_interval([([0.9] * 3, [0.8] * 9), ([0.3] * 9, [0.2] * 3), ([], [0.5])])
    assert found is not None
    assert found[0] == pytest.approx(0.1)
    assert found[1] is not None
    assert (found[1].low, found[1].high) == pytest.approx((0.1, 0.1))
    assert difference_interval([([0.5], [])]) is None
    assert difference_interval([([0.5], [0.25])]) == (0.25, None)
