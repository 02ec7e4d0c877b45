"""How many trials a server is given at once: fewer when it refuses, slowly more when it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatfield.agent.clock import Clock

SETTLING_SECONDS = 5.0
SERVED_TO_GROW = 8


class Pressure:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989), between 1 and a full width.

    A refusal halves the width; further ones within 5 s are of the same burst and change nothing. After every 8
    requests served without a refusal it grows by one.
    """

    def __init__(self, clock: Clock, width: int) -> None:
        self._clock = clock
        self._full = width
        self._served = 0
        self._halved_at: float | None = None
        self.width = width

    def refused(self) -> None:
        """The server answered that it is asked too much."""
        self._served = 0
        now = self._clock.now()
        if self._halved_at is None or now - self._halved_at >= SETTLING_SECONDS:
            self._halved_at = now
            self.width = max(1, self.width // 2)

    def served(self) -> bool:
        """The server answered a request; returns whether there is room for one more trial because of it."""
        if self.width == self._full:
            return False
        self._served += 1
        if self._served < SERVED_TO_GROW:
            return False
        self._served = 0
        self.width += 1
        return True
