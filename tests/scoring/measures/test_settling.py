"""What a verifier's own trouble says, by what the same check did on other trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import Check, TrialRecord, Trouble
from flatfield.scoring.measures.performance import settled
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeTrial = Callable[..., TrialRecord]


def check(score: float | None, trouble: Trouble = "") -> Check:
    return Check(verifier="python", label="checks.py::verify", score=score, reason="why", trouble=trouble)


def _trial(check: Check) -> TrialRecord:
    return a_trial(checks=(check,))


def scores(trials: tuple[TrialRecord, ...]) -> list[list[float | None]]:
    return [[check.score for check in trial.checks] for trial in trials]


@pytest.mark.parametrize("trouble", ["data", "code", "time"])
def test_a_check_that_stumbled_over_one_trial_and_not_over_another_is_a_0(
    make_trial: MakeTrial, trouble: Trouble
) -> None:
    good, bad = make_trial(checks=(check(0.5),)), make_trial(agent="b", checks=(check(None, trouble),))
    found = settled([good, bad])
    assert scores(found.trials) == [[0.5], [0.0]]
    assert found.trials[1].checks[0].reason == "why; 0, for on other trials it came to a score"
    assert found.broken == ()


def test_a_check_that_stumbled_over_everything_is_broken(make_trial: MakeTrial) -> None:
    trials = [make_trial(agent=agent, checks=(check(None, "data"), check(1.0))) for agent in ("a", "b")]
    found = settled(trials)
    assert scores(found.trials) == [[None, 1.0], [None, 1.0]]
    (said,) = found.broken
    assert said.startswith("the check checks.py::verify of task t came to no score on any of 2 trials (why): ")


@pytest.mark.parametrize(("trouble", "score"), [("data", 0.0), ("code", None), ("time", None), ("", None)])
def test_of_the_one_trial_that_there_is_only_data_of_another_shape_is_a_0(
    make_trial: MakeTrial, trouble: Trouble, score: float | None
) -> None:
    found = settled([make_trial(checks=(check(None, trouble),))])
    assert (scores(found.trials), found.broken) == ([[score]], ())


def test_what_could_not_be_measured_stays_so(make_trial: MakeTrial) -> None:
    trials = [make_trial(checks=(check(1.0),)), make_trial(agent="b", checks=(check(None),))]
    assert settled(trials).trials == tuple(trials)


def test_other_tasks_other_versions_and_other_checks_prove_nothing(make_trial: MakeTrial) -> None:
    stumbled = make_trial(checks=(check(None, "code"), check(1.0)))
    others = [make_trial(task="u", checks=(check(1.0),)), make_trial(task_digest="old", checks=(check(1.0),))]
    assert settled([stumbled, *others]).trials[0] == stumbled


@given(st.lists(st.sampled_from([(1.0, ""), (0.0, ""), (None, ""), (None, "data"), (None, "code")]), max_size=6))
def test_no_trouble_is_better_than_a_score_of_0_once_somebody_was_scored(
    found: list[tuple[float | None, Trouble]],
) -> None:
    trials = settled([_trial(check(score, trouble)) for score, trouble in found]).trials
    measured = any(score is not None for score, _ in found)
    for (score, trouble), trial in zip(found, trials, strict=True):
        if score is not None or not trouble:
            assert trial.checks[0].score == score
        elif measured:
            assert trial.checks[0].score == 0.0
