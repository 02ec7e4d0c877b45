"""`flatfield prices` and `models list`: what is known, one's own price first, and newer data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    import pytest

    Cli = Callable[..., CompletedProcess[str]]

OWN = '[prices."openai:gpt-5"]\ninput_mtok = 3\noutput_mtok = 4\n'
DATA = [
    {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": r"https://api\.openai\.com",
        "models": [
            {"id": "gpt-5", "match": {"equals": "gpt-5"}, "prices": {"input_mtok": 77, "output_mtok": 8}},
        ],
    }
]


def test_all_that_is_known_of_a_model(cli: Cli, project: Path) -> None:
    (project / "flatfield.toml").write_text(OWN)
    done = cli("prices", "show", "gpt-5")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[1].split()[2:] == ["user", "price", "file", "$3", "$3", "$3", "$4"]
    assert lines[2].split() == ["(flatfield.toml:1)"]
    assert lines[3].split() == ["openai", "gpt-5", "$1.25", "$0.125", "–", "$10"]
    assert any("service tier flex" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert "genai-prices 0." in done.stderr


def test_the_same_as_json(cli: Cli) -> None:
    told = json.loads(cli("prices", "show", "openai:gpt-5-mini", "--json").stdout)
    assert told["version"].startswith("genai-prices ")
    assert told["prices"][0]["rates"] == {
        "input_mtok": 0.25, "cache_read_mtok": 0.025, "cache_write_mtok": None, "cache_write_1h_mtok": None,
        "output_mtok": 2.0,
    }  # fmt: skip


def test_an_unknown_model(cli: Cli) -> None:
    done = cli("prices", "show", "gpt-5-mimi")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no price is known for 'gpt-5-mimi'; names that come close: gpt-5-mini" in done.stderr


def test_newer_data_is_kept_and_used(cli: Cli, project: Path) -> None:
    (project / "data.json").write_text(json.dumps(DATA))
    done = cli("prices", "update", "--from", "data.json")
    assert done.returncode == 0, done.stderr
    assert "prices of 1 models are in use: genai-prices" in done.stdout
    shown = cli("prices", "show", "openai:gpt-5")
    assert "$77" in shown.stdout
    assert "with data of 20" in shown.stderr


def test_without_a_network_nothing_is_broken(cli: Cli) -> None:
    done = cli("prices", "update", "--from", "http://127.0.0.1:9/data.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no prices could be fetched from http://127.0.0.1:9/data.json (ClientConnector" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert cli("prices", "show", "openai:gpt-5").returncode == 0


def test_a_file_that_is_not_there_and_one_that_is_none(cli: Cli, project: Path) -> None:
    assert "no.json cannot be read" in cli("prices", "update", "--from", "no.json").stderr
    (project / "x.json").write_text("<html>")
    done = cli("prices", "update", "--from", "x.json")
    assert (done.returncode, "holds no data of genai-prices" in done.stderr) == (2, True)


def test_known_models_with_price_and_dates(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    (project / "flatfield.toml").write_text(OWN)
    done = cli("models", "list")
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert rows["gpt-5"] == ["gpt-5", "openai", "400k", "$3/$4", "2026-12-11", "81%", "code-writing"]
    assert rows["claude-3-haiku"][4:6] == ["retired", "2026-04-20"]
    assert rows["gpt-oss-20b"][3:5] == ["on", "device"]
    assert "smollm2-135m" in rows
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_known_models_as_json(cli: Cli) -> None:
    told = {each["name"]: each for each in json.loads(cli("models", "list", "--json").stdout)}
    assert told["smollm2-135m"]["provider"] == "local"
    assert "pulled" in told["smollm2-135m"]
    assert told["claude-opus-4"]["retired"] is True
    assert told["gpt-5"]["released"] == "2025-08-07"
    assert told["gpt-oss-20b"]["input_mtok"] is None


def test_doctor_says_one_line_for_the_known_models_of_a_provider(cli: Cli) -> None:
    done = cli("doctor", "--json")
    parts = [finding["part"] for finding in json.loads(done.stdout)]
    assert "known models of anthropic" in parts
    assert not [part for part in parts if part.startswith("agent claude")]


def test_a_retired_model_is_said_to_be(cli: Cli) -> None:
    done = cli("eval", "oslo.md", "--agents", "claude-3-haiku")
    assert done.returncode == 2
    assert "claude-3-haiku-20240307 was retired by its vendor on 2026-04-20" in done.stderr
