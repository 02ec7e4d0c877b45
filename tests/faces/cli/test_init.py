"""`flatfield init claude-code`: what it writes, for whom, and what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

AGENT = '[agents.my-qwen]\nprovider = "openai-chat"\nmodel = "qwen3"\nbase_url = "http://127.0.0.1:8080/v1"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLATFIELD_CONFIG", raising=False)
    return tmp_path


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["init", "claude-code", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_plugin_for_the_shipped_line_up(folder: Path) -> None:
    said = run()
    assert "flatfield-plugin/.claude-plugin/plugin.json\n" in said
    assert len(list((folder / "flatfield-plugin" / "agents").glob("nano-agent-*.md"))) == 9
    assert run() == "", "nothing is written twice"


def test_a_project_for_ones_own_agents(folder: Path) -> None:
    (folder / "flatfield.toml").write_text(AGENT)
    run("--project")
    assert [path.name for path in (folder / ".claude" / "agents").iterdir()] == ["nano-agent-my-qwen.md"]
    assert (folder / ".mcp.json").is_file()
    before = (folder / ".claude" / "agents" / "nano-agent-my-qwen.md").read_text()
    assert 'agent="my-qwen"' in before
    run("--project")
    assert (folder / ".claude" / "agents" / "nano-agent-my-qwen.md").read_text() == before


def test_named_agents_and_json(folder: Path) -> None:
    told = json.loads(run("--agents", "gpt-6-luna", "--dir", "here", "--program", "uvx flatfield", "--json"))
    assert told["dir"] == "here"
    assert "agents/nano-agent-gpt-6-luna.md" in told["written"]
    server = json.loads((folder / "here" / ".mcp.json").read_text())["mcpServers"]["flatfield"]
    assert (server["command"], server["args"][:2]) == ("uvx", ["flatfield", "mcp"])


def test_an_agent_that_the_server_would_not_know_is_refused(folder: Path) -> None:
    with pytest.raises(FlatfieldError, match="is not configured"):
        run("--agents", "ollama:qwen3")
    assert not (folder / "flatfield-plugin").exists()


@pytest.mark.parametrize("agents", [(), ("--agents", "gpt-6-luna", "--agents", "claude-haiku-5-5")])
def test_a_project_twice_changes_nothing_and_says_what_is_there(folder: Path, agents: tuple[str, ...]) -> None:
    run("--project", *agents)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = CliRunner().invoke(app, ["init", "claude-code", "--project"])
    assert (again.exit_code, again.stdout) == (0, "")
    assert f"nothing to write: {len(before)} files here already" in again.stderr
    assert "kept" not in again.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_changed_file_is_not_overwritten(folder: Path) -> None:
    run("--dir", "p")
    path = folder / "p" / "skills" / "nano-agents" / "SKILL.md"
    path.write_text("mine")
    again = CliRunner().invoke(app, ["init", "claude-code", "--dir", "p"])
    assert (again.exit_code, again.stdout) == (0, "")
    assert "kept as they are, though they differ from what is written now: skills/nano-agents/SKILL.md;" in again.stderr
    assert path.read_text() == "mine"
    run("--dir", "p", "--force")
    assert path.read_text() != "mine"


def test_what_passes_prompts_on_and_where_agents_ask_can_be_said(folder: Path) -> None:
    run("--agents", "gpt-6-luna", "--dir", "here", "--wrapper-model", "my-router-model", "--ignore-base-urls")
    assert "model: my-router-model\n" in (folder / "here" / "agents" / "nano-agent-gpt-6-luna.md").read_text()
    assert "--ignore-base-urls" in (folder / "here" / ".mcp.json").read_text()
    with pytest.raises(FlatfieldError, match="one word"):
        run("--dir", "there", "--wrapper-model", "two words")


def test_older_hooks_in_settings_are_replaced_and_how_they_start_it_is_said_to_stay(folder: Path) -> None:
    (folder / ".claude").mkdir()
    old = {"type": "command", "command": "./f/flatfield speak --hook", "async": True, "timeout": 60}
    (folder / ".claude" / "settings.json").write_text(
        json.dumps({"model": "opus", "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "x"}, old]}]}})
    )
    first = CliRunner().invoke(app, ["init", "claude-code", "--project"])
    assert "kept as they are, though they differ from what is written now: .claude/settings.json;" in first.stderr
    text = (folder / ".claude" / "settings.json").read_text()
    assert "async" not in text
    assert text.count("./f/flatfield speak --hook") == 6
    assert run("--project") == "", "a second time changes nothing"
    run("--project", "--force")
    assert (folder / ".claude" / "settings.json").read_text().count('"flatfield speak --hook"') == 6


def test_broken_settings_are_refused_before_anything_is_written(folder: Path) -> None:
    (folder / ".claude").mkdir()
    (folder / ".claude" / "settings.json").write_text('{\n  "model": "opus",\n}\n')
    with pytest.raises(FlatfieldError, match=r"\.claude/settings\.json:3: this is not JSON"):
        run("--project")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["settings.json"]
