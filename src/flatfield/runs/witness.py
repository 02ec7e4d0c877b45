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

    async def settled(
        self, checks: tuple[Check, ...], task: str, play: Callable[[], Awaitable[TrialRecord]]
    ) -> tuple[Check, ...]:
        """The checks of an agent's work; a 0 for one that came to no score on it, but does on the task's solution.

        `task` is its digest; `play` does its solution. Where that comes to nothing, it tells nothing.
        """
        async with self._playing.setdefault(task, asyncio.Lock()):
            if task not in self._checks:
                self._checks[task] = (await play()).checks
        found = self._checks[task]
        if len(found) != len(checks):
            return checks
        return tuple(
            replace(check, score=0.0, reason=f"{check.reason}; 0, for on the task's solution it came to a score")
            if check.trouble and check.score is None and own.score is not None
            else check
            for check, own in zip(checks, found, strict=True)
        )
