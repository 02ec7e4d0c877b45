"""A clock that tests set: time moves only when somebody sleeps or a test says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """`seconds` is now; `slept` lists every wait that was asked for, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Monotonic seconds."""
        return self.seconds

    def utc(self) -> datetime:
        """A wall clock that moves with `seconds`."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)
