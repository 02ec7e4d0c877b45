"""A local server that asks for no key is given a word in its place: no text changes for it, runs are found again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.http.tape import rebuilt
from flatfield.runs.store.store import Store
from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole

LOP = """---
id: required-fields
title: Which fields
verify:
- answer: {contains: required}
---

# Which fields

## Variables

PROMPT: "Which field is required?"
"""
ANSWER = "the field is required, and no key-here"


@pytest.mark.parametrize(
    "key", ["sk-no-key-required", "lm-studio", "your-api-key-here", "sk-proj-Ab12Cd34Ef56Gh78Ij90"]
)
def test_nothing_is_masked_that_the_model_wrote(
    cli: Cli, project: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    asked: list[dict[str, Any]] = []

    def answering(request: dict[str, Any], _number: int) -> FakeReply:
        asked.append(request)
        return FakeReply(text=f"{ANSWER} lm-studio sk-proj-")

    monkeypatch.setenv("LOCAL_KEY", key)
    (project / "fields.md").write_text(LOP)
    (project / "flatfield.toml").write_text(
        f'[agents.lm-studio]\nprovider = "openai-chat"\nmodel = "m"\napi_key_env = "LOCAL_KEY"\n'
        f'base_url = "{serve(answering).base_url}"\n'
    )
    run = cli("eval", "fields.md", "--agents", "lm-studio", "--repeats", "1", "--trust")
    assert run.returncode == 0, run.stderr
    id_ = json.loads(cli("runs", "--json").stdout)[0]["id"]
    record = Store(project / ".flatfield").trial(f"{id_}/lm-studio/required-fields/1")
    assert record.answer == f"{ANSWER} lm-studio sk-proj-"
    (sent,) = rebuilt(record.turns[0].reply.wire)
    assert "Which field is required?" in sent.request
    assert "[key]" not in sent.request + sent.response
    assert sent.headers["Authorization"] == "[key]"
    assert cli("eval", "--resume", id_, "--trust").returncode == 0
    assert len(asked) == 1, "the trial was found again"
