"""Speed and cost of one task, per work done: amounts, the anchors of its relative scale, and the scores on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence  # noqa: TC003 - msgspec
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.records import Anchors
from flatfield.scoring.measures import scales
from flatfield.scoring.measures.performance import Figures  # noqa: TC001 - msgspec resolves annotations at runtime

if TYPE_CHECKING:
    from flatfield.records import Run

MEASURES: tuple[scales.Measure, ...] = ("speed", "cost")
Scores = tuple[float | None, float | None, float | None]
"""Performance, speed and cost of one agent on one task; None where not measured."""


class Scales(Struct, frozen=True, kw_only=True):
    """Where the scales of a run's tasks come from, by task and measure: `frozen` anchors, and the tasks' `targets`."""

    frozen: Mapping[tuple[str, str], Anchors]
    targets: Mapping[tuple[str, str], float] = {}

    def of(self, task: str, measure: scales.Measure, entries: Mapping[str, Sequence[Figures]]) -> Anchors | None:
        """The frozen ends of the task's scale, else those that the ranked agents' trials set."""
        target = self.targets.get((task, measure))
        kept = self.frozen.get((task, measure))
        return replace(kept, target=target) if kept else find_anchors(task, measure, entries, target)


def scales_of(run: Run, anchors: Sequence[Anchors]) -> Scales:
    """The run's targets, and these anchors in the place of those that its agents would set."""
    targets: dict[tuple[str, str], float] = {}
    for task in run.tasks:
        if task.targets.seconds is not None:
            targets[task.id, "speed"] = task.targets.seconds
        if task.targets.cost_usd is not None:
            targets[task.id, "cost"] = task.targets.cost_usd
    return Scales(frozen={(item.task, item.measure): item for item in anchors}, targets=targets)


def amounts(figures: Sequence[Figures], measure: scales.Measure) -> tuple[list[float], list[float]]:
    """Seconds or dollars of each trial where they are known, and the scores of the same trials."""
    pairs = [(f.seconds if measure == "speed" else f.usd, f.score) for f in figures]
    known = [(amount, score) for amount, score in pairs if amount is not None]
    return [amount for amount, _ in known], [score for _, score in known]


def per_work(figures: Sequence[Figures], measure: scales.Measure) -> float | None:
    """Active seconds (dollars) of all trials over the sum of their scores.

    A trial whose price is not known counts as dear as the others are on average: so neither its work comes free, nor is
    its failing forgotten. Infinite when the trials scored nothing; None when there is no trial, or none with a price.
    """
    if not figures:
        return None
    if len(figures) == 1:  # most are: large runs have one repeat
        (only,) = figures
        amount = only.seconds if measure == "speed" else only.usd
        return math.inf if only.score <= 0.0 else None if amount is None else amount / only.score
    done = math.fsum(f.score for f in figures)
    if done <= 0.0:
        return math.inf
    used, _ = amounts(figures, measure)
    return math.fsum(used) * (len(figures) / len(used)) / done if used else None


def find_anchors(
    task: str, measure: scales.Measure, entries: Mapping[str, Sequence[Figures]], target: float | None = None
) -> Anchors | None:
    """Best and worst amount per work done among ranked agents (`entries`: their trials of this task).

    They are amounts that agents are graded on, of agents with performance C or better; if there are none, of all. So
    who gets faster or cheaper can only move towards `best`, and who did the work alone is there.

    Where some cost $0, `best` is the smaller of the cheapest price and `worst / 8`; with one price beside them there is
    nothing to compare it with: `best` stays 0. None when no agent has an amount.
    """
    able = {agent: figures for agent, figures in entries.items() if figures and holds(figures)}
    ranked = _sorted(able, measure) or _sorted(entries, measure)
    if not ranked:
        return None
    (best, best_agent), (worst, worst_agent) = ranked[0], ranked[-1]
    priced = [(amount, agent) for amount, agent in ranked if amount > 0.0]
    if best <= 0.0 and len(priced) > 1:
        best, best_agent = min(priced[0], (worst / scales.SPREAD, worst_agent))
    return Anchors(
        task=task,
        measure=measure,
        best=best,
        worst=worst,
        best_agent=best_agent,
        worst_agent=worst_agent,
        target=target,
    )


def holds(figures: Sequence[Figures]) -> bool:
    """Whether trials, at least one, are C or better on average."""
    return scales.mean(f.score for f in figures) >= scales.HOLDS


def task_scores(
    entries: Mapping[str, Sequence[Figures]], anchors: Mapping[scales.Measure, Anchors | None]
) -> dict[str, Scores]:
    """Each agent's three scores on one task, on the relative scale between the given anchors."""
    return {
        agent: (
            scales.mean(f.score for f in figures) if figures else None,
            relative_score(per_work(figures, "speed"), anchors.get("speed")),
            relative_score(per_work(figures, "cost"), anchors.get("cost")),
        )
        for agent, figures in entries.items()
    }


def place(amount: float, anchors: Anchors) -> float | None:
    """The position of an amount per work done on a task's relative scale.

    On the task's target where the scale says nothing of it, None where there is none.
    """
    if anchors.measure == "cost" and amount < scales.LEAST_USD:
        return 0.0
    found = scales.relative_position(amount, anchors.best, anchors.worst)
    return scales.absolute_position(amount, anchors.target) if found is None and anchors.target is not None else found


def relative_score(amount: float | None, anchors: Anchors | None) -> float | None:
    """Score in 0..1 of an amount per work done; None when it, or its place on the scale, is not known."""
    if amount is not None and math.isinf(amount):
        return 0.0
    if amount is None or anchors is None:
        return None
    position = place(amount, anchors)
    return None if position is None else scales.score_at(position)


def _sorted(entries: Mapping[str, Sequence[Figures]], measure: scales.Measure) -> list[tuple[float, str]]:
    found = ((per_work(figures, measure), agent) for agent, figures in entries.items())
    return sorted((amount, agent) for amount, agent in found if amount is not None and math.isfinite(amount))
