"""A reply that repeats itself without end is told from one that only repeats a little."""

from __future__ import annotations

import random

import pytest

from flatfield.http.replies import LONGEST_UNIT_CHARACTERS, REPEATED_CHARACTERS, Repetition


def heard(text: str, piece: int = 7) -> bool:
    repetition = Repetition()
    for start in range(0, len(text), piece):
        repetition.hear(text[start : start + piece])
    return repetition.found


@pytest.mark.parametrize("unit", ["a", "no ", "I will read the file again.\n", "x" * LONGEST_UNIT_CHARACTERS])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_the_same_over_and_over_is_found(unit: str, piece: int) -> None:
    assert heard("Well: " + unit * (3 * REPEATED_CHARACTERS // len(unit)), piece)


def test_what_ends_in_time_or_differs_is_not() -> None:
    assert not heard("no " * (REPEATED_CHARACTERS // 3 - 200))
    assert not heard("".join(f"line {number}\n" for number in range(5000)))
    words = random.Random(1).choices(["red", "blue", "green", "\n"], k=20_000)
    assert not heard(" ".join(words))
    assert not heard(("y" * (LONGEST_UNIT_CHARACTERS + 50) + "z") * 100)
