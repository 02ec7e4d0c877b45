"""Ranks as ranges, from resampled ranks."""

from __future__ import annotations

from flatfield.scoring.statistics.paired import Estimate
from flatfield.scoring.statistics.ranks import Contender, rank_ranges


def contender(*tasks: float, width: float = 0.3, repeats: float = 5) -> Contender:
    value = sum(tasks) / len(tasks)
    return Contender(
        estimate=Estimate(value=value, low=value - width, high=value + width), tasks=tasks, repeats=repeats
    )


def test_tasks_that_are_hard_for_all_cost_nobody_a_place() -> None:
    base = (0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6)
    ahead, behind = contender(*(score + 0.1 for score in base), repeats=30), contender(*base, repeats=30)
    assert rank_ranges([behind, ahead]) == [(2, 2), (1, 1)]
    apart = contender(*reversed([score + 0.1 for score in base]), repeats=30)
    assert rank_ranges([behind, apart]) == [(1, 2), (1, 2)]


def test_equals_share_their_ranks() -> None:
    assert rank_ranges([contender(1.0, 1.0, 1.0)] * 3) == [(1, 3)] * 3


def test_one_without_an_interval_may_be_anywhere_and_ahead_of_anybody() -> None:
    sure = Estimate(value=0.9, low=0.9, high=0.9)
    poor = Estimate(value=0.1, low=0.1, high=0.1)
    assert rank_ranges([Contender(estimate=sure), Contender(estimate=None), Contender(estimate=poor)]) == [
        (1, 2),
        (1, 3),
        (2, 3),
    ]
    assert rank_ranges([Contender(estimate=None)] * 2) == [(1, 2)] * 2
    assert rank_ranges([]) == []


def test_without_common_tasks_the_agents_own_intervals_are_drawn_from() -> None:
    wide = [Contender(estimate=Estimate(value=v, low=v - 0.3, high=v + 0.1)) for v in (0.8, 0.6)]
    tight = [Contender(estimate=Estimate(value=v, low=v - 0.02, high=v + 0.02)) for v in (0.8, 0.6)]
    assert rank_ranges(wide) == [(1, 2), (1, 2)]
    assert rank_ranges(tight) == [(1, 1), (2, 2)]


def test_the_same_records_give_the_same_ranges() -> None:
    field = [contender(0.1, 0.5, 0.9, 0.3), contender(0.2, 0.6, 0.7, 0.4), contender(0.3, 0.3, 0.3, 0.5)]
    assert rank_ranges(field) == rank_ranges(field)


def test_trials_that_are_not_measured_widen_a_range() -> None:
    sure, behind = Estimate(value=0.9, low=0.9, high=0.9), Estimate(value=0.7, low=0.7, high=0.7)
    assert rank_ranges([Contender(estimate=sure), Contender(estimate=behind)]) == [(1, 1), (2, 2)]
    assert rank_ranges([Contender(estimate=sure, gap=0.5), Contender(estimate=behind)]) == [(1, 2), (1, 2)]
