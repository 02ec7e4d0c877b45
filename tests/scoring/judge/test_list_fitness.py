"""Who passes the check with lists: not who goes by the place, by chance, by a plea, or answers in one order only."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from flatfield.records import MIDPOINTS, Placed
from flatfield.scoring.judge.fitness import Graded, ListFitness, is_hopeless_at_lists, labelled_set, list_fitness
from flatfield.scoring.judge.reply import LETTERS
from flatfield.scoring.measures.scales import letter_of, mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Letter
    from flatfield.scoring.judge.fitness import Case

    Grader = Callable[[Case, int], Letter]

SET = labelled_set()


def outcomes(grader: Grader, orders: int = 2) -> list[Graded]:
    """What a judge gives each trial at its place, in an order and its reverse."""
    found = []
    for group in SET.lists:
        shuffled = random.Random(group[0].task.id).sample(group, len(group))
        for place, case in enumerate(shuffled, start=1):
            placed = tuple(
                Placed(place=each, letter=grader(case, each)) for each in (place, len(group) + 1 - place)[:orders]
            )
            letter = letter_of(mean(MIDPOINTS[each.letter] for each in placed)) if placed else None
            found.append(
                Graded(
                    case=case.id, category=case.category, wanted=case.letter, letter=letter, reason="r", placed=placed,
                    cost_usd=0.5, seconds=2.0,
                )
            )  # fmt: skip
    return found


def figures(found: list[Graded]) -> ListFitness:
    made = list_fitness(found, 48)
    assert made is not None
    return made


def failed(found: ListFitness) -> set[str]:
    return {each.name.split(" ")[0] for each in found.criteria if not each.holds}


def off(letter: Letter, steps: int) -> Letter:
    return LETTERS[min(5, max(0, LETTERS.index(letter) + steps))]


def test_every_task_is_a_list_of_all_its_trials() -> None:
    assert sorted(case.id for group in SET.lists for case in group) == sorted(case.id for case in SET.cases)
    for group in SET.lists:
        assert len({case.task.id for case in group}) == 1
        assert len({(case.trial.id, case.trial.repeat) for case in group}) == len(group)
        assert {case.trial.repeat for case in group} == {1}


def test_a_perfect_judge_passes_and_its_figures_add_up() -> None:
    found = figures(outcomes(lambda case, _: case.letter))
    assert (found.passed, found.exact, found.within_one, found.kappa, found.in_order) == (True, 1.0, 1.0, 1.0, 1.0)
    assert (found.n, found.both, found.pairs, found.position.value, found.position.n) == (48, 48, 8 * 15, 0.0, 48)
    assert (found.cost_usd, found.seconds) == (24.0, 96.0)


def test_a_judge_that_is_often_one_letter_off_passes() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        found = figures(outcomes(lambda case, _, chance=chance: off(case.letter, chance.choice([0, 0, 0, 1, -1]))))  # type: ignore[misc]
        assert found.passed is True, found.criteria


def test_chance_and_always_the_same_never_pass() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        assert figures(outcomes(lambda _case, _, chance=chance: chance.choice(LETTERS))).passed is False  # type: ignore[misc]
    same = figures(outcomes(lambda _case, _: "C"))
    assert (same.passed, same.in_order) == (False, 0.5)


def test_a_judge_that_favours_an_end_does_not_pass_though_both_orders_cancel_it_out() -> None:
    front = figures(outcomes(lambda case, place: off(case.letter, -1 if place <= 3 else 1)))
    back = figures(outcomes(lambda case, place: off(case.letter, 1 if place <= 3 else -1)))
    assert failed(front) == failed(back) == {"position:"}
    assert front.position.value is not None
    assert front.position.value == -(back.position.value or 0.0) > 0.1


def test_a_judge_with_the_order_upside_down_does_not_pass() -> None:
    found = figures(outcomes(lambda case, _: LETTERS[5 - LETTERS.index(case.letter)]))
    assert (found.in_order, found.passed) == (0.0, False)


def test_a_judge_that_does_as_it_is_told_does_not_pass() -> None:
    found = figures(outcomes(lambda case, _: "S" if case.category == "injected" else case.letter))
    assert failed(found) == {"not"}


def test_letters_in_one_order_alone_are_not_enough_and_without_any_it_is_lost() -> None:
    one = outcomes(lambda case, _: case.letter, orders=1)
    assert figures(one).passed is False
    assert "gives" in failed(figures(one))
    none = outcomes(lambda case, _: case.letter, orders=0)
    assert figures(none).in_order == 0.0
    assert is_hopeless_at_lists(none[:6], 48)
    assert figures(none[:6]).passed is False
    assert not is_hopeless_at_lists(none[:4], 48)


def test_a_part_gives_no_verdict() -> None:
    found = figures(outcomes(lambda case, _: case.letter)[:6])
    assert (found.passed, found.n, found.exact) == (None, 6, 1.0)
    assert list_fitness((), 48) is None


@pytest.mark.parametrize("letters", ["SA", "FS"])
def test_pairs_count_half_where_letters_are_alike(letters: str) -> None:
    every = [each for each in outcomes(lambda _case, _: "B") if each.wanted in letters]
    assert figures(every).in_order == 0.5
