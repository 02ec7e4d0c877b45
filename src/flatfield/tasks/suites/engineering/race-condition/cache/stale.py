"""What was read lately."""

import asyncio
import copy

from {{package}} import log


class Cache:
    """Reads each key once, until it is forgotten; those who want the same at the same time share one reading."""

    def __init__(self, read):
        self._read = read
        self._found = {}
        self._running = {}

    async def get(self, key):
        """The document of a key, which is the caller's own."""
        if key in self._found:
            log.step(f"cache has {key}")
            return copy.deepcopy(self._found[key])
        if key not in self._running:
            self._running[key] = asyncio.ensure_future(self._load(key))
        # One caller that is cancelled must not end the reading of the others.
        return copy.deepcopy(await asyncio.shield(self._running[key]))

    def forget(self, key):
        """What is known of a key is no longer true."""
        log.step(f"cache forgets {key}")
        self._found.pop(key, None)

    async def _load(self, key):
        log.step(f"cache reads {key}")
        try:
            document = await self._read(key)
            log.step(f"cache keeps {key}")
            self._found[key] = document
            return document
        finally:
            del self._running[key]
