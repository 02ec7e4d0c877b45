"""Asks a task's own solution about its checks: how long they take here, and whose fault a check's trouble was."""

from __future__ import annotations

import asyncio
import os
import platform
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from flatfield.records import Check, TrialRecord


# Keeps how long the checks of tasks' solutions take on this machine, so that a run need not play them to know.


_DIGEST = re.compile(r"[0-9a-f]{16,128}")


class _Kept(Struct, frozen=True, kw_only=True):
    machine: str
    seconds: float


class SolutionSeconds:
    """One small file a task in `folder`, by the task's digest: a changed task is another one.

    What was measured on a machine of another kind says nothing about this one. A folder that cannot be written, or a
    file that is damaged, costs nothing but the time to play the solution.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, digest: str) -> float | None:
        """The seconds that the slowest check of a task's solution took here; None where nobody knows."""
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            kept = msgspec.json.decode(self._place(digest).read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None
        return kept.seconds if kept.machine == machine() and 0 <= kept.seconds < float("inf") else None

    def keep(self, digest: str, seconds: float) -> None:
        """Remember it, where there is a place for it."""
        if not _DIGEST.fullmatch(digest):
            return
        with suppress(OSError):
            replace_whole(self._place(digest), msgspec.json.encode(_Kept(machine=machine(), seconds=seconds)))

    def _place(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def folder_in(cache: Path) -> Path:
    """Where they are kept, of flatfield's cache folder."""
    return cache / "solutions"


def slowest(checks: Iterable[Check]) -> float | None:
    """The seconds of the check that took the longest, of those that came to a score; None where none did."""
    return max((check.took_seconds or 0.0 for check in checks if check.score is not None), default=None)


def machine() -> str:
    """What this machine is, as far as it decides how long a check takes."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


# ---------------------------------------------------------------------------- whose fault it was


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
