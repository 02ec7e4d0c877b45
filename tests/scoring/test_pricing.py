"""Prices: known, own, free on the device, and None for everything else."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from flatfield.records import AgentConfig, Usage
from flatfield.scoring.pricing import Price, Prices, is_loopback, runs_on_device

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
AUGUST = Prices(at=datetime(2025, 8, 15, tzinfo=UTC))


def agent(provider: str, model: str, base_url: str | None = None, *, on_device: bool | None = None) -> AgentConfig:
    return AgentConfig(name="a", provider=provider, model=model, base_url=base_url, on_device=on_device)


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [("openai", "gpt-5", 11.25), ("anthropic", "claude-opus-4-1", 90.0), ("gemini", "gemini-2.5-flash", 2.8)],
)
def test_each_vendors_own_prices(provider: str, model: str, usd: float) -> None:
    assert AUGUST.usd(agent(provider, model), MILLION, on_device=False) == pytest.approx(usd)


def test_a_server_is_known_by_its_host() -> None:
    openai = agent("openai-chat", "gpt-5", "https://api.openai.com/v1")
    assert AUGUST.usd(openai, MILLION, on_device=False) == pytest.approx(11.25)


@pytest.mark.parametrize(
    "unknown",
    [
        agent("openai", "gpt-no-such-model"),
        agent("openai", ""),
        agent("openai", "gpt-5", "http://127.0.0.1:9999/v1"),
        agent("openai-chat", "gpt-5", "http://127.0.0.1:9999/v1"),
        agent("openai-chat", "gpt-5"),
        agent("ollama", "gpt-oss:20b", "https://ollama.example.org"),
        agent("noop", ""),
        agent("third-party", "gpt-5"),
    ],
)
def test_an_unknown_price_is_none_never_0(unknown: AgentConfig) -> None:
    assert AUGUST.usd(unknown, MILLION, on_device=False) is None


@pytest.mark.parametrize(
    "free",
    [
        agent("local", "smollm2"),
        agent("ollama", "gpt-oss:20b"),
        agent("ollama", "gpt-oss:20b", "http://127.0.0.1:11434"),
        agent("openai-chat", "any", "http://192.168.1.5:8000/v1", on_device=True),
    ],
)
def test_on_the_users_device_it_is_free_also_without_usage(free: AgentConfig) -> None:
    assert AUGUST.usd(free, None, on_device=False) == 0.0


def test_a_loopback_server_that_is_said_to_be_elsewhere_is_not_free() -> None:
    remote = agent("ollama", "gpt-oss:20b", on_device=False)
    assert not runs_on_device(remote)
    assert AUGUST.usd(remote, MILLION, on_device=False) is None


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://localhost:11434", True), ("http://[::1]:1", True), ("http://127.8.8.8", True), ("http://10.0.0.1", False),
     ("http://localhost.example.org", False), ("https://ollama.com", False), (None, True)],
)  # fmt: skip
def test_loopback(url: str | None, loopback: bool) -> None:
    assert is_loopback(url) is loopback


def test_cached_input_costs_less_and_reasoning_is_not_billed_twice() -> None:
    usage = Usage(input_tokens=1000, cache_read_tokens=800, output_tokens=100, reasoning_tokens=90)
    expected = (200 * 1.25 + 800 * 0.125 + 100 * 10) / 1e6
    assert AUGUST.usd(agent("openai", "gpt-5"), usage, on_device=False) == pytest.approx(expected)


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
    assert prices.usd(agent("third-party", "x"), MILLION, on_device=False) == pytest.approx(2.0)
    assert prices.version() == f"genai-prices {version('genai-prices')}; own prices: gpt-5, third-party:x"


def test_prices_have_tiers_by_the_size_of_one_request() -> None:
    gemini = agent("gemini", "gemini-2.5-pro")
    half = Usage(input_tokens=150_000, output_tokens=0)
    whole = Usage(input_tokens=300_000, output_tokens=0)
    one, both = AUGUST.usd(gemini, half, on_device=False), AUGUST.usd(gemini, whole, on_device=False)
    assert one is not None
    assert both is not None
    assert both > 2 * one
