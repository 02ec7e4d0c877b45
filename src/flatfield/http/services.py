"""What all who ask servers share during one run, and who says when a server may be asked."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from flatfield.http.secrecy import Secrets
from flatfield.tasks.access import nobody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

    import aiohttp

    from flatfield.clock import Clock
    from flatfield.http.retrying import RetryPolicy
    from flatfield.tasks.access import Access


class Admission(Protocol):
    """One attempt that may go out; it is told how the server took it."""

    @property
    def queue_seconds(self) -> float:
        """What was waited for it."""
        ...

    def used(self, tokens: int) -> None:
        """So many tokens it really took, input and output; they count against the server's minute."""
        ...

    def refused(self, wait_seconds: float | None, times: int) -> None:
        """The model was asked too much (429), and asks to be left alone so long; None: it did not say.

        `times`: so often in a row the same request was refused, this time included.
        """
        ...

    def served(self) -> None:
        """The model answered."""
        ...


class Pressure(Protocol):
    """Who says when a server may be asked for one of its models; `place` is the server's host and port."""

    def admit(self, place: str, model: str, tokens: int) -> AbstractAsyncContextManager[Admission]:
        """Wait until one more request of about so many tokens may go out; leaving tells that it is over."""
        ...

    def resting(self, place: str, model: str) -> AbstractContextManager[None]:
        """Whoever waits in here to try again keeps nobody else from work."""
        ...


class Closes(Protocol):
    """What holds something that has to be let go."""

    async def close(self) -> None:
        """Let it go."""
        ...


C = TypeVar("C", bound=Closes)


class Kept:
    """What providers leave running for the next run of this process, such as a model in memory, by a name each."""

    def __init__(self) -> None:
        self._things: dict[str, Closes] = {}
        self._users = 0
        self._is_unwanted = False

    def get(self, name: str, make: Callable[[], C]) -> C:
        """The thing of that name, made where there is none yet."""
        if name not in self._things:
            self._things[name] = make()
        return self._things[name]  # type: ignore[return-value]  # one name, one kind of thing

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Whoever works with any of it does so in here."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._is_unwanted and not self._users:
                await self.close()

    async def let_go(self) -> None:
        """Let all of it go: now, or when the last who works with it is done."""
        self._is_unwanted = True
        if not self._users:
            await self.close()

    async def close(self) -> None:
        """Let all of it go, whoever works with it; what is asked for later is made anew."""
        self._is_unwanted = False
        things, self._things = list(self._things.values()), {}
        for thing in things:
            await thing.close()


@dataclass(kw_only=True, slots=True)
class Services:
    """What providers share during one run: one HTTP session, a clock, the environment, a cache folder, patience.

    `retry` None: the transport's own policy. `pressure` None: nothing is waited for, nobody is told of refusals.
    `access` decides which keys may go where and which programs may run; without one, nobody has trusted anything.
    `secrets` holds the keys that are in force, from when they are first used. `kept` outlives the run: None where no
    other one follows.
    """

    session: aiohttp.ClientSession
    clock: Clock
    environ: Mapping[str, str]
    cache: Path
    retry: RetryPolicy | None = None
    pressure: Pressure | None = None
    access: Access = field(default_factory=nobody)
    secrets: Secrets = field(default_factory=Secrets)
    kept: Kept | None = None


def place_of(url: str) -> str:
    """Host and port, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]
