"""What an agent is good at: the scores of its checks, skill by skill."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flatfield.records import SkillScore
from flatfield.scoring.scales import exact, letter_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flatfield.records import TrialRecord


def skill_scores(trials: Iterable[TrialRecord]) -> tuple[SkillScore, ...]:
    """For each skill, by name: the mean of the measured checks that name it, each with its weight.

    Trials that the harness failed are left out, and so are checks that were not measured: they are not zeros.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        for check in trial.checks if trial.failure is None else ():
            if check.skill is not None and check.score is not None and check.verifier != "rubric":
                found.setdefault(check.skill, []).append((check.score, check.weight))
    return tuple(_score(skill, found[skill]) for skill in sorted(found))


def _score(skill: str, checks: list[tuple[float, float]]) -> SkillScore:
    total = math.fsum(weight for _, weight in checks)
    score = exact(math.fsum(score * weight for score, weight in checks) / total)
    return SkillScore(skill=skill, score=score, letter=letter_of(score), n=len(checks))
