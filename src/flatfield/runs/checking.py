"""Proves tasks with the two controls: the oracle must score 1, noop must score 0."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.agent.clock import SystemClock
from flatfield.records import AgentConfig, Evaluation
from flatfield.runs.evaluate import Conduct, evaluate
from flatfield.runs.order import new_run
from flatfield.runs.store.store import Store
from flatfield.scoring.performance import checks_score
from flatfield.tasks.wording import check_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Task, TrialRecord

CONTROLS = (AgentConfig(name="oracle", provider="oracle"), AgentConfig(name="noop", provider="noop"))


class Finding(Struct, frozen=True, kw_only=True):
    """What checking one task showed; `holds` False: it does not measure what it says. Scores None: not measured."""

    task: str
    holds: bool
    summary: str
    oracle: float | None = None
    noop: float | None = None
    warnings: tuple[str, ...] = ()


async def check_tasks(tasks: Sequence[Task], source: Path) -> tuple[Finding, ...]:
    """Run both controls on every task that has a solution; `source` is the folder that plain LOPs copy."""
    solved = [task for task in tasks if task.solution]
    records: dict[tuple[str, str], TrialRecord] = {}
    if solved:
        records = await _play(solved, source)
    return tuple(_finding(task, records) for task in tasks)


async def _play(tasks: Sequence[Task], source: Path) -> dict[tuple[str, str], TrialRecord]:
    clock = SystemClock()
    evaluation = Evaluation(agents=("oracle", "noop"))
    once = [structs.replace(task, repeats=1) for task in tasks]
    run = new_run(evaluation, once, CONTROLS, clock.utc(), command="tasks check")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        async with store:
            conduct = Conduct(clock=clock, source=source, observe=lambda _event: None, stop=asyncio.Event())
            await evaluate(run, store, conduct)
        return {(record.task, record.agent): record for record in store.trials(run.id)}


def _finding(task: Task, records: dict[tuple[str, str], TrialRecord]) -> Finding:
    warnings = check_prompt(task)
    if not task.solution:
        return Finding(task=task.id, holds=True, summary="has no solution: not proved", warnings=warnings)
    oracle, noop = records[task.id, "oracle"], records[task.id, "noop"]
    scores = (checks_score(oracle.checks), checks_score(noop.checks))
    problems = (*_problems("oracle", oracle, scores[0], 1.0), *_problems("noop", noop, scores[1], 0.0))
    return Finding(
        task=task.id,
        holds=not problems,
        summary="oracle 1, noop 0" if not problems else "; ".join(problems),
        oracle=scores[0],
        noop=scores[1],
        warnings=warnings,
    )


def _problems(name: str, record: TrialRecord, score: float | None, wanted: float) -> tuple[str, ...]:
    if record.failure is not None:
        return (f"{name} was not measured: {record.failure.message}",)
    unmeasured = [check for check in record.checks if check.score is None and check.verifier != "rubric"]
    if unmeasured:
        return tuple(f"{name}: {check.label} was not measured: {check.reason}" for check in unmeasured)
    if score is None:
        return (f"{name} has no score: the task has no verifier but a rubric",)
    if score == wanted:
        return ()
    reasons = "; ".join(
        f"{check.label} {check.score:g}: {check.reason}" for check in record.checks if check.score != wanted
    )
    return (f"{name} scores {score:.2f}, not {wanted:g} ({reasons})",)
