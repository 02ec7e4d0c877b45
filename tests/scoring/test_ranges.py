"""A range holds its estimate, and joins what its parts say."""

from __future__ import annotations

from flatfield.records import Grade, Interval, Weights
from flatfield.scoring.ranges import joint_ends, ranged


def graded(score: float, low: float, high: float) -> Grade:
    return Grade(score=score, n=3, interval=Interval(low=low, high=high, method=""))


def test_an_interval_is_widened_to_its_estimate() -> None:
    found = ranged(Grade(score=1.0, letter="S", n=5, note="x"), (0.72, 0.99), (0.5, 0.9))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.72, 1.0)
    assert (found.at_worst, found.at_best, found.letter, found.note, found.n) == ("B", "S", "S", "x", 5)
    assert found.next_interval is not None
    assert (found.next_interval.low, found.next_interval.high) == (0.5, 1.0)


def test_what_has_no_score_has_no_range() -> None:
    nothing = Grade(note="not measured")
    assert ranged(nothing, (0.0, 1.0)) is nothing
    known = Grade(score=0.5)
    assert ranged(known, None) is known


def test_a_cells_overall_joins_the_ends_and_is_capped() -> None:
    parts = graded(0.8, 0.4, 1.0), graded(0.9, 0.8, 1.0), graded(0.7, 0.6, 0.8)
    assert joint_ends(*parts, Weights()) == (0.4, 0.95)
    unpriced = Grade(lacks="price")
    assert joint_ends(graded(0.3, 0.2, 0.4), parts[1], unpriced, Weights()) == (0.2, 0.4)
    assert joint_ends(Grade(score=0.5), parts[1], parts[2], Weights()) is None
