"""How much one model's server is given at once: less when a large share is refused, more when it serves."""

from __future__ import annotations

import math
from collections import deque

RECENT_REQUESTS = 20
REFUSED_OF_RECENT = 9
"""So many refused of the last 20 sent, and the server is asked too much; stray refusals stay far below that."""
OFTEN_IN_A_ROW = 4
"""A request that is refused so often while others are answered gets its turn only where fewer are let in."""
SERVED_TO_GROW = 8
RAREST_GROWTH = 64


class Asking:
    """One request that went out, and whether it was refused; None: no answer yet."""

    __slots__ = ("refused",)

    def __init__(self) -> None:
        self.refused: bool | None = None


class Pressure:
    """Decides by the share of refusals, between 1 and a full width.

    Where 9 of the last 20 requests sent were refused, or one of them 4 times in a row, the width becomes what is still
    under way: so much the server bears. What was answered until then is forgotten, so that each narrowing has refusals
    of its own. A refusal while nothing else is under way says nothing of the width: no less could be asked. After every
    8 requests served the width grows, by one, then two, four and so on; where growing was too much, the next try waits
    for twice as many, 64 at most.
    """

    def __init__(self, width: float = math.inf) -> None:
        self._full = width
        self._recent: deque[Asking] = deque(maxlen=RECENT_REQUESTS)
        self._served = 0
        self._grown = 0
        self._served_to_grow = SERVED_TO_GROW
        self.under_way = 0
        self.width = width

    def fill(self, width: float) -> None:
        """From now on so much is the full width; what refusals have taken off it stays off."""
        self.width = width if self.width >= self._full else min(self.width, width)
        self._full = width

    def sent(self) -> Asking:
        """Another request goes out; `ended` is to be told when it is over."""
        self.under_way += 1
        asking = Asking()
        self._recent.append(asking)
        return asking

    def ended(self) -> None:
        """A request is over, whatever came of it."""
        self.under_way -= 1

    def refused(self, asking: Asking, times: int = 1) -> bool:
        """A request that is still under way was refused, so many times in a row; returns whether that was too much."""
        if self.under_way <= 1:
            if asking in self._recent:
                self._recent.remove(asking)
            return False
        asking.refused = True
        refused = sum(each.refused is True for each in self._recent)
        if refused < REFUSED_OF_RECENT and times < OFTEN_IN_A_ROW:
            return False
        self._narrow(self.under_way - 1)
        return True

    def served(self, asking: Asking) -> bool:
        """A request was answered; returns whether there is room for more because of it."""
        asking.refused = False
        if self.width >= self._full:
            return False
        self._served += 1
        if self._served < self._served_to_grow:
            return False
        self._served = 0
        self.width = min(self._full, self.width + 2**self._grown)
        self._grown += 1
        if self._grown > 1:  # the last growth was borne
            self._served_to_grow = SERVED_TO_GROW
        return True

    def _narrow(self, width: int) -> None:
        if self._grown:
            self._served_to_grow = min(RAREST_GROWTH, 2 * self._served_to_grow)
        self._grown = self._served = 0
        self.width = min(self.width, width)
        pending = [each for each in self._recent if each.refused is None]
        self._recent.clear()
        self._recent.extend(pending)
