"""Speed and cost of one task, per work done: amounts, the anchors of its relative scale, and the scores on it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flatfield.records import Anchors
from flatfield.scoring.scales import HOLDS, SPREAD, Measure, mean, relative_position, score_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.scoring.performance import Figures

MEASURES: tuple[Measure, ...] = ("speed", "cost")
Scores = tuple[float | None, float | None, float | None]
"""Performance, speed and cost of one agent on one task; None where not measured."""


def amounts(figures: Sequence[Figures], measure: Measure) -> tuple[list[float], list[float]]:
    """Seconds or dollars of each trial where they are known, and the scores of the same trials."""
    pairs = [(f.seconds if measure == "speed" else f.usd, f.score) for f in figures]
    known = [(amount, score) for amount, score in pairs if amount is not None]
    return [amount for amount, _ in known], [score for _, score in known]


def per_work(figures: Sequence[Figures], measure: Measure) -> float | None:
    """Active seconds (dollars) of all trials over the sum of their scores.

    Infinite when the trials scored nothing; None when there is no trial, or no trial with a known price.
    """
    if not figures:
        return None
    if not any(f.score > 0.0 for f in figures):
        return math.inf
    used, done = amounts(figures, measure)
    if not used:
        return None
    return math.fsum(used) / math.fsum(done) if any(score > 0.0 for score in done) else math.inf


def find_anchors(task: str, measure: Measure, entries: Mapping[str, Sequence[Figures]]) -> Anchors | None:
    """Best and worst amount per work done among ranked agents (`entries`: their trials of this task).

    They come from agents with performance C or better, without trials that a limit ended; if there are none, from all.
    When an anchor is $0, `best` is the smaller of the cheapest non-zero and `worst / 8` (both 0 when all are $0).
    None when no agent has an amount.
    """
    able = {
        agent: per_work([f for f in figures if not f.limited], measure)
        for agent, figures in entries.items()
        if figures and mean(f.score for f in figures) >= HOLDS
    }
    ranked = _sorted(able) or _sorted({agent: per_work(figures, measure) for agent, figures in entries.items()})
    if not ranked:
        return None
    (best, best_agent), (worst, worst_agent) = ranked[0], ranked[-1]
    if best <= 0.0 < worst:
        best, best_agent = next((amount, agent) for amount, agent in ranked if amount > 0.0)
        if worst / SPREAD < best:
            best, best_agent = worst / SPREAD, worst_agent
    return Anchors(task=task, measure=measure, best=best, worst=worst, best_agent=best_agent, worst_agent=worst_agent)


def task_scores(
    entries: Mapping[str, Sequence[Figures]], anchors: Mapping[Measure, Anchors | None]
) -> dict[str, Scores]:
    """Each agent's three scores on one task, on the relative scale between the given anchors."""
    return {
        agent: (
            mean(f.score for f in figures) if figures else None,
            relative_score(per_work(figures, "speed"), anchors.get("speed")),
            relative_score(per_work(figures, "cost"), anchors.get("cost")),
        )
        for agent, figures in entries.items()
    }


def relative_score(amount: float | None, anchors: Anchors | None) -> float | None:
    """Score in 0..1 of an amount per work done; None when it, or the scale, is not known."""
    if amount is not None and math.isinf(amount):
        return 0.0
    if amount is None or anchors is None:
        return None
    return score_at(relative_position(amount, anchors.best, anchors.worst))


def _sorted(found: Mapping[str, float | None]) -> list[tuple[float, str]]:
    return sorted((amount, agent) for agent, amount in found.items() if amount is not None and math.isfinite(amount))
