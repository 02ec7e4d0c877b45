"""What was read lately."""

import asyncio

from {{package}} import log


class Cache:
    """Reads each key once, until it is forgotten; those who want the same at the same time share one reading."""

    def __init__(self, read):
        self._read = read
        self._found = {}
        self._running = {}

    async def get(self, key):
        """The document of a key."""
        if key in self._found:
            log.step(f"cache has {key}")
            return self._found[key]
        if key not in self._running:
            self._running[key] = asyncio.ensure_future(self._load(key))
        # One caller that is cancelled must not end the reading of the others.
        return await asyncio.shield(self._running[key])

    def forget(self, key):
        """What is known of a key is no longer true."""
        log.step(f"cache forgets {key}")
        self._found.pop(key, None)
        self._running.pop(key, None)

    async def _load(self, key):
        log.step(f"cache reads {key}")
        me = asyncio.current_task()
        try:
            document = await self._read(key)
            if self._running.get(key) is me:
                log.step(f"cache keeps {key}")
                self._found[key] = document
            return document
        finally:
            if self._running.get(key) is me:
                del self._running[key]
