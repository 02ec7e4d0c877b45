"""Prices: known, own, free on the device, by service tier, and None for everything else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest
from genai_prices import data_snapshot
from genai_prices.data_snapshot import DataSnapshot

from flatfield.records import AgentConfig, Price, Sent, Usage
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.importers.nano_agent_2025_08 import load

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
AUGUST = Prices(at=datetime(2025, 8, 15, tzinfo=UTC))
AUTUMN = Prices(at=datetime(2025, 10, 15, tzinfo=UTC))


def agent(provider: str, model: str, base_url: str | None = None) -> AgentConfig:
    return AgentConfig(name="a", provider=provider, model=model, base_url=base_url)


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [
        ("openai", "gpt-5", 11.25),
        ("openai-chat", "gpt-5", 11.25),
        ("anthropic", "claude-opus-4-1", 90.0),
        ("gemini", "gemini-2.5-flash", 2.8),
        ("gemini", "models/gemini-2.5-flash", 2.8),
    ],
)
def test_each_vendors_own_prices(provider: str, model: str, usd: float) -> None:
    assert AUGUST.usd(agent(provider, model), MILLION, on_device=False) == pytest.approx(usd)


def test_a_price_is_worked_out_once_for_equal_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    prices, asked = Prices(at=datetime(2025, 8, 15, tzinfo=UTC)), list[str]()
    calculate = DataSnapshot.calc

    def counted(snapshot: DataSnapshot, usage: Any, model: str, *others: Any) -> Any:
        asked.append(model)
        return calculate(snapshot, usage, model, *others)

    monkeypatch.setattr(DataSnapshot, "calc", counted)
    gpt = agent("openai", "gpt-5")
    assert [prices.usd(gpt, MILLION, on_device=False) for _ in range(3)] == [pytest.approx(11.25)] * 3
    assert prices.described(gpt, Sent(), MILLION)
    assert prices.usd(gpt, Usage(output_tokens=1), on_device=False) == pytest.approx(0.00001)
    assert asked == ["gpt-5", "gpt-5"]


def test_a_server_is_known_by_its_host() -> None:
    openai = agent("openai-chat", "gpt-5", "https://api.openai.com/v1")
    assert AUGUST.usd(openai, MILLION, on_device=False) == pytest.approx(11.25)


HERE = ("http://127.0.0.1:8080/v1", "http://localhost:11434", "https://[::1]:8000/v1")


def test_the_list_is_not_loaded_for_servers_on_this_machine_as_it_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {provider.api_pattern for provider in data_snapshot.get_snapshot().providers}
    assert not [pattern for pattern in named for address in HERE if re.match(pattern, address)]
    loaded = list[int]()
    monkeypatch.setattr(data_snapshot, "get_snapshot", lambda: loaded.append(1))
    prices, desk = Prices(), [agent("openai-chat", "gpt-5", address) for address in HERE]
    prices.prepare(desk)
    assert [prices.usd(each, MILLION, on_device=False) for each in desk] == [None] * 3
    assert not loaded
    prices.prepare([*desk, agent("openai", "gpt-5")])
    assert loaded


@pytest.mark.parametrize("provider", ["openai", "openai-chat", "anthropic"])
def test_where_a_request_really_went_decides(provider: str) -> None:
    gateway = Sent(base_url="http://127.0.0.1:9999/v1")
    assert AUGUST.usd(agent(provider, "gpt-5"), MILLION, on_device=False, sent=gateway) is None
    vendor = Sent(base_url="https://api.openai.com/v1")
    assert AUGUST.usd(agent(provider, "gpt-5"), MILLION, on_device=False, sent=vendor) == pytest.approx(11.25)


@pytest.mark.parametrize(
    "unknown",
    [
        agent("openai", "gpt-no-such-model"),
        agent("openai", ""),
        agent("openai", "gpt-5", "http://127.0.0.1:9999/v1"),
        agent("openai-chat", "gpt-5", "http://127.0.0.1:9999/v1"),
        agent("openai-chat", "no-such-model"),
        agent("ollama", "gpt-oss:20b", "https://ollama.example.org"),
        agent("ollama", "gpt-oss:20b"),
        agent("local", "smollm2"),
        agent("noop", ""),
        agent("third-party", "gpt-5"),
    ],
)
def test_an_unknown_price_is_none_never_0(unknown: AgentConfig) -> None:
    assert AUGUST.usd(unknown, MILLION, on_device=False) is None


def test_it_is_free_where_the_provider_says_on_device_and_nowhere_else() -> None:
    ollama = agent("ollama", "gpt-oss:20b", "http://127.0.0.1:11434")
    assert AUGUST.usd(ollama, None, on_device=True) == 0.0
    assert AUGUST.usd(ollama, MILLION, on_device=False) is None


def test_cached_input_costs_less_and_reasoning_is_not_billed_twice() -> None:
    usage = Usage(input_tokens=1000, cache_read_tokens=800, output_tokens=100, reasoning_tokens=90)
    expected = (200 * 1.25 + 800 * 0.125 + 100 * 10) / 1e6
    assert AUGUST.usd(agent("openai", "gpt-5"), usage, on_device=False) == pytest.approx(expected)


def test_some_published_gpt_5_costs_are_more_than_their_tokens_can_cost() -> None:
    """No cached input, every output token at the full rate: the most that these tokens can have cost."""
    too_much: dict[tuple[str, str], float] = {}
    for trial in load().trials:
        paid: Any = trial.published["cost_usd"]
        if not trial.agent.startswith("gpt-5") or trial.usage is None or paid is None:
            continue
        most = AUGUST.usd(agent("openai", trial.agent), trial.usage, on_device=False)
        assert most is not None
        if paid > most * 1.02:  # published costs are rounded
            too_much[trial.agent, trial.task[0]] = round(paid / most, 2)
    assert too_much == {
        ("gpt-5", "1"): 1.84, ("gpt-5-mini", "1"): 1.8, ("gpt-5-nano", "1"): 1.81,
        ("gpt-5", "2"): 1.86, ("gpt-5-mini", "2"): 1.48, ("gpt-5-nano", "2"): 1.69,
        ("gpt-5-nano", "3"): 1.04, ("gpt-5", "4"): 1.08, ("gpt-5-nano", "4"): 1.35, ("gpt-5-nano", "5"): 1.09,
    }  # fmt: skip


def test_usage_that_contradicts_itself_has_no_price() -> None:
    usage = Usage(input_tokens=100, cache_read_tokens=200, output_tokens=1)
    assert AUGUST.usd(agent("openai", "gpt-5"), usage, on_device=False) is None
    assert AUGUST.usd(agent("openai", "gpt-5"), None, on_device=False) is None


def test_own_prices_win() -> None:
    own = Price(input_mtok=2.0, cache_read_mtok=0.5, output_mtok=8.0)
    prices = Prices({"gpt-5": own, "third-party:x": Price(input_mtok=1.0, output_mtok=1.0)})
    usage = Usage(input_tokens=1000, cache_read_tokens=400, cache_write_tokens=100, output_tokens=10)
    expected = (500 * 2.0 + 400 * 0.5 + 100 * 2.0 + 10 * 8.0) / 1e6
    assert prices.usd(agent("openai", "gpt-5"), usage, on_device=False) == pytest.approx(expected)
    assert prices.usd(agent("ollama", "gpt-5"), usage, on_device=True) == pytest.approx(expected)
    assert prices.usd(agent("third-party", "x"), MILLION, on_device=False) == pytest.approx(2.0)
    assert prices.version() == f"genai-prices {version('genai-prices')}; user price file: gpt-5, third-party:x"


HOUR = Usage(input_tokens=1000, cache_write_tokens=800, cache_write_1h_tokens=600, output_tokens=0)


def test_what_the_cache_keeps_for_an_hour_costs_twice_the_input() -> None:
    sonnet = agent("anthropic", "claude-sonnet-4-5")
    assert AUTUMN.usd(sonnet, HOUR, on_device=False) == pytest.approx((200 * 3 + 200 * 3.75 + 600 * 6) / 1e6)


def test_where_no_rate_is_known_for_it_no_price_is() -> None:
    listed = agent("openai-chat", "anthropic/claude-3-haiku", "https://openrouter.ai/api/v1")
    five = Usage(input_tokens=1000, cache_write_tokens=800)
    assert AUTUMN.usd(listed, five, on_device=False) is not None
    assert AUTUMN.usd(listed, HOUR, on_device=False) is None
    own = Price(input_mtok=2, output_mtok=3, cache_write_mtok=4, source="f.toml:1")
    m = agent("anthropic", "m")
    assert Prices({"m": own}).usd(m, HOUR, on_device=False) is None
    both = Price(input_mtok=2, output_mtok=3, cache_write_mtok=4, cache_write_1h_mtok=5, source="f.toml:1")
    assert Prices({"m": both}).usd(m, HOUR, on_device=False) == pytest.approx((200 * 2 + 200 * 4 + 600 * 5) / 1e6)


def test_more_for_an_hour_than_was_written_contradicts_itself() -> None:
    odd = Usage(input_tokens=1000, cache_write_tokens=8, cache_write_1h_tokens=9)
    assert AUTUMN.usd(agent("anthropic", "claude-sonnet-4-5"), odd, on_device=False) is None


def test_a_price_for_provider_and_model_wins_over_one_for_the_model() -> None:
    one, ten = Price(input_mtok=1.0, output_mtok=0.0), Price(input_mtok=10.0, output_mtok=0.0)
    prices = Prices({"m": ten, "openai:m": one})
    assert prices.usd(agent("openai", "m"), MILLION, on_device=False) == 1.0
    assert prices.usd(agent("gemini", "m"), MILLION, on_device=False) == 10.0


def test_prices_have_tiers_by_the_size_of_one_request() -> None:
    gemini = agent("gemini", "gemini-2.5-pro")
    half = Usage(input_tokens=150_000, output_tokens=0)
    whole = Usage(input_tokens=300_000, output_tokens=0)
    one, both = AUGUST.usd(gemini, half, on_device=False), AUGUST.usd(gemini, whole, on_device=False)
    assert one is not None
    assert both is not None
    assert both > 2 * one


@pytest.mark.parametrize(
    ("tier", "usd"),
    [("default", 11.25), ("standard", 11.25), ("flex", 5.625), ("batch", 5.625), ("priority", 22.5), ("scale", None)],
)
def test_the_service_tier_that_was_reported_is_paid(tier: str, usd: float | None) -> None:
    november = Prices(at=datetime(2026, 11, 22, tzinfo=UTC))
    found = november.usd(agent("openai", "gpt-5"), MILLION, on_device=False, sent=Sent(service_tier=tier))
    assert found == (None if usd is None else pytest.approx(usd))


def test_a_tier_that_had_no_price_then_has_none() -> None:
    assert AUGUST.usd(agent("openai", "gpt-5"), MILLION, on_device=False, sent=Sent(service_tier="flex")) is None


def test_how_a_request_is_priced_is_said_in_words() -> None:
    agent = AgentConfig(name="a", provider="openai", model="gpt-5")
    prices = Prices(at=datetime(2026, 11, 1, tzinfo=UTC))
    assert prices.described(agent, Sent()).startswith(
        "$1.25 in, $0.125 cached, $10 out per million tokens: genai-prices "
    )
    flex = prices.described(agent, Sent(service_tier="flex"))
    assert flex.startswith("$0.625 in, $0.0625 cached, $5 out per million tokens at the service tier flex: ")
    assert prices.described(agent, Sent(service_tier="unheard-of")) == ""
    assert prices.described(AgentConfig(name="a", provider="openai", model="nobody"), Sent()) == ""
    own = Price(input_mtok=1.0, output_mtok=2.0, source="flatfield.toml:3")
    said = Prices({"gpt-5": own}).described(agent, Sent())
    assert said == "$1 in, $2 out per million tokens: user price file (flatfield.toml:3)"


def test_the_model_that_answered_is_paid_where_its_price_is_known() -> None:
    asked = agent("openai", "gpt-5")
    assert AUGUST.usd(asked, MILLION, on_device=False, sent=Sent(answered_by="gpt-5-mini-2025-08-07")) == pytest.approx(
        2.25
    )
    assert AUGUST.usd(asked, MILLION, on_device=False, sent=Sent(answered_by="gpt-5-2025-08-07")) == pytest.approx(
        11.25
    )
    assert AUGUST.usd(asked, MILLION, on_device=False, sent=Sent(answered_by="nobody-knows")) == pytest.approx(11.25)
    own = Prices({"gpt-5": Price(input_mtok=1.0, output_mtok=1.0)})
    assert own.usd(asked, MILLION, on_device=False, sent=Sent(answered_by="gpt-5-mini")) == pytest.approx(2.0)


def test_a_name_with_its_maker_in_front_is_the_model() -> None:
    door = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi"
    named, plain = agent("openai-chat", "google/gemini-2.5-flash", door), agent("openai-chat", "gemini-2.5-flash", door)
    assert AUGUST.usd(named, MILLION, on_device=False) == AUGUST.usd(plain, MILLION, on_device=False)
    assert AUGUST.usd(named, MILLION, on_device=False) is not None
