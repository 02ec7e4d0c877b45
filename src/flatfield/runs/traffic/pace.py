"""Spaces requests out, so that no minute holds more requests or tokens than a server takes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatfield.clock import Clock

MINUTE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 60.0
"""How long a refusal's wish holds for all; who asks then finds out whether it still does."""


class Sending:
    """One request that went out at `at`, and its tokens: estimated, and then as they were."""

    __slots__ = ("at", "tokens")

    def __init__(self, at: float, tokens: int) -> None:
        self.at = at
        self.tokens = tokens


class Pace:
    """At most so many requests and tokens in any 60 s, first come, first served; None: as many as there are.

    A request that is larger than a whole minute's tokens goes out alone, after a minute without any.
    """

    def __init__(self, clock: Clock, *, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self._clock = clock
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._open_at = clock.now()
        self._sent: deque[Sending] = deque()
        self._order = asyncio.Lock()  # it is fair: who asked first is woken first

    @property
    def is_closed(self) -> bool:
        """Whether a pause still holds."""
        return self._open_at > self._clock.now()

    def pause(self, seconds: float) -> None:
        """Let nothing go out for so long, a minute at most."""
        self._open_at = max(self._open_at, self._clock.now() + min(seconds, LONGEST_PAUSE_SECONDS))

    async def take(self, tokens: int) -> Sending:
        """Wait until a request of about so many tokens may go out, and count it; `tokens` may be corrected later."""
        async with self._order:
            while (wait_seconds := self._wait_seconds(tokens)) > 0:
                await self._clock.sleep(wait_seconds)
            sent = Sending(self._clock.now(), tokens)
            if self._requests is not None or self._tokens is not None:
                self._sent.append(sent)
            return sent

    def _wait_seconds(self, tokens: int) -> float:
        now = self._clock.now()
        while self._sent and self._sent[0].at + MINUTE_SECONDS <= now:
            self._sent.popleft()
        opens_at = self._open_at
        if self._requests is not None and len(self._sent) >= self._requests:
            opens_at = max(opens_at, self._sent[-self._requests].at + MINUTE_SECONDS)
        if self._tokens is not None:
            opens_at = max(opens_at, self._room_at(tokens, self._tokens))
        return opens_at - now

    def _room_at(self, tokens: int, most: int) -> float:
        """When enough of the last minute's tokens are a minute old."""
        excess = sum(sent.tokens for sent in self._sent) + tokens - most
        room_at = self._open_at
        for sent in self._sent:
            if excess <= 0:
                break
            excess -= sent.tokens
            room_at = sent.at + MINUTE_SECONDS
        return room_at
