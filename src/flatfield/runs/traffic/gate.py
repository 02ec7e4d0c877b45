"""Gives out places, first come, first served; how many there are may change while they are held."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Gate:
    """`width` says how many places there are now; where it has grown, `admit` is to be called."""

    __slots__ = ("_waiting", "_width", "held")

    def __init__(self, width: Callable[[], float]) -> None:
        self._width = width
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.held = 0

    @property
    def idle(self) -> bool:
        """Whether nobody holds a place or waits for one."""
        return not self.held and not self._waiting

    async def __aenter__(self) -> None:
        """Take a place."""
        await self.enter()

    async def __aexit__(self, *_error: object) -> None:
        """Give it back."""
        self.leave()

    async def enter(self, on_wait: Callable[[], None] | None = None) -> None:
        """Take a place; `on_wait` is called when there is none at once. Who is cancelled gives the place on."""
        if self.held < self._width() and not self._waiting:
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.admit()
        if turn.done():
            return
        try:
            if on_wait is not None:
                on_wait()
            await turn
        except BaseException:
            # The place may have been handed over in the very moment of the cancellation: pass it on.
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                with suppress(ValueError):
                    self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place back."""
        self.held -= 1
        self.admit()

    def admit(self) -> None:
        """Let in who waits, as far as there is room."""
        while self._waiting and self.held < self._width():
            turn = self._waiting.popleft()
            if not turn.done():
                self.held += 1
                turn.set_result(None)
