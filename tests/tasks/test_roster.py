"""The known models: data that holds together, priced where there is a price, and retired from their day on."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from genai_prices.data_snapshot import get_snapshot
from msgspec import structs

from flatfield import plugins
from flatfield.tasks.agents import is_name, parse_agent
from flatfield.tasks.roster import SOON_DAYS, as_agent, known_models, notice, remark, retirement

ORIGINAL = {
    "gpt-5": "openai", "gpt-5-mini": "openai", "gpt-5-nano": "openai",
    "claude-opus-4-1": "anthropic", "claude-opus-4": "anthropic", "claude-sonnet-4": "anthropic",
    "claude-3-haiku": "anthropic", "gpt-oss-20b": "ollama", "gpt-oss-120b": "ollama",
}  # fmt: skip
KNOWN = {model.name: model for model in known_models()}


def test_the_original_nine_are_there_on_their_own_apis() -> None:
    assert {name: KNOWN[name].provider for name in ORIGINAL} == ORIGINAL


@pytest.mark.parametrize("name", KNOWN)
def test_each_can_be_an_agent_and_agrees_with_the_prices_data(name: str) -> None:
    known = KNOWN[name]
    assert is_name(name)
    assert known.provider in plugins.names("provider")
    assert known.released is None or known.retires is None or known.released < known.retires
    if vendor := plugins.traits_of(known.provider).price_name:
        _, info = get_snapshot().find_provider_model(known.model, None, vendor, None)
        assert info.context_window == known.context_tokens


def test_what_it_takes_from_a_model_is_no_setting() -> None:
    agent = as_agent(KNOWN["gpt-5"])
    assert (agent.provider, agent.model, agent.context_tokens, agent.source) == ("openai", "gpt-5", None, "shipped")


def test_a_model_is_retired_from_its_day_on() -> None:
    last = KNOWN["gpt-5"].retires
    assert last == date(2026, 12, 11)
    agent = as_agent(KNOWN["gpt-5"])
    assert retirement(agent, last - timedelta(days=1)) == ""
    assert retirement(agent, last) == (
        "gpt-5 was retired by its vendor on 2026-12-11; the one to use instead is gpt-6.1-sol"
    )
    assert retirement(as_agent(KNOWN["gpt-oss-20b"]), last) == ""


def test_that_a_model_is_soon_retired_is_said_before() -> None:
    agent, last = as_agent(KNOWN["gpt-5"]), date(2026, 12, 11)
    assert notice(agent, last - timedelta(days=SOON_DAYS + 1)) == ""
    assert notice(agent, last - timedelta(days=1)) == (
        "gpt-5 retires on 2026-12-11; the one to use instead is gpt-6.1-sol"
    )
    assert notice(agent, last) == retirement(agent, last)
    assert notice(structs.replace(agent, base_url="http://h/v1"), last) == ""
    assert notice(as_agent(KNOWN["gpt-oss-20b"]), last) == ""


def test_a_model_that_retires_has_a_successor_that_does_not_retire_with_it() -> None:
    by_model = {(known.provider, known.model): known for known in KNOWN.values()}
    for known in KNOWN.values():
        assert not known.successor or known.retires is not None
        follower = by_model.get((known.provider, known.successor))
        assert follower is None or follower.retires is None or follower.retires > (known.retires or date.max)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            "openai:gpt-5-minni",
            "'gpt-5-minni' is not a model that flatfield knows; names that come close: gpt-5-mini, ",
        ),
        ("anthropic:zzz", "'zzz' is not a model that flatfield knows; see: flatfield models list"),
        ("gemini:gemini-2.5-pro", "gemini-2.5-pro was retired by its vendor on 2026-12-01; "),
        ("openai:gpt-5.5", ""),
        ("openai:gpt-5-minni@http://h/v1", ""),
        ("ollama:anything", ""),
        ("openai-chat:anything@http://h/v1", ""),
        ("noop:", ""),
    ],
)
def test_what_is_said_of_a_model_that_is_not_ready(spec: str, said: str) -> None:
    found = remark(parse_agent(spec), date(2026, 12, 2))
    assert found.startswith(said)
    assert bool(found) is bool(said)
