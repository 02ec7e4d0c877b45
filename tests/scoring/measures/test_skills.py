"""Skills: which checks count, and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import Check, Failure, SkillScore
from flatfield.scoring.measures.performance import skill_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import TrialRecord

    Make = Callable[..., TrialRecord]


def check(skill: str | None, score: float | None, **more: Any) -> Check:
    return Check(**{"verifier": "file", "label": "f", "reason": "r", "skill": skill, "score": score} | more)


def test_the_mean_is_weighted_and_counts_measured_checks(make_trial: Make) -> None:
    one = make_trial(checks=(check("code", 1.0, weight=3.0), check("tool-use", 0.0), check(None, 0.0)))
    two = make_trial(checks=(check("code", 0.0), check("tool-use", None)))
    assert skill_scores([one, two]) == (
        SkillScore(skill="code", score=0.75, letter="B", n=2),
        SkillScore(skill="tool-use", score=0.0, letter="F", n=1),
    )


def test_what_the_harness_or_the_judge_did_is_no_zero(make_trial: Make) -> None:
    failed = make_trial(checks=(check("code", 0.0),), failure=Failure(kind="sandbox", message="none"))
    judged = make_trial(checks=(check("style", 0.0, verifier="rubric"),))
    assert skill_scores([failed, judged]) == ()


@pytest.mark.parametrize("weight", [0.1, 1 / 3])
def test_all_passed_is_exactly_one(make_trial: Make, weight: float) -> None:
    trial = make_trial(checks=tuple(check("code", 1.0, weight=weight) for _ in range(7)))
    assert skill_scores([trial])[0].score == 1.0
