"""How often and how long a request that failed is tried again."""

from __future__ import annotations

import random

from msgspec import Struct


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
