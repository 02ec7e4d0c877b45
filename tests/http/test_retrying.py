"""Waiting for a server that is busy: all of it is used up, and no more."""

from __future__ import annotations

import itertools

import pytest

from flatfield.http.retrying import RetryPolicy


def waits(asked_seconds: float | None) -> list[float]:
    """What one request waits, whose every attempt fails."""
    policy, found = RetryPolicy(), list[float]()
    for attempt in itertools.count(1):
        wait_seconds = policy.wait_seconds(attempt, asked_seconds, sum(found))
        if policy.ending(attempt, 0, asked_seconds, sum(found) + wait_seconds):
            return found
        found.append(wait_seconds)
    raise AssertionError("unreachable")


@pytest.mark.parametrize("_", range(20))
def test_all_the_waiting_is_used_up_whatever_the_jitter(_: int) -> None:
    policy = RetryPolicy()
    assert policy.total_wait_seconds - policy.first_wait_seconds <= sum(waits(None)) <= policy.total_wait_seconds + 1e-6


def test_a_server_is_never_asked_sooner_than_it_wishes() -> None:
    assert min(waits(50.0)) >= 50.0
    assert sum(waits(50.0)) <= RetryPolicy().total_wait_seconds
    assert waits(181.0) == []
