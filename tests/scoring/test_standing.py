"""Who stands above whom: who does the job, then averages, and never what is not measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.records import Cell, Grade, ScaleGrade, Scorecard
from flatfield.scoring.standing import best_first, did_as_well, known, surely_able

NAMES = "abcd"
SCORES = st.sampled_from([0.0, 0.5, 1.0])
CELLS = st.lists(st.tuples(SCORES, st.integers(0, 2)), min_size=3, max_size=3)
"""Of one agent on three tasks of two trials: its mean score, and how many are measured."""


def card(agent: str, performance: float, overall: float | None = None) -> Scorecard:
    blend = Grade() if overall is None else Grade(score=overall)
    return Scorecard(
        agent=agent, control=False, performance=Grade(score=performance), speed=Grade(), cost=Grade(), overall=blend
    )


def cell(agent: str, task: str, score: float, n: int, planned: int = 2) -> Cell:
    return Cell(
        agent=agent,
        task=task,
        planned=planned,
        n=n,
        performance=Grade(score=score) if n else Grade(),
        speed=ScaleGrade(),
        cost=ScaleGrade(),
        overall=Grade(),
    )


def test_who_does_the_job_stands_first() -> None:
    cards = [card("quick", 0.49, 0.49), card("able", 0.5, 0.3), card("none", 0.9)]
    assert best_first(cards, known(["quick", "able", "none"], ())) == ("able", "quick")


def test_what_is_missing_counts_as_failed_against_who_lacks_less() -> None:
    cells = [
        cell("whole", "t", 1.0, 2),
        cell("whole", "u", 0.0, 2),
        cell("lost", "t", 1.0, 2),
        cell("lost", "u", 0.0, 0),
        cell("other", "t", 0.5, 2),
        cell("other", "u", 1.0, 2),
    ]
    state = known(["whole", "lost", "other"], cells)
    assert (state["lost"].gap, state["lost"].tasks) == (0.5, ("u",))
    assert did_as_well(state["whole"], state["lost"])
    assert not did_as_well(state["lost"], state["whole"])
    assert not did_as_well(state["other"], state["lost"])
    cards = [card("whole", 0.5, 0.5), card("lost", 1.0, 1.0), card("other", 0.75, 0.7)]
    assert best_first(cards, state) == ("other", "whole", "lost")


def test_tasks_on_which_nobody_was_measured_are_nobodys_gap() -> None:
    state = known(
        ["a", "b"], [cell("a", "t", 1.0, 2), cell("b", "t", 1.0, 2), cell("a", "u", 0, 0), cell("b", "u", 0, 0)]
    )
    assert [one.gap for one in state.values()] == pytest.approx([0.0, 0.0])


@given(st.lists(CELLS, min_size=2, max_size=4))
def test_nobody_with_gaps_stands_above_one_that_did_as_well(drawn: list[list[tuple[float, int]]]) -> None:
    agents = dict(zip(NAMES, drawn, strict=False))
    cells = [cell(a, f"t{t}", score, n) for a, own in agents.items() for t, (score, n) in enumerate(own)]
    cards = []
    for agent, own in agents.items():
        measured = [score for score, n in own if n] or [0.0]
        average = sum(measured) / len(measured)
        cards.append(card(agent, average, average))
    state = known(agents, cells)
    order = best_first(cards, state)
    assert sorted(order) == sorted(agents)
    for place, agent in enumerate(order):
        assert not any(did_as_well(state[later], state[agent]) for later in order[place + 1 :])


def unchecked(agent: str, score: float, down: float, up: float) -> Cell:
    return structs.replace(cell(agent, "t", score, 2), down=down, up=up)


def test_a_check_that_is_missing_counts_as_a_missing_part_of_its_trial() -> None:
    state = known(["whole", "lost"], [cell("whole", "t", 0.5, 2), unchecked("lost", 0.9, 0.5, 0.1)])
    assert [state["lost"].gap, state["lost"].least["t"]] == pytest.approx([0.6, 0.4])
    assert best_first([card("whole", 0.5, 0.5), card("lost", 0.9, 0.9)], state) == ("whole", "lost")
    better = known(["whole", "lost"], [cell("whole", "t", 0.3, 2), unchecked("lost", 0.9, 0.5, 0.1)])
    assert best_first([card("whole", 0.5, 0.5), card("lost", 0.9, 0.9)], better) == ("lost", "whole")


def test_the_same_failing_work_stands_before_the_one_that_was_not_checked() -> None:
    """One half was right; of `lost` the other half was not looked at, so that it seems to do the job."""
    state = known(["whole", "lost"], [cell("whole", "t", 0.475, 2), unchecked("lost", 0.94, 0.465, 0.06)])
    cards = [card("whole", 0.475, 0.475), card("lost", 0.94, 0.94)]
    assert surely_able(cards, state) == frozenset()
    assert best_first(cards, state) == ("whole", "lost")


def test_only_who_is_in_question_is_in_the_order() -> None:
    cards = [card("a", 1.0, 0.9), card("b", 1.0, 0.8)]
    assert best_first(cards, known(["b"], [cell("a", "t", 1.0, 2), cell("b", "t", 1.0, 2)])) == ("b",)
