"""Another model than the one that was asked for is pointed out; a date, a folder or a tag makes none."""

from __future__ import annotations

import pytest

from flatfield.records import Reply, Sent, TrialRecord, Turn
from flatfield.scoring.fairness.received import is_other, others
from flatfield.testing.trials import a_trial


@pytest.mark.parametrize(
    ("asked", "answered", "other"),
    [
        ("gpt-5", "gpt-5-mini-2025-08-07", True),
        ("gpt-5", "gpt-5-2025-08-07", False),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", False),
        ("claude-sonnet-4-5", "claude-haiku-4-5-20251001", True),
        ("models/gemini-2.5-flash", "gemini-2.5-flash", False),
        ("gemini-2.5-flash", "gemini-2.5-flash-001", False),
        ("gemini-2.0-flash", "gemini-2.5-flash", True),
        ("qwen3", "qwen3:latest", False),
        ("qwen3:8b", "qwen3:1.7b", True),
        ("qwen", "/models/Qwen.gguf", False),
        ("google/gemini-2.5-pro", "gemini-2.5-pro", False),
        ("gpt-5", "", False),
        ("", "gpt-5", False),
    ],
)
def test_names_of_one_model(asked: str, answered: str, other: bool) -> None:
    assert is_other(asked, answered) is other


def test_who_answered_is_said_once_for_each_agent() -> None:
    def trial(agent: str, repeat: int, answered: str) -> TrialRecord:
        turns = (Turn(reply=Reply(text="", request=Sent(model="gpt-5", answered_by=answered))),) * 2
        return a_trial(agent, "t", repeat, turns=turns)

    found = list(others([trial("a", 1, "gpt-5-mini"), trial("a", 2, "gpt-5-mini"), trial("b", 1, "gpt-5-2025-08-07")]))
    assert found == ["a asked for gpt-5 and was answered by gpt-5-mini in 2 trials: that is what was measured"]
