"""One at a time."""

import asyncio
from contextlib import asynccontextmanager


class KeyedLocks:
    def __init__(self):
        self._lock = asyncio.Lock()
        self._users = 0

    def __len__(self):
        return min(self._users, 1)

    @asynccontextmanager
    async def hold(self, *keys):
        self._users += 1
        try:
            async with self._lock:
                yield
        finally:
            self._users -= 1
