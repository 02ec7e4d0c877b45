"""The least that holds a tool conversation: aiohttp, json and a list of messages; one file a provider's protocol."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    import aiohttp

Json = dict[str, Any]
Call = tuple[str, str, Json]  # id, name, arguments
SYSTEM = "Be brief."
MODEL = "m"
CAP_TOKENS = 1000
SCHEMA: Json = {"type": "object"}


class Bare(Protocol):
    """One protocol's requests and replies."""

    def path(self, *, stream: bool) -> str:
        """Where a turn is posted."""
        ...

    def body(self, history: Sequence[Json], *, stream: bool) -> Json:
        """A turn's request."""
        ...

    def prompt(self, text: str) -> list[Json]:
        """The history as it begins."""
        ...

    def whole(self, body: Json) -> tuple[list[Json], list[Call]]:
        """What a reply adds to the history, and its calls."""
        ...

    async def stream(self, response: aiohttp.ClientResponse) -> tuple[list[Json], list[Call]]:
        """The same of a streamed reply."""
        ...

    def results(self, answered: Sequence[tuple[Call, str]]) -> list[Json]:
        """What calls and their results add to the history."""
        ...


async def trial(session: aiohttp.ClientSession, url: str, bare: Bare, work: tuple[str, Path], *, stream: bool) -> int:
    """Work until there is no call any more; `work` is the prompt and the files' folder. Returns the turns."""
    prompt, folder = work
    history = bare.prompt(prompt)
    turns = 0
    while True:
        data = json.dumps(bare.body(history, stream=stream)).encode()
        async with session.post(url, data=data, headers={"Content-Type": "application/json"}) as response:
            said, calls = await bare.stream(response) if stream else bare.whole(json.loads(await response.read()))
        turns += 1
        history += said
        if not calls:
            return turns
        history += bare.results([(call, (folder / call[2]["file_path"]).read_text()) for call in calls])


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    """The JSON objects of server-sent events."""
    async for line in response.content:
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


async def gathered(concurrent: int, times: int, one: Callable[[], Awaitable[None]]) -> None:
    """Do something so many times, so many at a time."""
    gate = asyncio.Semaphore(concurrent)

    async def gated() -> None:
        async with gate:
            await one()

    await asyncio.gather(*(gated() for _ in range(times)))


def bare_of(provider: str) -> Bare:
    """What speaks a provider's protocol: `BARE` of its file here."""
    found: Bare = importlib.import_module(f"bench.bare.{provider.replace('-', '_')}").BARE
    return found
