"""How much a server is given at once: less when it refuses, slowly more when it serves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatfield.clock import Clock

SETTLING_SECONDS = 5.0
SERVED_TO_GROW = 8


class Pressure:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989), between 1 and a full width.

    A refusal leaves half of what was under way; further ones within 5 s are of the same burst and change nothing. After
    every 8 requests served without a refusal the width grows by one.
    """

    def __init__(self, clock: Clock, width: float = math.inf) -> None:
        self._clock = clock
        self._full = width
        self._served = 0
        self._halved_at: float | None = None
        self.width = width

    def fill(self, width: float) -> None:
        """From now on so much is the full width; what refusals have taken off it stays off."""
        self.width = width if self.width >= self._full else min(self.width, width)
        self._full = width

    def refused(self, under_way: int) -> None:
        """The server answered that it is asked too much, while so many requests were under way, this one included."""
        self._served = 0
        now = self._clock.now()
        if self._halved_at is None or now - self._halved_at >= SETTLING_SECONDS:
            self._halved_at = now
            # The width may be far above what is asked at once: half of that would change nothing.
            self.width = max(1, min(self.width, under_way) // 2)

    def served(self) -> bool:
        """The server answered a request; returns whether there is room for one more because of it."""
        if self.width >= self._full:
            return False
        self._served += 1
        if self._served < SERVED_TO_GROW:
            return False
        self._served = 0
        self.width += 1
        return True
