"""What each server is asked at once and in a minute: by its user's limits, and by the share that it refuses."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield.records import LaneLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractContextManager

    from flatfield.clock import Clock


# Gives out places, first come, first served; how many there are may change while they are held.


class Gate:
    """`width` says how many places there are now; where it has grown, `admit` is to be called."""

    __slots__ = ("_waiting", "_width", "held")

    def __init__(self, width: Callable[[], float]) -> None:
        self._width = width
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.held = 0

    @property
    def idle(self) -> bool:
        """Whether nobody holds a place or waits for one."""
        return not self.held and not self._waiting

    async def __aenter__(self) -> None:
        """Take a place."""
        await self.enter()

    async def __aexit__(self, *_error: object) -> None:
        """Give it back."""
        self.leave()

    async def enter(self, on_wait: Callable[[], None] | None = None) -> None:
        """Take a place; `on_wait` is called when there is none at once. Who is cancelled gives the place on."""
        if self.held < self._width() and not self._waiting:
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.admit()
        if turn.done():
            return
        try:
            if on_wait is not None:
                on_wait()
            await turn
        except BaseException:
            # The place may have been handed over in the very moment of the cancellation: pass it on.
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                with suppress(ValueError):
                    self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place back."""
        self.held -= 1
        self.admit()

    def admit(self) -> None:
        """Let in who waits, as far as there is room."""
        while self._waiting and self.held < self._width():
            turn = self._waiting.popleft()
            if not turn.done():
                self.held += 1
                turn.set_result(None)


# Spaces requests out, so that no minute holds more requests or tokens than a server takes.


MINUTE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 60.0
"""How long a refusal's wish holds for all; who asks then finds out whether it still does."""


class Sending:
    """One request that went out at `at`, and its tokens: estimated, and then as they were."""

    __slots__ = ("at", "tokens")

    def __init__(self, at: float, tokens: int) -> None:
        self.at = at
        self.tokens = tokens


