"""What is shown of a model's price: every vendor's, tiers, changes to come, one's own first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from genai_prices.data_snapshot import get_snapshot

from flatfield.errors import NotFound
from flatfield.records import Price
from flatfield.scoring.prices.price_list import Listing, Rates, listings, vendor_rates

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def shown(name: str, **own: Price) -> tuple[Listing, ...]:
    return listings(name, own, get_snapshot(), "genai-prices 1", NOW)


def test_a_model_of_one_vendor_with_its_service_tiers() -> None:
    (gpt,) = shown("openai:gpt-5")
    assert (gpt.provider, gpt.model, gpt.context_tokens, gpt.source) == ("openai", "gpt-5", 400_000, "genai-prices 1")
    assert gpt.rates == Rates(input_mtok=1.25, cache_read_mtok=0.125, output_mtok=10.0)
    assert gpt.exceptions["service tier flex"].output_mtok == 5.0
    assert gpt.exceptions["batch"].input_mtok == 0.625
    assert "service tier default" not in gpt.exceptions


def test_tiers_by_size_and_prices_to_come() -> None:
    (pro,) = shown("gemini:gemini-2.5-pro")
    assert pro.rates.input_mtok == 1.25
    assert pro.exceptions["above 200,000 input tokens"].input_mtok == 2.5
    (argon,) = shown("gemini:gemini-4-argon")
    assert (argon.rates.output_mtok, argon.exceptions["from 2026-12-01"].output_mtok) == (10.0, 20.0)


def test_ones_own_price_comes_first() -> None:
    own = Price(input_mtok=2.0, output_mtok=3.0, source="flatfield.toml:4")
    first, second = shown("gpt-5", **{"gpt-5": own})
    assert (first.provider, first.source) == ("any", "user price file (flatfield.toml:4)")
    assert first.rates == Rates(input_mtok=2.0, cache_read_mtok=2.0, cache_write_mtok=2.0, output_mtok=3.0)
    assert second.provider == "openai"
    assert shown("openai:mine", **{"openai:mine": own})[0].model == "mine"


def test_a_server_by_its_address() -> None:
    (found,) = shown("openai-chat:openai/gpt-oss-120b@https://openrouter.ai/api/v1")
    assert found.provider == "openrouter"
    with pytest.raises(NotFound):
        shown("openai-chat:gpt-5@http://127.0.0.1:1/v1")


def test_an_unknown_model_is_one_sentence_with_names_that_come_close() -> None:
    with pytest.raises(NotFound) as caught:
        shown("gpt-5-mimi")
    assert "no price is known for 'gpt-5-mimi'; names that come close: gpt-5-mini" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(NotFound, match=r"on your own device it costs \$0 at the API"):
        shown("ollama:qwen3")


def test_what_a_provider_of_ours_asks() -> None:
    assert vendor_rates("anthropic", "claude-opus-4-1-20250805", get_snapshot(), NOW) == Rates(
        input_mtok=15.0, cache_read_mtok=1.5, cache_write_mtok=18.75, cache_write_1h_mtok=30.0, output_mtok=75.0
    )
    assert vendor_rates("ollama", "gpt-oss:20b", get_snapshot(), NOW) is None
