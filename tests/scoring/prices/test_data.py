"""Newer price data: taken in when it is sound, used from then on, and never in the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield.errors import FlatfieldError
from flatfield.records import AgentConfig, Usage
from flatfield.scoring.prices.pricing import DataFile, Prices

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
GPT = AgentConfig(name="a", provider="openai", model="gpt-5")
MILLION = Usage(input_tokens=1_000_000)


def data(input_mtok: float = 7.0) -> bytes:
    model = {"id": "gpt-5", "match": {"equals": "gpt-5"}, "prices": {"input_mtok": input_mtok, "output_mtok": 8}}
    openai = {"id": "openai", "name": "OpenAI", "api_pattern": r"https://api\.openai\.com", "models": [model]}
    return json.dumps([openai]).encode()


def cost(cache: Path | None) -> float | None:
    return Prices(cache=cache).usd(GPT, MILLION, on_device=False)


def test_without_a_download_the_package_counts(tmp_path: Path) -> None:
    assert DataFile(tmp_path).version() == f"genai-prices {version('genai-prices')}"
    assert cost(tmp_path) == cost(None) == 1.25


def test_what_is_saved_is_used_and_its_date_is_said(tmp_path: Path) -> None:
    assert DataFile(tmp_path).save(data(), "https://example.org/data.json", NOW) == 1
    assert cost(tmp_path) == 7.0
    assert Prices(cache=tmp_path).version() == f"genai-prices {version('genai-prices')} with data of 2026-11-22"


@pytest.mark.parametrize("nonsense", [b"", b"<html>", b"[]", b"{}", b'[{"id": 3}]', b"[1]"])
def test_what_is_no_price_data_changes_nothing(tmp_path: Path, nonsense: bytes) -> None:
    DataFile(tmp_path).save(data(), "here", NOW)
    with pytest.raises(FlatfieldError, match="there holds no data of genai-prices"):
        DataFile(tmp_path).save(nonsense, "there", NOW)
    assert cost(tmp_path) == 7.0


@pytest.mark.parametrize("damage", [b"", b"{", b"[]"])
def test_a_damaged_download_does_not_count(tmp_path: Path, damage: bytes) -> None:
    file = DataFile(tmp_path)
    file.save(data(), "here", NOW)
    assert file.path is not None
    file.path.write_bytes(damage)
    assert cost(tmp_path) == 1.25
    assert "data of" not in Prices(cache=tmp_path).version()


def test_a_download_by_another_version_of_the_package_does_not_count(tmp_path: Path) -> None:
    file = DataFile(tmp_path)
    file.save(data(), "here", NOW)
    assert file.path is not None
    stored: dict[str, Any] = msgspec.json.decode(file.path.read_bytes())
    file.path.write_bytes(msgspec.json.encode({**stored, "package": "0.0.1"}))
    assert cost(tmp_path) == 1.25


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "prices").write_text("a file")
    with pytest.raises(FlatfieldError, match="prices cannot be kept at"):
        DataFile(tmp_path).save(data(), "here", NOW)
