"""`flatfield agents`: the roster, where each one was read, and providers that there are not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole


@pytest.fixture
def original(project: Path, request: pytest.FixtureRequest) -> Path:
    """The project's folder with the files of the original project in it."""
    shutil.copytree(request.config.rootpath / "tests/fixtures/nano_agent", project, dirs_exist_ok=True)
    return project


def test_json_has_exactly_the_promised_fields(cli: Cli, original: Path) -> None:
    found = json.loads(cli("agents", "--json").stdout)
    assert {tuple(agent) for agent in found} == {("name", "provider", "model", "source")}
    assert found[0] == {
        "name": "nano-agent-claude-3-haiku",
        "provider": "anthropic",
        "model": "claude-3-haiku-20240307",
        "source": ".claude/agents/nano-agent-claude-3-haiku.md",
    }
    assert found[-1]["source"] == "shipped"


def test_the_table_fits_on_one_line_an_agent(cli: Cli, original: Path) -> None:
    ended = cli("agents")
    lines = ended.stdout.splitlines()
    assert len(lines) == 1 + len(json.loads(cli("agents", "--json").stdout))
    assert max(map(len, lines)) <= 100
    assert any(line.split()[0] == "nano-agent-claude-opus-4-1" and line.endswith(".claude/agents/") for line in lines)
    assert "note: .claude/agents: greeter.md skipped" in ended.stderr


def test_a_provider_that_there_is_not_is_pointed_out(cli: Cli, project: Path) -> None:
    (project / "flatfield.toml").write_text('[agents.x]\nprovider = "elsewhere"\nmodel = "m"\n')
    ended = cli("agents")
    assert ended.stdout.splitlines()[1].split() == ["x", "elsewhere", "m", "flatfield.toml:1"]
    assert ended.stderr.startswith("note: there is no provider 'elsewhere' here; there are: anthropic, ")


def test_another_configuration_may_be_named(cli: Cli, project: Path) -> None:
    (project / "other.toml").write_text('[agents.x]\nprovider = "noop"\n')
    assert json.loads(cli("--config", "other.toml", "agents", "--json").stdout)[0]["name"] == "x"
    ended = cli("--config", "nosuch.toml", "agents")
    assert ended.returncode == 2
    assert "--config names nosuch.toml, which is not a file" in ended.stderr


def test_mistakes_in_flatfield_toml_have_lines(cli: Cli, project: Path) -> None:
    (project / "flatfield.toml").write_text('[agents.x]\nprovider = "noop"\nmodle = "m"\n')
    ended = cli("agents")
    assert ended.returncode == 2
    assert ended.stderr == "flatfield: flatfield.toml:3: agent x has no key `modle`; did you mean `model`?\n"


def test_an_agent_is_shown_as_a_table_that_can_be_appended(cli: Cli, project: Path) -> None:
    ended = cli("agents", "show", "gpt-5-mini", "gpt-oss-20b")
    assert ended.stdout.startswith('# from shipped\n[agents.gpt-5-mini]\nprovider = "openai"\nmodel = "gpt-5-mini"\n# ')
    (project / "flatfield.toml").write_text(ended.stdout)
    own = [agent for agent in json.loads(cli("agents", "--json").stdout) if agent["source"] != "shipped"]
    assert [agent["name"] for agent in own] == ["gpt-5-mini", "gpt-oss-20b"]
    assert json.loads(cli("agents", "show", "gpt-5", "--json").stdout)[0]["model"] == "gpt-5"
    ended = cli("agents", "show", "gpt-5-minni")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "gpt-5-mini" in ended.stderr


def test_agents_are_copied_beside_flatfield_toml_and_count_before_those_brought_along(cli: Cli, project: Path) -> None:
    assert cli("agents", "copy", "gpt-5*").returncode == 0
    found = {agent["name"]: agent["source"] for agent in json.loads(cli("agents", "--json").stdout)}
    assert found["gpt-5"] == "agents/gpt-5.md"
    assert cli("agents", "--json").stderr == ""
    again = cli("agents", "copy", "gpt-5")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert json.loads(cli("agents", "copy", "gpt-5", "--dir", "other", "--json").stdout) == ["other/gpt-5.md"]
    assert (project / "other" / "gpt-5.md").is_file()
