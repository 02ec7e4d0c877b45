"""Agents as files to copy: what is written reads as the same agent, and nothing of the user's is overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flatfield.errors import FlatfieldError
from flatfield.records import AgentConfig
from flatfield.tasks.config import read_config
from flatfield.tasks.project import shipped
from flatfield.tasks.sub_agents import as_sub_agent, as_toml, read_agent_file, write_sub_agents

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = {agent.name: agent for agent in shipped()}


def reread(agent: AgentConfig, folder: Path) -> AgentConfig:
    path = folder / "flatfield.toml"
    path.write_text(as_toml(agent), encoding="utf-8")
    (found,) = read_config(path, path.name).agents
    return replace(found, source=agent.source)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_agent_that_is_brought_along_is_the_same_when_its_table_is_read(name: str, tmp_path: Path) -> None:
    assert reread(SHIPPED[name], tmp_path) == SHIPPED[name]


def test_a_table_holds_all_settings_whatever_is_in_them(tmp_path: Path) -> None:
    agent = AgentConfig(
        name="a.b",
        provider="openai-chat",
        model='m"\\ü',
        base_url="http://h:1/v1",
        headers={"X-Team": 'a "b"', "x.y": "z"},
        temperature=0.0,
        on_device=False,
        usd_per_hour=0.5,
        protocol="json",
        system_prompt="",
        tools=("read_file",),
        description="two\nlines \x7f",
    )
    assert reread(agent, tmp_path) == agent


@pytest.mark.parametrize("name", [name for name, agent in SHIPPED.items() if agent.temperature is None and agent.model])
def test_known_models_are_the_same_agents_as_files(name: str, tmp_path: Path) -> None:
    (path,) = write_sub_agents([SHIPPED[name]], tmp_path / "agents")
    found: Any = read_agent_file(path)
    assert (found.name, found.provider, found.model) == (name, SHIPPED[name].provider, SHIPPED[name].model)
    assert found.description


@pytest.mark.parametrize(
    ("name", "what"), [("smollm2-json", "sets temperature, protocol, on_device"), ("noop", "no mo")]
)
def test_what_a_file_cannot_hold_is_said_with_the_way_out(name: str, what: str) -> None:
    with pytest.raises(FlatfieldError, match=what) as caught:
        as_sub_agent(SHIPPED[name])
    assert f"`flatfield agents show {name}`" in str(caught.value)


def test_nothing_is_overwritten_and_then_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "gpt-5.md").write_text("mine")
    with pytest.raises(FlatfieldError, match=r"gpt-5\.md is there already, and nothing was written"):
        write_sub_agents([SHIPPED["gpt-5-mini"], SHIPPED["gpt-5"]], tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"gpt-5.md": "mine"}


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FlatfieldError, match="cannot be written"):
        write_sub_agents([SHIPPED["gpt-5"]], tmp_path / "file")
