"""One request that is sent until it succeeds: what is sent, how often it is tried, and what failed attempts leave."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.http.tape import Failed
from flatfield.records import CHARACTERS_PER_TOKEN, Abandoned, Usage

if TYPE_CHECKING:
    from flatfield.http.replies import Marks, Reader
    from flatfield.http.tape import Tape
    from flatfield.records import Wire


# What is sent: one request, with the time and tokens that its reply may take.


class Post(Struct, frozen=True, kw_only=True):
    """One request; `seconds` is the model time it may take, over all of which the reply streams.

    `model` is the one that is asked: refusals are counted for each of a server's models. `output_tokens` is the cap
    that the request states: a server that ignores it is cut off; None: it states none.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    seconds: float
    model: str = ""
    output_tokens: int | None = None


# What the failed attempts of one request leave behind: how each went over the wire, and what a vendor may bill.


class Attempts:
    """Gathers one request's failed attempts, in their order."""

    def __init__(self, post: Post, tape: Tape) -> None:
        self._post = post
        self._tape = tape
        self._broken: list[Reader] = []
        self.wire: tuple[Wire, ...] = ()

    def failed(self, why: str, reader: Reader, marks: Marks) -> None:
        """Another one failed; `why` is free of keys."""
        failed = Failed(why=why, status=marks.status, headers=marks.headers)
        self._keep(marks, failed)
        if reader.begun:
            self._broken.append(reader)

    def succeeded(self, marks: Marks) -> None:
        """The last one did not fail."""
        self._keep(marks, None)

    def abandoned(self, answer: Reader | None = None, *, kept: bool = False) -> tuple[Abandoned, ...]:
        """What each attempt used that broke off after its first token.

        `answer` is the attempt that succeeded, if one did: what the others read was the same. `kept`: it was cut by a
        limit; where the server had not counted its tokens by then, they are the last item.
        """
        counted = answer.counted[0] if answer else None
        like = structs.replace(counted, output_tokens=0, reasoning_tokens=0) if counted else self._guess()
        found = [used(reader, like) for reader in self._broken]
        if kept and answer is not None and (answer.begun or counted):
            found.append(structs.replace(used(answer, like), kept=True))
        return tuple(found)

    def _guess(self) -> Usage:
        return Usage(input_tokens=len(self._post.body) // CHARACTERS_PER_TOKEN)

    def _keep(self, marks: Marks, failed: Failed | None) -> None:
        post = self._post
        self.wire += (self._tape.keep(post.url, post.headers, post.body, bytes(marks.received), failed),)


def used(reader: Reader, like: Usage) -> Abandoned:
    """What a reply that broke off had used: as the server had counted, else the input `like` and the text that came."""
    usage, covered = reader.counted
    uncounted = -(-(reader.letters - covered) // CHARACTERS_PER_TOKEN)
    counted = like if usage is None else usage
    total = structs.replace(counted, output_tokens=counted.output_tokens + uncounted)
    return Abandoned(usage=total, estimated=usage is None or uncounted > 0)


# How often and how long a request that failed is tried again.


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how long a request is tried again.

    `replies`: so many that broke off or could not be read, which may all be billed; a server that is busy or not there
    is asked until `total_wait_seconds` of waiting are used up, and `attempts` times at most. `stall_seconds` without a
    byte count as a lost connection.
    """

    attempts: int = 20
    replies: int = 6
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    total_wait_seconds: float = 180.0
    connect_seconds: float = 15.0
    stall_seconds: float = 600.0

    def wait_seconds(self, attempt: int, asked_seconds: float | None, waited_seconds: float) -> float:
        """Exponential back-off with jitter (half to whole), or what the server asked for when that is longer.

        The last back-off is what is left of all waiting, so that none of it is given up.
        """
        ceiling: float = min(self.longest_wait_seconds, self.first_wait_seconds * 2 ** (attempt - 1))
        own = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        left = self.total_wait_seconds - waited_seconds
        own = min(own, left) if left >= self.first_wait_seconds else own
        return own if asked_seconds is None else max(own, asked_seconds)

    def ending(self, attempt: int, broken: int, asked_seconds: float | None, waited_seconds: float) -> str:
        """Why there is no further attempt; "" when there is one.

        `broken` of them had a reply. `waited_seconds` includes the wait to come, for which the server may have asked.
        """
        if attempt >= self.attempts or broken >= self.replies:
            return f"after {attempt} attempts"
        if waited_seconds > self.total_wait_seconds:
            asked = "" if asked_seconds is None else f"it asks to wait {asked_seconds:g} s, "
            return f"after {attempt} attempts: {asked}{self.total_wait_seconds:g} s are waited at most"
        return ""
