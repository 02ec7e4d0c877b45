"""Repeats and tasks needed: what is predicted is what a comparison then finds, four times in five."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.statistics.paired import paired
from flatfield.scoring.statistics.power import Spread, observed_spread, repeats_needed, separable, tasks_needed

spreads = st.builds(Spread, tasks=st.floats(0.0, 0.2), trials=st.floats(0.0, 0.25))


@given(tasks=st.integers(3, 40), repeats=st.integers(1, 50), spread=spreads)
def test_more_of_anything_separates_less(tasks: int, repeats: int, spread: Spread) -> None:
    now = separable(tasks, repeats, spread)
    more = separable(tasks, repeats + 1, spread), separable(tasks + 1, repeats, spread)
    assert now is not None
    assert all(each is not None and each <= now for each in more)


@given(difference=st.floats(0.05, 0.9), tasks=st.integers(1, 30), spread=spreads)
def test_what_is_needed_is_just_enough(difference: float, tasks: int, spread: Spread) -> None:
    needed = repeats_needed(difference, tasks, spread)
    if needed is None:
        found = separable(tasks, 1000, spread)
        assert found is not None
        assert found > difference
        return
    enough, less = separable(tasks, needed, spread), separable(tasks, needed - 1, spread) if needed > 1 else None
    assert enough is not None
    assert enough <= difference
    assert less is None or less > difference


def test_repeats_do_not_help_where_tasks_differ_but_tasks_do() -> None:
    spread = Spread(tasks=0.04, trials=0.05)
    assert repeats_needed(0.05, 6, spread) is None
    needed = tasks_needed(0.05, 3, spread)
    assert needed is not None
    assert 200 < needed < 400


def test_below_three_tasks_three_repeats_speak_of_these_tasks() -> None:
    assert separable(1, 2, Spread()) is None
    assert separable(2, 3, Spread(trials=0.24)) == pytest.approx((1.95996 + 0.84162) * (2 * 0.24 / 6) ** 0.5, abs=1e-4)


def test_the_predicted_difference_is_found_four_times_in_five() -> None:
    draw, spread, tasks, repeats = random.Random(3), Spread(tasks=0.01, trials=0.16), 12, 6
    difference = separable(tasks, repeats, spread)
    assert difference is not None

    def agent(rates: list[float]) -> list[float]:
        return [sum(draw.random() < rate for _ in range(repeats)) / repeats for rate in rates]

    found = 0
    for _ in range(300):
        centre = (1.0 - 0.36**0.5) / 2 + 0.0  # p with p(1 - p) = 0.16
        apart = [difference + draw.gauss(0.0, spread.tasks**0.5) for _ in range(tasks)]
        low = agent([centre] * tasks)
        high = agent([min(max(centre + each, 0.0), 1.0) for each in apart])
        found += paired(high, low, repeats).low > 0.0
    assert 0.72 < found / 300 < 0.93


def test_variances_are_observed_where_there_is_enough_of_them() -> None:
    assert observed_spread([]) == Spread()
    few = {"a": {"x": [0.0, 1.0]}}
    assert observed_spread([few]).trials_from == "assumed"
    draw = random.Random(1)
    rates = {"a": [0.5] * 30, "b": [0.2, 0.8] * 15}
    run = {
        agent: {f"t{n}": [float(draw.random() < rate) for _ in range(20)] for n, rate in enumerate(each)}
        for agent, each in rates.items()
    }
    found = observed_spread([run])
    assert found.trials == pytest.approx((0.25 + 0.16) / 2, abs=0.02)
    assert found.tasks == pytest.approx(0.09, abs=0.03)
    assert (found.tasks_from, found.trials_from) == ("observed, 1 pair of agents", "observed, 1200 trials")
