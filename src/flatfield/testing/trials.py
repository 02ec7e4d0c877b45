"""The record of a trial for tests: what a test does not name is the plainest there is."""

from __future__ import annotations

from typing import Any

from flatfield.records import TrialRecord


def a_trial(agent: str = "a", task: str = "t", repeat: int = 1, **fields: Any) -> TrialRecord:  # noqa: ANN401 - as they are
    """A trial that answered, and of which nothing else is known but these fields."""
    plain = {"run": "r", "task_digest": "", "agent_fingerprint": "", "stop": "answered"}
    return TrialRecord(agent=agent, task=task, repeat=repeat, **(plain | fields))
