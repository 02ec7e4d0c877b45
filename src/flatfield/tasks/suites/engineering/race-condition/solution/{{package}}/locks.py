"""One at a time for each key."""

import asyncio
from contextlib import asynccontextmanager

from {{package}} import log


class KeyedLocks:
    """`async with locks.hold(key):` waits until nobody else holds the key."""

    def __init__(self):
        self._locks = {}  # by key: the lock, and how many hold it or wait for it

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
        entry = self._locks.setdefault(name, [asyncio.Lock(), 0])
        entry[1] += 1
        try:
            await entry[0].acquire()
        except BaseException:
            self._leave(name)
            raise
        log.step(f"holds {name}")
        return entry[0]

    def _give(self, name, lock):
        log.step(f"gives {name}")
        lock.release()
        self._leave(name)

    def _leave(self, name):
        self._locks[name][1] -= 1
        if self._locks[name][1] == 0:
            del self._locks[name]
