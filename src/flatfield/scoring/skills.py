"""What an agent is good at: the scores of its checks, skill by skill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import SkillScore
from flatfield.scoring.performance import verified
from flatfield.scoring.scales import letter_of, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flatfield.records import TrialRecord


def skill_scores(trials: Iterable[TrialRecord]) -> tuple[SkillScore, ...]:
    """For each skill, by name: the mean of the measured checks that name it, each with its weight.

    Trials that the harness failed are left out, and so are checks that were not measured: they are not zeros.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        for check in verified(trial.checks) if trial.failure is None else ():
            if check.skill is not None and check.score is not None:
                found.setdefault(check.skill, []).append((check.score, check.weight))
    means = ((skill, weighted_mean(found[skill]), len(found[skill])) for skill in sorted(found))
    return tuple(
        SkillScore(skill=skill, score=score, letter=letter_of(score), n=n)
        for skill, score, n in means
        if score is not None
    )
