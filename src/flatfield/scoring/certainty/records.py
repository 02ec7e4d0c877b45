"""What goes into the posterior, and what comes out of it: frozen records, without arrays."""

from __future__ import annotations

from msgspec import Struct


class Observation(Struct, frozen=True, kw_only=True):
    """One measured trial: its score in 0..1, whether it passed every check, active seconds, dollars (None: unknown).

    `wait_seconds`: wall time without queue, load included; None: its active seconds.
    """

    agent: str
    task: str
    score: float
    solved: bool
    seconds: float
    usd: float | None = None
    wait_seconds: float | None = None


class Money(Struct, frozen=True, kw_only=True):
    """What matters, in dollars: what a solved task is worth, and what an hour of waiting costs."""

    solved_usd: float
    hour_usd: float = 0.0
