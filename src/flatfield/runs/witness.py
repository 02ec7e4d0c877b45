"""Asks a task's own solution about a check that had trouble with an agent's work: whose fault it was, it can tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.runs.solution_seconds import slowest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flatfield.records import Check, TrialRecord
    from flatfield.runs.solution_seconds import SolutionSeconds


class Witness:
    """What the solutions of a run's tasks came to; each is played when it is first needed, and once.

    `kept`: how long solutions' checks take, as far as that is known from before.
    """

    def __init__(self, kept: SolutionSeconds | None = None) -> None:
        self._kept = kept
        self._checks: dict[str, tuple[Check, ...]] = {}
        self._playing: dict[str, asyncio.Lock] = {}

    async def checks(self, task: str, play: Callable[[], Awaitable[TrialRecord]]) -> tuple[Check, ...]:
        """The checks of a task's solution; `task` is the task's digest, and `play` does its solution."""
        async with self._playing.setdefault(task, asyncio.Lock()):
            if task not in self._checks:
                self._checks[task] = (await play()).checks
        return self._checks[task]

    async def seconds(self, task: str, play: Callable[[], Awaitable[TrialRecord]]) -> float:
        """How long the slowest check of a task's solution takes here; 0 where none came to a score."""
        if self._kept is None or task in self._checks:
            return slowest(await self.checks(task, play)) or 0.0
        seconds = await asyncio.to_thread(self._kept.of, task)
        if seconds is None and (seconds := slowest(await self.checks(task, play))) is not None:
            await asyncio.to_thread(self._kept.keep, task, seconds)
        return seconds or 0.0


def with_testimony(checks: tuple[Check, ...], solution: tuple[Check, ...]) -> tuple[Check, ...]:
    """The checks of an agent's work, where the same checks of the task's solution say more about them.

    One that came to no score on the work, but does on the solution, is a 0. One that took too long on the solution too
    is not measured: this machine is too slow for it, or its limit too low. A solution that came to nothing, and so has
    no checks, tells nothing.
    """
    if len(solution) != len(checks):
        return checks
    return tuple(_testified(check, own) for check, own in zip(checks, solution, strict=True))


def _testified(check: Check, own: Check) -> Check:
    if check.trouble == own.trouble == "time":
        return replace(
            check, score=None, reason=f"{check.reason}; not measured, for it does on the task's solution too"
        )
    if check.trouble and check.score is None and own.score is not None:
        return replace(check, score=0.0, reason=f"{check.reason}; 0, for on the task's solution it came to a score")
    return check
