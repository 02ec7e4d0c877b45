"""Cascades in flatfield.toml: their steps are agents in force, and every mistake has its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.errors import InvalidFiles
from flatfield.tasks.agents import fingerprint, select_agents
from flatfield.tasks.cascades import command_of, is_upper_bound
from flatfield.tasks.project import find_project
from flatfield.tasks.sub_agents import as_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

CHEAP = '[agents.cheap]\nprovider = "ollama"\nmodel = "small"\n'
CALL = 'mcp__nano-agent__prompt_nano_agent(agentic_prompt=PROMPT, model="big", provider="ollama")'
FILE = f"---\nname: strong\n---\n{CALL}\n"


def written(steps: str, check: str = '"visible"', more: str = "") -> str:
    return f'{CHEAP}[agents.both]\nprovider = "cascade"\nsteps = {steps}\ncheck = {check}\n{more}'


def test_steps_are_agents_of_any_file_of_the_roster_and_specs(write: Write, tmp_path: Path) -> None:
    write("agents/strong.md", FILE)
    write("flatfield.toml", written('["cheap", "strong", "gpt-5", "ollama:typed:8b"]', more='description = "d"\n'))
    (both,) = select_agents(["both"], find_project(tmp_path, None, {}).roster)
    assert [step.model for step in both.steps] == ["small", "big", "gpt-5", "typed:8b"]
    assert (both.check, both.description, both.source) == ("visible", "d", "flatfield.toml:4")
    assert both.steps[-1].folder == both.folder == str(tmp_path.resolve()), "the project's file names it, no user"


def test_a_cascade_hides_an_agent_of_its_name_and_is_selected_by_globs(write: Write, tmp_path: Path) -> None:
    write("agents/both.md", FILE.replace("name: strong", "name: both"))
    write("flatfield.toml", written('["cheap", "cheap"]'))
    roster = find_project(tmp_path, None, {}).roster
    assert [agent.provider for agent in select_agents(["b*"], roster)] == ["cascade"]


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        (written('["cheap", "cheep"]'), 6, "a step of cascade both: there is no agent 'cheep'", "did you mean 'cheap'"),
        (written('["cheap", "both"]'), 6, "step both of cascade both is a cascade itself", "its steps in its place"),
        (written('["cheap", "noop"]'), 6, "step noop of cascade both asks no model itself", "name an agent"),
        (written('["cheap", "c*"]'), 6, "step 'c*' of cascade both is a pattern", "one agent a step"),
        (written('["cheap"]'), 6, "cascade both has one step", "a cheaper agent before it"),
        (written("[]"), 6, "`steps` is an empty list", "steps: [a, b]"),
        (written('["cheap", "cheap"]', '"visibel"'), 7, "there is no check 'visibel'", '"visible"'),
        (written('["cheap", "cheap"]', '"command: "'), 7, "there is no check 'command: '", '"command: …"'),
        (written('["cheap", "cheap"]', more="temperature = 1"), 8, "cascade both has no key `temperature`", "steps"),
        (CHEAP + 'steps = ["a"]', 4, "agent cheap has `steps`, which is for cascades", 'provider = "cascade"'),
        (CHEAP + 'check = "visible"', 4, "agent cheap has `check`, which is for cascades", "or remove it"),
        (CHEAP + '[agents.b]\nprovider = "cascade"', 4, "cascade b has no steps", '["cheap", "strong"]'),
        (
            CHEAP + '[agents.b]\nprovider = "cascade"\nsteps = ["cheap", "cheap"]',
            4,
            "cascade b has no check",
            "visible",
        ),
    ],
)
def test_every_mistake_is_told_with_its_line(
    write: Write, tmp_path: Path, text: str, line: int, problem: str, fix: str
) -> None:
    write("flatfield.toml", text)
    with pytest.raises(InvalidFiles) as caught:
        find_project(tmp_path, None, {})
    found = [one for one in caught.value.mistakes if problem in one.problem]
    assert [(one.path, one.line) for one in found] == [("flatfield.toml", line)], str(caught.value)
    assert fix in str(found[0])


def test_other_steps_another_order_or_another_check_are_another_agent(write: Write, tmp_path: Path) -> None:
    write("flatfield.toml", written('["cheap", "gpt-5"]'))
    (both,) = select_agents(["both"], find_project(tmp_path, None, {}).roster)
    cheap, strong = both.steps
    same = structs.replace(both, name="other", steps=(structs.replace(cheap, name="renamed"), strong))
    assert fingerprint(same) == fingerprint(both)
    changed = (
        structs.replace(both, steps=(strong, cheap)),
        structs.replace(both, check="hidden"),
        structs.replace(both, steps=(structs.replace(cheap, temperature=0.5), strong)),
    )
    assert len({fingerprint(each) for each in (both, *changed)}) == 4


def test_a_cascade_is_shown_as_it_is_written(write: Write, tmp_path: Path) -> None:
    write("flatfield.toml", written('["cheap", "gpt-5"]', '"command: pytest -q"'))
    (both,) = select_agents(["both"], find_project(tmp_path, None, {}).roster)
    again = tmp_path / "again"
    again.mkdir()
    write("again/flatfield.toml", CHEAP + as_toml(both))
    (read,) = select_agents(["both"], find_project(again, None, {}).roster)
    assert fingerprint(read) == fingerprint(both)


def test_what_a_check_is() -> None:
    assert command_of("command: pytest -q") == "pytest -q"
    assert command_of("visible") == command_of(None) == ""

    from flatfield.records import AgentConfig

    named = AgentConfig(name="a", provider="cascade", check="hidden")
    assert is_upper_bound(named)
    assert not is_upper_bound(structs.replace(named, check="judge"))