class Pace:
    """At most so many requests and tokens in any 60 s, first come, first served; None: as many as there are.

    A request that is larger than a whole minute's tokens goes out alone, after a minute without any.
    """

    def __init__(self, clock: Clock, *, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self._clock = clock
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._open_at = clock.now()
        self._sent: deque[Sending] = deque()
        self._order = asyncio.Lock()  # it is fair: who asked first is woken first

    @property
    def is_closed(self) -> bool:
        """Whether a pause still holds."""
        return self._open_at > self._clock.now()

    def pause(self, seconds: float) -> None:
        """Let nothing go out for so long, a minute at most."""
        self._open_at = max(self._open_at, self._clock.now() + min(seconds, LONGEST_PAUSE_SECONDS))

    async def take(self, tokens: int) -> Sending:
        """Wait until a request of about so many tokens may go out, and count it; `tokens` may be corrected later."""
        if self._requests is None and self._tokens is None and not self.is_closed and not self._order.locked():
            return Sending(self._clock.now(), tokens)  # as nearly always: the lock takes ten times as long
        async with self._order:
            while (wait_seconds := self._wait_seconds(tokens)) > 0:
                await self._clock.sleep(wait_seconds)
            sent = Sending(self._clock.now(), tokens)
            if self._requests is not None or self._tokens is not None:
                self._sent.append(sent)
            return sent

    def _wait_seconds(self, tokens: int) -> float:
        now = self._clock.now()
        while self._sent and self._sent[0].at + MINUTE_SECONDS <= now:
            self._sent.popleft()
        opens_at = self._open_at
        if self._requests is not None and len(self._sent) >= self._requests:
            opens_at = max(opens_at, self._sent[-self._requests].at + MINUTE_SECONDS)
        if self._tokens is not None:
            opens_at = max(opens_at, self._room_at(tokens, self._tokens))
        return opens_at - now

    def _room_at(self, tokens: int, most: int) -> float:
        """When enough of the last minute's tokens are a minute old."""
        excess = sum(sent.tokens for sent in self._sent) + tokens - most
        room_at = self._open_at
        for sent in self._sent:
            if excess <= 0:
                break
            excess -= sent.tokens
            room_at = sent.at + MINUTE_SECONDS
        return room_at


# How much one model's server is given at once: less when a large share is refused, more when it serves.


RECENT_REQUESTS = 20
REFUSED_OF_RECENT = 9
"""So many refused of the last 20 sent, and the server is asked too much; stray refusals stay far below that."""
OFTEN_IN_A_ROW = 4
"""A request that is refused so often while others are answered gets its turn only where fewer are let in."""
SERVED_TO_GROW = 8
RAREST_GROWTH = 64


class CountedRequest:
    """One request that went out, and whether it was refused; None: no answer yet."""

    __slots__ = ("refused",)

    def __init__(self) -> None:
        self.refused: bool | None = None


class SharedPressure:
    """Decides by the share of refusals, between 1 and a full width.

    Where 9 of the last 20 requests sent were refused, or one of them 4 times in a row, the width becomes what is still
    under way: so much the server bears. What was answered until then is forgotten, so that each narrowing has refusals
    of its own. A refusal while nothing else is under way says nothing of the width: no less could be asked. After every
    8 requests served the width grows, by one, then two, four and so on; where growing was too much, the next try waits
    for twice as many, 64 at most.
    """

    def __init__(self, width: float = math.inf) -> None:
        self._full = width
        self._recent: deque[CountedRequest] = deque(maxlen=RECENT_REQUESTS)
        self._served = 0
        self._grown = 0
        self._served_to_grow = SERVED_TO_GROW
        self.under_way = 0
        self.width = width

    def fill(self, width: float) -> None:
        """From now on so much is the full width; what refusals have taken off it stays off."""
        self.width = width if self.width >= self._full else min(self.width, width)
        self._full = width

    def sent(self) -> CountedRequest:
        """Another request goes out; `ended` is to be told when it is over."""
        self.under_way += 1
        asking = CountedRequest()
        self._recent.append(asking)
        return asking

    def ended(self) -> None:
        """A request is over, whatever came of it."""
        self.under_way -= 1

    def refused(self, asking: CountedRequest, times: int = 1) -> bool:
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

    def served(self, asking: CountedRequest) -> bool:
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


# ---------------------------------------------------------------------------- where every attempt passes


class ServerLimits:
    """One server, for all its models together: what the user says that it may be asked, at once and in a minute."""

    def __init__(self, clock: Clock, limits: LaneLimits | None = None) -> None:
        self.limits = limits or LaneLimits()
        self.pace = Pace(
            clock,
            requests_per_minute=self.limits.requests_per_minute,
            tokens_per_minute=self.limits.tokens_per_minute,
        )
        concurrent = self.limits.concurrent
        most = math.inf if concurrent is None else concurrent
        self.resting = 0
        self.trials = Gate(lambda: most + spare(self.resting, most))
        self.requests = Gate(lambda: most)

    def lane_width(self, width: int) -> int:
        """How wide a lane to it is that would be so wide of its own: what the user says goes first."""
        return width if self.limits.concurrent is None else self.limits.concurrent


def spare(resting: int, width: float) -> int:
    """Places of those who wait to try again are lent to others, up to half of all: they will be back."""
    return int(min(resting, width / 2))


class Quarters:
    """What one model has of a server: how much it is asked at once now, and whether it asked to be left alone."""

    def __init__(self, clock: Clock, on_growth: Callable[[], None]) -> None:
        self._clock = clock
        self._asked = 0
        self.resting = 0
        self._pause = Pace(clock, requests_per_minute=None, tokens_per_minute=None)
        self._on_growth = on_growth
        self.pressure = SharedPressure()
        self._gate = Gate(lambda: self.pressure.width)

    @property
    def width(self) -> float:
        """How much it may be asked at once now."""
        return self.pressure.width

    @property
    def spare(self) -> int:
        """How many more trials may run because others only wait to try again; none where the model refuses much."""
        return spare(self.resting, self._asked) if self.width >= self._asked else 0

    def fill(self, width: int) -> None:
        """Be as wide as the widest of the lanes that lead here, whichever is asked for first."""
        if width > self._asked:
            self._asked = width
            self.pressure.fill(width)
            self._gate.admit()

    @asynccontextmanager
    async def admit(
        self, server: ServerLimits, tokens: int, resting: Callable[[], AbstractContextManager[None]]
    ) -> AsyncIterator[Attempt]:
        """Hold a place here and at the server, from when the model may be asked until the attempt is over.

        Who waits because the model refused is `resting` meanwhile.
        """
        asked = self._clock.now()
        with ExitStack() as stack:

            def rest() -> None:
                stack.enter_context(resting())

            await self._gate.enter(rest)
            try:
                if self._pause.is_closed:
                    rest()
                await self._pause.take(0)
            except BaseException:
                self._gate.leave()
                raise
        try:
            async with server.requests:
                sending = await server.pace.take(tokens)
                asking = self.pressure.sent()
                try:
                    yield Attempt(self, asking, sending, self._clock.now() - asked)
                finally:
                    self.pressure.ended()
        finally:
            self._gate.leave()

    def refused(self, asking: CountedRequest, wait_seconds: float | None, times: int) -> None:
        """An attempt under way was refused: where many are, fewer at once, and none for as long as it says."""
        if self.pressure.refused(asking, times) and wait_seconds is not None:
            self._pause.pause(wait_seconds)

    def served(self, asking: CountedRequest) -> None:
        """An attempt was answered."""
        if self.pressure.served(asking):
            self._gate.admit()
            self._on_growth()


class Attempt:
    """One attempt that may go out; see `http.services.Admission`."""

    __slots__ = ("_asking", "_quarters", "_sending", "queue_seconds")

    def __init__(self, quarters: Quarters, asking: CountedRequest, sending: Sending, queue_seconds: float) -> None:
        self._quarters = quarters
        self._asking = asking
        self._sending = sending
        self.queue_seconds = queue_seconds

    def used(self, tokens: int) -> None:
        """Count what it really took."""
        self._sending.tokens = tokens

    def refused(self, wait_seconds: float | None, times: int = 1) -> None:
        """The model was asked too much."""
        self._quarters.refused(self._asking, wait_seconds, times)

    def served(self) -> None:
        """The model answered."""
        self._quarters.served(self._asking)


def limits_of(place: str, provider: str, given: Mapping[str, LaneLimits]) -> LaneLimits | None:
    """What the user says of a server: by its host and port, else by its host, else by the provider."""
    host = urlsplit(f"//{place}").hostname or ""
    return next((given[key] for key in (place, host, provider) if key in given), None)


def narrower(one: LaneLimits, other: LaneLimits) -> LaneLimits:
    """Of two limits of a server the smaller number of each kind: at once, requests a minute, tokens a minute."""
    names = ("concurrent", "requests_per_minute", "tokens_per_minute")
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    return LaneLimits(
        source=one.source,
        **{name: min((each for each in pair if each is not None), default=None) for name, pair in pairs.items()},
    )
