"""Measures how late the event loop wakes what is due: while it is late, nothing that is timed on it is exact."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY_SECONDS = 0.01


class Timer(Protocol):
    """What is asked of an event loop."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call back in `delay` seconds."""
        ...


class LagMeter:
    """Wakes every 10 ms and notes how late; asked for the largest lag since a moment, it answers for any moment.

    Only lags that no later one has topped are kept, so what is kept stays short however long the meter runs.
    """

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._woke: list[float] = []
        self._late: list[float] = []
        self._due = timer.time() + EVERY_SECONDS
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The moment to ask from, in the loop's own seconds."""
        return self._timer.time()

    def since(self, moment: float) -> float:
        """The largest lag in seconds from `moment` until now, one that still lasts included."""
        now = self._timer.time()
        first = bisect_left(self._woke, moment)
        seen = zip(self._woke[first:], self._late[first:], strict=True)
        # What was late before the moment came is no lag of what began then.
        lags = [min(late, woke - moment) for woke, late in (*seen, (now, now - self._due))]
        return max(0.0, *lags)

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._timer.time() + EVERY_SECONDS
        self._handle = self._timer.call_later(EVERY_SECONDS, self._wake)

    def stop(self) -> None:
        """End it; nothing is left on the loop."""
        if self._handle is not None:
            self._handle.cancel()

    def _wake(self) -> None:
        now = self._timer.time()
        late = max(0.0, now - self._due)
        while self._late and self._late[-1] <= late:
            self._late.pop()
            self._woke.pop()
        self._woke.append(now)
        self._late.append(late)
        self.start()


@contextmanager
def measured_lag() -> Iterator[LagMeter]:
    """A meter of the running event loop, for as long as the block lasts."""
    meter = LagMeter(asyncio.get_running_loop())
    meter.start()
    try:
        yield meter
    finally:
        meter.stop()
