"""Observations for the tests of the posterior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flatfield.scoring.certainty.study import study
from flatfield.scoring.certainty.values import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.scoring.certainty.study import Study

Passes = dict[str, "Sequence[Sequence[float]]"]
"""By agent, the scores of its trials, task by task; an empty list is a missing cell."""


def observations(
    scores: Mapping[str, Sequence[Sequence[float]]],
    seconds: Mapping[str, float] | None = None,
    usd: Mapping[str, float | None] | None = None,
) -> list[Observation]:
    """Trials with these scores; seconds and dollars of an agent are the same on every trial but for the task's own."""
    return [
        Observation(
            agent=agent,
            task=f"t{t:02}",
            score=score,
            solved=score >= 0.95,
            seconds=(seconds or {}).get(agent, 10.0) * math.exp(0.3 * ((7 * t + 3 * r) % 5 - 2)),
            usd=_times((usd or {}).get(agent, 0.05), math.exp(0.2 * ((5 * t + r) % 7 - 3))),
        )
        for agent, tasks in scores.items()
        for t, trials in enumerate(tasks)
        for r, score in enumerate(trials)
    ]


def studied(scores: Mapping[str, Sequence[Sequence[float]]], **amounts: Mapping[str, float | None]) -> Study:
    """The study of such trials."""
    found = observations(scores, **amounts)  # type: ignore[arg-type]
    made = study(found, list(scores), sorted({one.task for one in found}))
    assert made is not None
    return made


def _times(amount: float | None, factor: float) -> float | None:
    return None if amount is None else amount * factor
