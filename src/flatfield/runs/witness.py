"""Asks a task's own solution about a check that had trouble with an agent's work: whose fault it was, it can tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flatfield.records import Check, TrialRecord


class Witness:
    """What the solutions of a run's tasks came to; each is played when it is first needed, and once."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Check, ...]] = {}
        self._playing: dict[str, asyncio.Lock] = {}

    async def checks(self, task: str, play: Callable[[], Awaitable[TrialRecord]]) -> tuple[Check, ...]:
        """The checks of a task's solution; `task` is the task's digest, and `play` does its solution."""
        async with self._playing.setdefault(task, asyncio.Lock()):
            if task not in self._checks:
                self._checks[task] = (await play()).checks
        return self._checks[task]


def settled(checks: tuple[Check, ...], solution: tuple[Check, ...]) -> tuple[Check, ...]:
    """The checks of an agent's work, where the same checks of the task's solution say more about them.

    One that came to no score on the work, but does on the solution, is a 0. One that took too long on the solution too
    is not measured: this machine is too slow for it, or its limit too low. A solution that came to nothing, and so has
    no checks, tells nothing.
    """
    if len(solution) != len(checks):
        return checks
    return tuple(_settled(check, own) for check, own in zip(checks, solution, strict=True))


def _settled(check: Check, own: Check) -> Check:
    if check.trouble == own.trouble == "time":
        return replace(
            check, score=None, reason=f"{check.reason}; not measured, for it does on the task's solution too"
        )
    if check.trouble and check.score is None and own.score is not None:
        return replace(check, score=0.0, reason=f"{check.reason}; 0, for on the task's solution it came to a score")
    return check
