"""`flatfield mcp`: its options reach the server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from flatfield.faces.cli import mcp
from flatfield.faces.cli.app import app
from flatfield.faces.mcp.desk import AGENTS_AT_ONCE, ServerDesk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ServerDesk]:
    """The desks that were served."""
    desks: list[ServerDesk] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mcp, "_serve_stdio", desks.append)
    return desks


def start(*options: str) -> Any:
    result = CliRunner().invoke(app, ["mcp", *options])
    assert result.exit_code == 0, result.output
    return result


def test_so_many_agents_work_at_once(served: list[ServerDesk]) -> None:
    start()
    start("--parallel", "40")
    assert [desk.parallel for desk in served] == [AGENTS_AT_ONCE, 40]
    assert f"({AGENTS_AT_ONCE})" in CliRunner().invoke(app, ["mcp", "--help"], env={"COLUMNS": "200"}).output
    assert CliRunner().invoke(app, ["mcp", "--parallel", "0"]).exit_code == 2


def test_a_clients_own_addresses_can_be_left_out(served: list[ServerDesk], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "k")
    start()
    assert os.environ["ANTHROPIC_BASE_URL"]
    told = start("--ignore-base-urls").output
    desk = served[-1]
    environ = desk.environ_of(desk.project())
    left = {name: environ.get(name) for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL")}
    assert set(left.values()) == {None}
    assert (environ.get("OLLAMA_HOST"), environ.get("ANTHROPIC_AUTH_TOKEN")) == ("http://127.0.0.1:1", "k")
    assert "ANTHROPIC_BASE_URL is ignored" in told
    assert told.count("OPENAI_BASE_URL") == 1, "two vendors read it"
