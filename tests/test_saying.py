"""How amounts and many names are said."""

from __future__ import annotations

import pytest

from flatfield.saying import few, rounded, written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4, "1 s"), (89.4, "89 s"), (90.0, "2 min"), (5399.0, "1 h 30 min"), (7800.0, "2 h 10 min"),
        (600_000.0, "6 days 23 h"), (1e8, "1,157 days"),
    ],
)  # fmt: skip
def test_a_prediction_is_no_more_exact_than_it_is(value: float, text: str) -> None:
    assert rounded(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (5.0, "5"), (0.00001, "0.00001"), (1_000_000.0, "1,000,000"), (12_345_678.5, "12,345,678.5")],
)
def test_a_number_that_was_chosen_is_written_without_an_exponent(value: float, text: str) -> None:
    assert written(value) == text


def test_of_many_names_a_few_are_said_and_how_many_more_there_are() -> None:
    names = [f"a{number}" for number in range(42)]
    assert few(names) == "a0, a1, a2, a3, a4, a5 and 36 more"
    assert few(names[:7]) == "a0, a1, a2, a3, a4, a5, a6"
    assert few(names[:8]) == "a0, a1, a2, a3, a4, a5 and 2 more"
    assert few(names[:5], 3, "; ") == "a0; a1; a2 and 2 more"
    assert few([]) == ""
