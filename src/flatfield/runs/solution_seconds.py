"""Keeps how long the checks of tasks' solutions take on this machine, so that a run need not play them to know."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flatfield.records import Check

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
