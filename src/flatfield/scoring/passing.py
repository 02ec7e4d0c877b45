"""pass@k and pass^k: one success in k tries, and k successes in k tries, per agent over tasks."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import MIDPOINTS
from flatfield.scoring.performance import ALL, is_verified, measure
from flatfield.scoring.scales import mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import RunResult, Task


KS = (1, 2, 3, 5, 10, 20, 50)


class PassRates(Struct, frozen=True, kw_only=True):
    """An agent's two figures for one k, over the `tasks` that it was measured on at least k times; `trials` of them."""

    agent: str
    k: int
    at_least_once: float
    every_time: float
    tasks: int
    trials: int


def pass_at_k(n: int, passed: int, k: int) -> float:
    """The probability that at least one of k tries passes, from `passed` of n: 1 - C(n - passed, k) / C(n, k).

    Unbiased for n >= k. Source: Chen et al., Evaluating Large Language Models Trained on Code (2021), section 2.1.
    """
    return 1.0 - comb(n - passed, k) / comb(n, k)


def pass_hat_k(n: int, passed: int, k: int) -> float:
    """The probability that all of k tries pass, from `passed` of n: C(passed, k) / C(n, k).

    Unbiased for n >= k. Source: Yao et al., tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World
    Domains (2024), section 3.
    """
    return comb(passed, k) / comb(n, k)


def threshold(task: Task) -> float:
    """From which score a trial passes: all of it where verifiers measure; where a judge alone does, an S's middle."""
    return ALL if is_verified(task) or not (task.rubric or task.verifiers) else MIDPOINTS["S"]


def passing(result: RunResult) -> tuple[PassRates, ...]:
    """Every agent's figures, for k of 1, 2, 3, 5, 10, 20, 50 and its number of repeats; each task counts once."""
    figures = measure(result.run, result.trials, result.verdicts).figures
    levels = {task.id: threshold(task) for task in result.run.tasks}
    found: list[PassRates] = []
    for agent in result.run.agents:
        counts = [
            (len(trials), sum(each.score >= level for each in trials))
            for task, level in levels.items()
            if (trials := figures.get((agent.name, task), ()))
        ]
        found += _of_agent(agent.name, counts)
    return tuple(found)


def _of_agent(agent: str, counts: Sequence[tuple[int, int]]) -> list[PassRates]:
    most = max((n for n, _ in counts), default=0)
    rows = []
    for k in sorted({*(k for k in KS if k <= most), *({most} if most else ())}):
        able = [(n, passed) for n, passed in counts if n >= k]
        rows.append(
            PassRates(
                agent=agent,
                k=k,
                at_least_once=mean(pass_at_k(n, passed, k) for n, passed in able),
                every_time=mean(pass_hat_k(n, passed, k) for n, passed in able),
                tasks=len(able),
                trials=sum(n for n, _ in able),
            )
        )
    return rows
