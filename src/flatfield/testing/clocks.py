"""Time for tests: a clock that they set, and a loop whose time passes only while nothing happens."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


# A clock that tests set: time moves only when somebody sleeps or a test says so.


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


# Time that passes only while nothing happens: limits strike in tests at the same moment on every machine.


QUIET_SECONDS = 0.02
"""With no socket readable for so long, all that this process could do has been done."""
TURN_SECONDS = 1e-6
"""What a turn of the event loop takes, so that what happened later also has a later time."""


class IdleTime:
    """The time of an event loop, and a clock: it stands still while anything can be done, then leaps to the next limit.

    For tests whose clients and servers all live in one process: a limit of a second strikes only when what was to
    come before it has come, however slow or busy the machine is, and nobody waits for it. Work in threads is waited
    for. Other processes are not seen, nor other threads: a test that has some says with `only` when they have done
    their part.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        insides: Any = loop
        self.seconds = loop.time()
        self._ends = math.inf
        self._once: Callable[[], bool] = lambda: True
        self._in_threads = 0
        self._selector = insides._selector  # noqa: SLF001 - asyncio has no other place to ask whether anything came
        self._run_in_executor = insides.run_in_executor
        insides._selector = self  # noqa: SLF001 - the same
        insides.time = self.now
        insides.run_in_executor = self._counted

    def only(self, seconds: float, *, once: Callable[[], bool] = lambda: True) -> None:
        """Let no more than so many seconds pass from here on, for the limit under test alone, and none until `once`."""
        self._ends, self._once = self.seconds + seconds, once

    def now(self) -> float:
        """Monotonic seconds."""
        return self.seconds

    def utc(self) -> datetime:
        """A wall clock that moves with `seconds`."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait until nothing else happens."""
        await asyncio.sleep(seconds)

    def select(self, timeout: float | None = None) -> list[Any]:
        """What has come; the loop's selector asks here, and may wait for `timeout` seconds."""
        self.seconds += TURN_SECONDS
        if timeout is None or timeout <= 0:
            return list(self._selector.select(timeout))
        may_pass = not self._in_threads and self.seconds < self._ends and self._once()  # what came before is read first
        found = list(self._selector.select(QUIET_SECONDS))
        if may_pass and not found:
            self.seconds = min(self.seconds + timeout, self._ends)
        return found

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a selector has
        return getattr(self._selector, name)

    def _counted(self, executor: Any, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:  # noqa: ANN401 - as asyncio has it
        future: asyncio.Future[Any] = self._run_in_executor(executor, work, *arguments)
        self._in_threads += 1
        future.add_done_callback(self._counted_off)
        return future

    def _counted_off(self, _future: asyncio.Future[Any]) -> None:
        self._in_threads -= 1
