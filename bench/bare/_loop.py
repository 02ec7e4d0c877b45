"""The bare loop's process beside `bench.whole`: it imports nothing but what it needs itself.

Usage: python -m bench.bare._loop BASE_URL BODIES TRIALS CONCURRENT stream|whole; the files lie beside BODIES.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from bench import bare
from bench.bare.openai_chat import Chat

if TYPE_CHECKING:
    from collections.abc import Sequence


Kept = list[dict[str, Any]]


async def run(url: str, folder: Path, kept: Kept, load: tuple[int, int], *, stream: bool) -> None:
    """Run so many trials, so many at a time; the bodies of the first are compared with those that were kept."""
    protocol, work, (trials, concurrent) = Recorded(kept), ("", folder), load
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        assert await bare.trial(session, url, protocol, work, stream=stream) == len(kept)
        protocol.compared = True

        async def one() -> None:
            assert await bare.trial(session, url, Recorded(kept, compared=True), work, stream=stream) == len(kept)

        await bare.gathered(concurrent, trials - 1, one)


class Recorded(Chat):
    """Chat Completions with the settings of kept bodies; their messages are built up anew, as any loop must."""

    def __init__(self, kept: Sequence[dict[str, Any]], *, compared: bool = False) -> None:
        self.compared = compared
        self._kept = kept
        self._turn = 0

    def prompt(self, text: str) -> list[bare.Json]:
        """Those of the first."""
        del text
        return list(self._kept[0]["messages"])

    def body(self, history: Sequence[bare.Json], *, stream: bool) -> bare.Json:
        """The next one."""
        del stream
        made = {**self._kept[self._turn], "messages": history}
        if not self.compared:
            assert made == self._kept[self._turn], f"turn {self._turn + 1} is not as ours"
        self._turn += 1
        return made


if __name__ == "__main__":
    url, bodies, stream = sys.argv[1] + Chat().path(stream=True), Path(sys.argv[2]), sys.argv[5] == "stream"
    found: Kept = [json.loads(line) for line in bodies.read_bytes().splitlines()]
    asyncio.run(run(url, bodies.parent, found, (int(sys.argv[3]), int(sys.argv[4])), stream=stream))
