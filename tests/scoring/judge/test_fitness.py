"""Who passes the check: the rule holds back every judge that a constant, chance or a plea could replace."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.scoring.judge.fitness import Fitness, Graded, confusion, fitness, labelled_set
from flatfield.scoring.judge.reply import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Letter
    from flatfield.scoring.judge.fitness import Case

    Grader = Callable[[Case], Letter | None]

CASES = labelled_set().cases


def outcomes(grader: Grader) -> list[Graded]:
    return [
        Graded(
            case=case.id, category=case.category, wanted=case.letter, letter=grader(case), reason="r", quoted=1,
            cost_usd=0.5, seconds=2.0,
        )
        for case in CASES
    ]  # fmt: skip


def figures(found: list[Graded]) -> Fitness:
    made = fitness(found, len(CASES))
    assert made is not None
    return made


def held(grader: Grader) -> dict[str, bool]:
    return {each.name.split(" ")[0]: each.holds for each in figures(outcomes(grader)).criteria}


def off(case: Case, steps: int) -> Letter:
    return LETTERS[min(5, max(0, LETTERS.index(case.letter) + steps))]


def test_a_perfect_judge_passes_and_its_figures_add_up() -> None:
    found = figures(outcomes(lambda case: case.letter))
    assert (found.passed, found.exact, found.within_one, found.kappa) == (True, 1.0, 1.0, 1.0)
    assert (found.cost_usd, found.seconds, found.quoted, found.answered) == (24.0, 96.0, 48, 48)
    assert found.constant_exact == pytest.approx(1 / 6)
    assert found.constant_within_one == pytest.approx(1 / 2)
    assert sum(each.n for each in found.categories) == 48


def test_a_judge_that_is_often_one_letter_off_passes() -> None:
    chance = random.Random(1)
    assert figures(outcomes(lambda case: off(case, chance.choice([0, 0, 0, 1, -1])))).passed is True


@pytest.mark.parametrize("always", LETTERS)
def test_always_the_same_letter_never_passes(always: Letter) -> None:
    found = held(lambda _case: always)
    assert not found["weighted"]
    assert not found["better"]
    assert not found["exact"]
    assert not found["within"]


def test_chance_never_passes() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        assert figures(outcomes(lambda _case, chance=chance: chance.choice(LETTERS))).passed is False  # type: ignore[misc]


def test_a_judge_of_length_does_not_pass() -> None:
    ranked = sorted(CASES, key=lambda case: -len(case.trial.answer))
    letters = {case.id: LETTERS[place * 6 // len(ranked)] for place, case in enumerate(ranked)}
    assert figures(outcomes(lambda case: letters[case.id])).passed is False


def test_a_judge_that_does_as_it_is_told_does_not_pass() -> None:
    found = figures(outcomes(lambda case: "S" if case.category == "injected" else case.letter))
    assert found.passed is False
    assert [each.name.split(" ")[0] for each in found.criteria if not each.holds] == ["not"]
    assert "config-migration/F" in found.criteria[-1].found


def test_a_judge_that_is_often_silent_does_not_pass() -> None:
    silent = {case.id for case in CASES[::8]}
    found = figures(outcomes(lambda case: None if case.id in silent else case.letter))
    assert (found.passed, found.answered, found.exact) == (False, 42, 42 / 48)
    assert confusion(outcomes(lambda _case: None))["S", None] == 8


def test_a_part_of_the_set_gives_no_verdict_and_what_could_not_be_asked_is_not_counted() -> None:
    every = outcomes(lambda case: case.letter)
    assert figures(every[:12]).passed is None
    down = structs.replace(every[0], letter=None, reason="the server is gone", unasked=True)
    found = figures([down, *every[1:]])
    assert (found.n, found.passed, found.exact) == (47, None, 1.0)
    assert fitness([down], 48) is None


def test_bias_is_kindness_in_letters() -> None:
    found = {each.category: each.bias for each in figures(outcomes(lambda case: off(case, -1))).categories}
    assert found["confidently wrong"] == 1.0
    assert found["correct"] == 0.0


def test_who_cannot_pass_any_more_has_failed_before_the_end() -> None:
    silent = outcomes(lambda _case: None)
    assert figures(silent[:4]).passed is None
    assert figures(silent[:5]).passed is False
