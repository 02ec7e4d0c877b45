"""How long trials take together: played through the scheduler's rules with the seconds that each will probably take."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence


class Slot(Struct, frozen=True, kw_only=True):
    """One trial: its seconds, and the lane that it waits for, with its width."""

    seconds: float
    lane: str
    width: int


def makespan(slots: Sequence[Slot], jobs: int) -> float:
    """Seconds until the last of the trials, started in their order, has ended.

    At most `jobs` run at once, and in each lane as many as it is wide. One that waits for its lane holds up none
    behind it.
    """
    waiting: dict[str, deque[tuple[int, Slot]]] = {}
    for place, slot in enumerate(slots):
        waiting.setdefault(slot.lane, deque()).append((place, slot))
    running: list[tuple[float, str]] = []
    held = dict.fromkeys(waiting, 0)
    now = 0.0
    while running or any(waiting.values()):
        ready = [queue[0][0] for lane, queue in waiting.items() if queue and held[lane] < queue[0][1].width]
        if ready and len(running) < jobs:
            lane = slots[min(ready)].lane
            _, slot = waiting[lane].popleft()
            held[lane] += 1
            heapq.heappush(running, (now + slot.seconds, lane))
            continue
        now, lane = heapq.heappop(running)
        held[lane] -= 1
    return now
