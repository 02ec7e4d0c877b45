"""How many repeats or tasks it takes to tell two agents apart, from how much tasks and trials scatter."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.scoring.scales import mean
from flatfield.scoring.statistics.intervals import ALPHA, LEAST, t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Scores = Mapping[str, Mapping[str, Sequence[float]]]
    """By agent and task: the scores of the trials of one run."""

POWER = 0.8
MOST_REPEATS = 1000
MOST_TASKS = 10_000
ENOUGH = 10
"""With fewer degrees of freedom than this, a variance is assumed, not observed."""


class Spread(Struct, frozen=True, kw_only=True):
    """Variances of performance scores (0..1): how two agents' true difference varies from task to task, and one trial.

    Where `tasks_from` and `trials_from` say "assumed", that variance is: agents differ by 0.2 more or less from task to
    task, and half of the largest variance of a pass/fail score (0.25) is within tasks.
    """

    tasks: float = 0.04
    trials: float = 0.125
    tasks_from: str = "assumed"
    trials_from: str = "assumed"


def separable(tasks: int, repeats: int, spread: Spread) -> float | None:
    """The smallest true difference that a comparison finds with 80% power, by its 95% interval.

    From three tasks up (t_{.975} + t_{.80}) · √(((T-1)(v_tasks + 2·v_trials/R) + 1/R) / (T(T-1))) for T tasks and R
    repeats, on T-1 degrees of freedom: the standard error of `paired`, its addition included. Below three tasks it
    speaks of these tasks alone, (z_{.975} + z_{.80}) · √(2·v_trials / (T·R)), and takes three repeats, else None.

    Source: Miller, Adding Error Bars to Evals (2024), arXiv 2411.00640, on power analysis, with t for z.
    """
    if tasks < LEAST:
        reach = NormalDist().inv_cdf(1.0 - ALPHA / 2) + NormalDist().inv_cdf(POWER)
        return reach * math.sqrt(2.0 * spread.trials / (tasks * repeats)) if repeats >= LEAST and tasks else None
    reach = t_quantile(1.0 - ALPHA / 2, tasks - 1) + t_quantile(POWER, tasks - 1)
    squares = (tasks - 1) * (spread.tasks + 2.0 * spread.trials / repeats) + 1.0 / repeats
    return reach * math.sqrt(squares / (tasks * (tasks - 1)))


def repeats_needed(difference: float, tasks: int, spread: Spread) -> int | None:
    """The fewest repeats of so many tasks that separate two agents by a difference; None: no number of repeats does."""
    return _least(1, MOST_REPEATS, lambda repeats: _reached(separable(tasks, repeats, spread), difference))


def tasks_needed(difference: float, repeats: int, spread: Spread) -> int | None:
    """The fewest tasks, three or more, that do it with so many repeats of each; None: more than ten thousand."""
    return _least(LEAST, MOST_TASKS, lambda tasks: _reached(separable(tasks, repeats, spread), difference))


def observed_spread(runs: Iterable[Scores]) -> Spread:
    """The variances in what was measured; what too little was measured for is assumed.

    Within tasks: pooled over all cells of two or more trials, as if one more trial had passed and one more failed.
    Between tasks: over all pairs of agents of a run with three or more tasks in common, the variance of the tasks'
    differences, less what the trials' variance explains of it, never below 0.
    """
    found = tuple(runs)
    cells = [scores for run in found for tasks in run.values() for scores in tasks.values() if len(scores) > 1]
    freedom = sum(len(scores) - 1 for scores in cells)
    spread = Spread()
    if freedom >= ENOUGH:
        squares = math.fsum((score - mean(scores)) ** 2 for scores in cells for score in scores)
        said = f"observed, {sum(map(len, cells))} trials"
        spread = Spread(trials=(squares + 0.5) / (freedom + 1), trials_from=said)
    pairs = [_apart(run[a], run[b], spread.trials) for run in found for a, b in combinations(run, 2)]
    known = [(variance, tasks) for variance, tasks in pairs if tasks >= LEAST]
    weight = sum(tasks - 1 for _, tasks in known)
    if weight < ENOUGH:
        return spread
    between = math.fsum(variance * (tasks - 1) for variance, tasks in known) / weight
    pairs_said = "1 pair of agents" if len(known) == 1 else f"{len(known)} pairs of agents"
    return Spread(
        tasks=max(between, 0.0),
        trials=spread.trials,
        tasks_from=f"observed, {pairs_said}",
        trials_from=spread.trials_from,
    )


def _apart(
    first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]], trials: float
) -> tuple[float, int]:
    """The variance over tasks of the true difference of two agents, and on how many tasks."""
    common = [task for task in first if second.get(task) and first[task]]
    if len(common) < LEAST:
        return 0.0, len(common)
    apart = [mean(first[task]) - mean(second[task]) for task in common]
    centre = mean(apart)
    variance = math.fsum((each - centre) ** 2 for each in apart) / (len(apart) - 1)
    return variance - trials * mean(1 / len(first[task]) + 1 / len(second[task]) for task in common), len(common)


def _reached(found: float | None, difference: float) -> bool:
    return found is not None and found <= difference


def _least(low: int, high: int, reached: Callable[[int], bool]) -> int | None:
    """The least number from `low` to `high` that reaches it, if `high` does: more of anything never separates less."""
    if not reached(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low
