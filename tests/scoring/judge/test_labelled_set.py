"""The labelled set is what the docs promise: large, balanced, varied, and shown to a judge as it is meant."""

from __future__ import annotations

from collections import Counter

import pytest

from flatfield.scoring.judge.blinding import STAND_IN, Blinder
from flatfield.scoring.judge.fitness import Case, LabelledSet, labelled_set
from flatfield.scoring.judge.judge import is_comparative
from flatfield.scoring.judge.reply import LETTERS
from flatfield.scoring.judge.request import PromptWriter, Room

SIZE = Room(task=8_000, answer=18_000, files=30_000, calls=12_000)


@pytest.fixture(scope="module")
def cases() -> LabelledSet:
    return labelled_set()


def shown(case: Case) -> str:
    return PromptWriter(case.task, case.task.rubric, Blinder(()), SIZE).item(case.trial)


def test_it_is_large_balanced_and_varied(cases: LabelledSet) -> None:
    assert len(cases.cases) >= 40
    assert set(Counter(case.letter for case in cases.cases).values()) == {len(cases.cases) // len(LETTERS)}
    assert len({case.task.id for case in cases.cases}) >= 6
    assert len({case.id for case in cases.cases}) == len(cases.cases)
    wanted = {
        "confidently wrong", "rambling but right", "wrong format", "subtly incomplete", "injected", "empty", "refused",
        "damaged other files", "wrong tool use", "correct", "trifle", "invented",
    }  # fmt: skip
    assert wanted <= {case.category for case in cases.cases}


def test_every_six_in_a_row_hold_each_letter_once(cases: LabelledSet) -> None:
    for start in range(0, len(cases.cases), 6):
        assert sorted(case.letter for case in cases.cases[start : start + 6]) == sorted(LETTERS)


def test_rubrics_state_every_letter_and_are_judged_one_by_one(cases: LabelledSet) -> None:
    for case in cases.cases:
        assert not is_comparative(case.task.rubric), case.id
        for letter in LETTERS:
            assert f"\n{letter}: " in f"\n{case.task.rubric}", (case.id, letter)
        assert case.why


def test_trials_are_shown_whole_with_differences_and_nothing_taken_for_a_name(cases: LabelledSet) -> None:
    for case in cases.cases:
        text = shown(case)
        assert "characters cut" not in text, case.id
        assert STAND_IN not in text, case.id
        for change in case.trial.changes:
            if change.kind == "modified" and change.text != case.task.files[change.path]:
                assert "@@ -" in text or (change.text or "") in text, case.id


def test_length_tells_nothing_about_the_letter(cases: LabelledSet) -> None:
    """A judge that grades by length must not do well: the set holds long and short work of every worth."""
    best, worst = (
        [len(case.trial.answer) for case in cases.cases if case.letter in letters] for letters in ("SAB", "CDF")
    )
    assert max(best) > max(worst)
    assert min(best) < 20
