"""One at a time for each key."""

import asyncio
from contextlib import asynccontextmanager

from {{package}} import log


class KeyedLocks:
    """`async with locks.hold(key):` waits until nobody else holds the key."""

    def __init__(self):
        self._locks = {}

    def __len__(self):
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, *keys):
        """Hold all of the keys, taken in one order, so that no two calls wait for each other."""
        names = sorted(set(keys))
        held = []
        try:
            for name in names:
                held.append((name, await self._take(name)))
            yield
        finally:
            for name, lock in reversed(held):
                self._give(name, lock)

    async def _take(self, name):
        lock = self._locks.setdefault(name, asyncio.Lock())
        await lock.acquire()
        return lock

    def _give(self, name, lock):
        lock.release()
