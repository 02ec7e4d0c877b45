"""Which flatfield.toml is in force, and who is in the roster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import InvalidFiles, NotFound
from flatfield.tasks.agents import is_control, select_agents
from flatfield.tasks.project import find_project

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[str, str], Path]

AGENT = '---\nname: {}\n---\nmcp__nano-agent__prompt_nano_agent(agentic_prompt=PROMPT, model="{}", provider="ollama")\n'
TABLE = '[agents.{}]\nprovider = "ollama"\nmodel = "{}"\n'


def test_without_any_file_there_are_the_shipped_agents(tmp_path: Path) -> None:
    project = find_project(tmp_path, None, {})
    assert (project.folder, project.config, project.notes) == (tmp_path, None, ())
    assert {agent.source for agent in project.roster} == {"shipped"}
    controls = [(agent.name, agent.provider) for agent in project.roster if is_control(agent)]
    assert controls == [("oracle", "oracle"), ("noop", "noop")]


def test_the_original_project(nano_agent: Path) -> None:
    project = find_project(nano_agent, None, {})
    assert len([agent for agent in project.roster if agent.source.startswith(".claude/agents/nano-agent-")]) == 9
    note = ".claude/agents: greeter.md skipped: no call of prompt_nano_agent with a model, so no agent of its own"
    assert project.notes == (note,)


def test_flatfield_toml_is_found_upward_by_variable_or_by_name(write: Write, tmp_path: Path) -> None:
    upward = write("flatfield.toml", TABLE.format("up", "m"))
    other = write("other/my.toml", TABLE.format("other", "m"))
    third = write("third.toml", TABLE.format("third", "m"))
    cwd = tmp_path / "a/b"
    cwd.mkdir(parents=True)
    assert find_project(cwd, None, {}).config == upward
    by_variable = find_project(cwd, None, {"FLATFIELD_CONFIG": "../../other/my.toml"})
    assert (by_variable.config, by_variable.folder) == (other, other.parent)
    by_name = find_project(cwd, Path("../../third.toml"), {"FLATFIELD_CONFIG": str(other)})
    assert by_name.config == third
    assert [agent.name for agent in by_name.roster if agent.source != "shipped"] == ["third"]


def test_a_config_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"FLATFIELD_CONFIG names no\.toml"):
        find_project(tmp_path, None, {"FLATFIELD_CONFIG": "no.toml"})
    with pytest.raises(NotFound, match=r"--config names no\.toml"):
        find_project(tmp_path, Path("no.toml"), {})


def test_precedence_and_what_is_hidden(write: Write, tmp_path: Path) -> None:
    write("flatfield.toml", TABLE.format("a", "toml"))
    for name in ("a", "b"):
        write(f"agents/{name}.md", AGENT.format(name, "agents"))
    for name in ("a", "b", "c", "noop"):
        write(f".claude/agents/{name}.md", AGENT.format(name, "claude"))
    write("sub/agents/d.md", AGENT.format("d", "here"))
    project = find_project(tmp_path / "sub", None, {})
    assert {agent.name: agent.model for agent in project.roster if agent.source != "shipped"} == {
        "a": "toml",
        "b": "agents",
        "d": "here",
        "c": "claude",
        "noop": "claude",
    }
    assert len(project.notes) == 4
    assert "agent noop of shipped is hidden by the one of" in project.notes[-1]


def test_known_models_are_agents_and_hide_behind_ones_own_without_a_word(write: Write, tmp_path: Path) -> None:
    write("flatfield.toml", TABLE.format("gpt-5", "mine") + '[prices."x"]\ninput_mtok = 1\noutput_mtok = 2\n')
    project = find_project(tmp_path, None, {})
    by_name = {agent.name: agent for agent in project.roster}
    assert by_name["gpt-5"].model == "mine"
    assert (by_name["claude-opus-4-1"].provider, by_name["claude-opus-4-1"].source) == ("anthropic", "shipped")
    assert project.notes == ()
    assert project.prices["x"].output_mtok == 2.0


def test_an_agents_file_with_mistakes_stops_nobody_who_does_not_ask_for_it(write: Write, tmp_path: Path) -> None:
    write(
        "agents/gpt-5.md", "---\nname: gpt-5\ntemperature: 1\n---\n" + AGENT.partition("---\n")[2].partition("---\n")[2]
    )
    write("agents/b.md", AGENT.format("b", "m"))
    project = find_project(tmp_path, None, {})
    fix = "move it to [agents.gpt-5] in flatfield.toml"
    assert project.notes == (
        f"agents/gpt-5.md passed over: line 3: `temperature` is not read in a sub-agent file, {fix}",
    )
    assert [agent.name for agent in select_agents(["b", "*"], project.roster)] == ["b"]
    # The one that flatfield brings along has the same name, but is another agent than the one that is meant.
    for name in ("gpt-5", "nano-agent-gpt-5"):
        with pytest.raises(InvalidFiles, match=r"agents/gpt-5\.md:3: `temperature` is not read"):
            select_agents([name], project.roster)


def test_an_agents_file_with_mistakes_does_not_count_where_another_one_comes_first(
    write: Write, tmp_path: Path
) -> None:
    write("flatfield.toml", TABLE.format("a", "toml"))
    write("agents/a.md", AGENT.format("a", "m").replace("---\nmcp", "temperature: 1\n---\nmcp"))
    project = find_project(tmp_path, None, {})
    assert [agent.model for agent in select_agents(["a"], project.roster)] == ["toml"]


def test_mistakes_of_all_files_come_at_once(write: Write, tmp_path: Path) -> None:
    write("flatfield.toml", "[agents.a]\nprovidr = 1\n")
    write("agents/a.md", AGENT.format("a b", "m"))
    write("agents/b.md", AGENT.format("same", "m"))
    write("agents/c.md", AGENT.format("same", "m"))
    with pytest.raises(InvalidFiles) as caught:
        find_project(tmp_path, None, {})
    assert [(m.path, m.line) for m in caught.value.mistakes] == [
        ("flatfield.toml", 1),
        ("flatfield.toml", 2),
        ("agents/a.md", 2),
        ("agents/c.md", 1),
    ]
