"""`flatfield show --wire`: what went to the API and came back, exactly and without keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    import pytest

    from flatfield.testing.wires.openai_chat import FakeChat

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

KEY = "planted-key-0123456789"
SETTINGS = """[agents.keyed]
provider = "openai-chat"
model = "m"
base_url = "{url}"
api_key_env = "MY_KEY"
"""


def trial_of(cli: Cli, agent: str) -> str:
    run = json.loads(cli("runs", "--json").stdout)[0]["id"]
    return f"{run}/{agent}/oslo/1"


def test_requests_and_responses_are_shown_as_they_were(
    cli: Cli, serve: Serve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calling = FakeReply(calls=(("list_directory", "{}"),))
    server = serve([calling, FakeReply(text="Oslo, é🙂")])
    (project / "flatfield.toml").write_text(SETTINGS.format(url=server.base_url))
    monkeypatch.setenv("MY_KEY", KEY)
    assert cli("eval", "oslo.md", "--agents", "keyed", "--trust").returncode == 0
    trial = trial_of(cli, "keyed")
    found = json.loads(cli("show", trial, "--wire", "--json").stdout)
    assert [json.loads(each["request"]) for each in found] == server.requests
    assert '\n\ndata: {"id": "chatcmpl-fake"' in found[1]["response"]
    assert "[DONE]" in found[1]["response"]
    assert found[0]["headers"]["Authorization"] == "[key]"
    shown = cli("show", trial, "--wire").stdout
    assert f"── request 2: POST {server.base_url}/chat/completions" in shown
    assert found[1]["request"] in shown
    assert KEY not in shown
    assert KEY not in json.dumps(found)


def test_packed_exchanges_are_no_part_of_the_plain_json(cli: Cli, norway: str) -> None:
    cli("eval", "oslo.md", "--agents", norway)
    agent = json.loads(cli("runs", "--json").stdout)[0]["agents"][0]
    record = json.loads(cli("show", trial_of(cli, agent), "--json").stdout)
    assert record["turns"][0]["reply"]["wire"] == []
    assert record["turns"][0]["reply"]["text"] == "Oslo"


def test_a_trial_without_exchanges_says_why(cli: Cli) -> None:
    cli("eval", "oslo.md", "--agents", "oracle")
    ended = cli("show", trial_of(cli, "oracle"), "--wire")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "has no exchanges on record: controls" in ended.stderr
