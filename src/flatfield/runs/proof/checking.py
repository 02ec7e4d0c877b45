"""Proves tasks: plays the solution, agents that do no work, and sabotages, and says what that shows."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from flatfield.agent.files.copying import plan_copy
from flatfield.errors import FlatfieldError
from flatfield.machine.models import cache_folder
from flatfield.runs.proof.findings import Finding, Played, assess
from flatfield.runs.proof.idlers import copying, echoing
from flatfield.runs.proof.proving import Play, play
from flatfield.runs.proof.sabotaging import derived, sabotaged
from flatfield.runs.solution_seconds import SolutionSeconds, folder_in
from flatfield.scoring.performance import is_verified
from flatfield.scoring.verifying.verification import wants
from flatfield.vendors import noop, oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.records import Sabotage, Task, TrialRecord
    from flatfield.tasks.access import Access

DEEP_RUNS = 5
"""How often a deep check plays the solution, to see whether it is always graded alike."""


async def check_tasks(
    tasks: Sequence[Task],
    source: Path,
    access: Access,
    *,
    deep: bool = False,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[Finding, ...]:
    """Look at every task; `source` is the folder that plain LOPs copy, `access` decides whether their own code may run.

    `tell` hears how many plays are done, of all, and `say` what is waited for.
    Each task with a solution is played by the oracle once and, if `deep`, four times more and with each sabotage; each
    task with verifiers is also played by noop, an echo of the prompt and a copy of the workspace. How long the checks
    of a task that holds take is kept for its runs.

    Raises:
        FlatfieldError: a workspace is too large, or cannot be copied.
        NotTrusted: a task's own code may not run.
    """
    access.allow([want for task in tasks for want in wants(task, access)])
    scripts = await asyncio.to_thread(lambda: [_Script(task, source, deep=deep) for task in tasks])
    plays = [each for script in scripts for each in script.plays]
    records = iter(await play(plays, access, lambda done: tell(done, len(plays)), say) if plays else ())
    findings = tuple(assess(script.played(records)) for script in scripts)
    await asyncio.to_thread(_keep_seconds, tasks, findings)
    return findings


def _keep_seconds(tasks: Sequence[Task], findings: Sequence[Finding]) -> None:
    """Runs of these tasks, on this machine, know then how long their checks may take."""
    kept = SolutionSeconds(folder_in(cache_folder(os.environ)))
    for task, finding in zip(tasks, findings, strict=True):
        if finding.holds and finding.check_seconds is not None:
            kept.keep(task.digest, finding.check_seconds)


class _Script:
    """What is to be played of one task, in an order that its records are told apart by."""

    def __init__(self, task: Task, source: Path, *, deep: bool) -> None:
        self._task = task
        self._verified = is_verified(task)
        self._runs = (DEEP_RUNS if deep else 1) if task.solution else 0
        self._sabotages: tuple[Sabotage, ...] = ()
        if deep and task.solution and self._verified:
            self._sabotages = task.sabotages or derived(task)
        self.plays: tuple[Play, ...] = ()
        if self._runs or self._verified:
            self.plays = tuple(self._plays(_copied(task, source)))

    def _plays(self, files: CopyPlan) -> Iterator[Play]:
        for repeat in range(1, self._runs + 1):
            yield Play(task=self._task, agent=oracle.AGENT, files=files, repeat=repeat)
        if self._verified:
            yield Play(task=self._task, agent=noop.AGENT, files=files)
            yield Play(task=echoing(self._task), agent=oracle.FORGIVING_AGENT, files=files)
            yield Play(task=copying(self._task, files), agent=oracle.FORGIVING_AGENT, files=files)
        for sabotage in self._sabotages:
            yield Play(task=sabotaged(self._task, sabotage), agent=oracle.FORGIVING_AGENT, files=files)

    def played(self, records: Iterator[TrialRecord]) -> Played:
        """Take this task's records, the next ones of all."""
        return Played(
            task=self._task,
            oracle=tuple(next(records) for _ in range(self._runs)),
            noop=next(records) if self._verified else None,
            echo=next(records) if self._verified else None,
            copy=next(records) if self._verified else None,
            sabotages=tuple((sabotage, next(records)) for sabotage in self._sabotages),
            declared=bool(self._task.sabotages),
        )


def _copied(task: Task, source: Path) -> CopyPlan:
    """What the task's workspaces hold.

    Raises:
        FlatfieldError: it is too large, not there, or cannot be read.
    """
    try:
        return plan_copy(task, source)
    except OSError as error:
        raise FlatfieldError(
            f"the workspace of {task.id} cannot be copied: {error.filename or source}: {error.strerror}; "
            "make it readable, or move it away"
        ) from error
