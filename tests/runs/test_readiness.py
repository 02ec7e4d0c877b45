"""What is asked and said of models before the first dollar."""

from __future__ import annotations

from datetime import date

from flatfield.records import AgentConfig
from flatfield.runs.readiness import notices


def test_what_is_to_be_known_of_models_is_said_once_for_each() -> None:
    agents = [AgentConfig(name=name, provider="openai", model="gpt-5") for name in "ab"]
    agents += [AgentConfig(name="c", provider="openai", model="gpt-6-sol"), AgentConfig(name="noop", provider="noop")]
    (said,) = notices(agents, date(2026, 12, 1))
    assert said == "gpt-5 retires on 2026-12-11; the one to use instead is gpt-6.1-sol"
    assert notices(agents, date(2026, 6, 1)) == ()
