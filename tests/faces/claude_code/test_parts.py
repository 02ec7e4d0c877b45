"""What Claude Code is given: plugin and project files, readable by flatfield itself, and kept in the repository."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from flatfield import __version__
from flatfield.faces.claude_code.parts import (
    CALL_HOOKS,
    HOOKS,
    LINEUP,
    PLUGIN,
    PROJECT,
    TOOL_MILLISECONDS,
    Layout,
    files,
    marketplace,
)
from flatfield.faces.speech.hooks import EVENTS
from flatfield.records import AgentConfig
from flatfield.runs.proof import check_tasks
from flatfield.tasks.access import everything
from flatfield.tasks.agents import select_agents, wrapper_name
from flatfield.tasks.hop import is_evaluation
from flatfield.tasks.loading import load
from flatfield.tasks.project import find_project, shipped
from flatfield.tasks.sub_agents import read_agent_file

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]
DESK = AgentConfig(name="my.Qwen", provider="openai-chat", model="qwen3", base_url="http://127.0.0.1:8080/v1")
AGENTS = (*select_agents(LINEUP, shipped()), DESK)
LAYOUTS = pytest.mark.parametrize("layout", [PLUGIN, PROJECT], ids=["plugin", "project"])


def put(made: dict[str, str], folder: Path) -> Path:
    for path, text in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def front_matter(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def sub_agents(layout: Layout) -> Iterator[tuple[str, str]]:
    made = files(AGENTS, layout)
    return ((path, text) for path, text in made.items() if path.startswith(f"{layout.root}agents/"))


def test_the_repository_holds_what_init_writes() -> None:
    made = files(select_agents(LINEUP, shipped()), PLUGIN)
    there = {path.relative_to(ROOT / "plugin").as_posix() for path in (ROOT / "plugin").rglob("*") if path.is_file()}
    assert {path for path in there if "__pycache__" not in path} == set(made)
    for path, text in made.items():
        assert (ROOT / "plugin" / path).read_text() == text, f"plugin/{path}: flatfield init claude-code --dir plugin"
    assert (ROOT / ".claude-plugin" / "marketplace.json").read_text() == marketplace("./plugin")


def test_the_plugin_has_the_packages_version() -> None:
    manifest = json.loads(files(AGENTS, PLUGIN)[".claude-plugin/plugin.json"])
    assert manifest["version"] == __version__
    assert manifest["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@LAYOUTS
def test_a_sub_agent_has_one_tool_and_a_cheap_model(layout: Layout) -> None:
    found = dict(sub_agents(layout))
    assert len(found) == len(AGENTS)
    for path, text in found.items():
        matter = front_matter(text)
        assert matter["tools"] == layout.tool
        assert matter["model"] == "inherit", "behind a router there may be no other one"
        assert matter["name"] == Path(path).stem
        assert re.fullmatch(r"nano-agent-[a-z0-9-]+", matter["name"])
        assert set(matter) == {"name", "description", "model", "color", "tools"}
        assert text.count(f"{layout.tool}(agentic_prompt=PROMPT, ") == 1


@LAYOUTS
def test_only_the_tools_name_differs_between_the_layouts(layout: Layout) -> None:
    others = dict(sub_agents(PLUGIN if layout is PROJECT else PROJECT))
    for path, text in sub_agents(layout):
        twin = others[path.replace(".claude/", "") if layout is PROJECT else f".claude/{path}"]
        assert re.sub(r"mcp__\w+__prompt", "mcp__X__prompt", text) == re.sub(
            r"mcp__\w+__prompt", "mcp__X__prompt", twin
        )


@LAYOUTS
def test_flatfield_reads_them_as_the_agents_that_they_wrap(layout: Layout, tmp_path: Path) -> None:
    put(files(AGENTS, layout), tmp_path)
    for agent in AGENTS:
        read = read_agent_file(tmp_path / layout.root / "agents" / f"{wrapper_name(agent.name)}.md")
        if agent is DESK:
            assert read is None, "it wraps an agent that is configured elsewhere"
        else:
            assert read is not None
            assert (read.name, read.provider, read.model) == (wrapper_name(agent.name), agent.provider, agent.model)


def test_a_sub_agents_name_selects_the_agent_that_it_wraps() -> None:
    assert wrapper_name("my.Qwen") == "nano-agent-my-qwen"
    assert select_agents(["nano-agent-my-qwen"], (DESK,)) == (DESK,)
    assert wrapper_name("nano-agent-x") == "nano-agent-x"


def test_a_project_with_them_can_be_evaluated(tmp_path: Path) -> None:
    put(files(AGENTS, PROJECT), tmp_path)
    (tmp_path / "flatfield.toml").write_text(
        f'[agents."my.Qwen"]\nprovider = "openai-chat"\nmodel = "qwen3"\nbase_url = "{DESK.base_url}"\n'
    )
    loaded = load([".claude/commands/perf"], tmp_path)
    project = find_project(tmp_path, None, {})
    assert loaded.evaluation is not None
    assert loaded.evaluation.title == "Compare nano agents"
    assert [task.level for task in loaded.tasks] == [1, 2, 3, 4, 5]
    for task in loaded.tasks:
        chosen = select_agents(task.agents, project.roster)
        assert {agent.model for agent in chosen} == {agent.model for agent in AGENTS}
        assert task.rubric


@LAYOUTS
def test_no_placeholder_is_left(layout: Layout) -> None:
    for path, text in files(AGENTS, layout).items():
        assert "{{" not in text, path


@LAYOUTS
def test_the_hop_names_the_task_the_sub_agents_and_that_it_is_not_blind(layout: Layout) -> None:
    text = files(AGENTS, layout)[f"{layout.root}commands/perf/hop_evaluate_nano_agents.md"]
    assert is_evaluation(text)
    assert f"`{layout.type_prefix}NAME`" in text
    assert "not blind" in text
    assert layout.tool in front_matter(text)["allowed-tools"].split(", ")
    for section in ("Agent Responses", "Results Summary", "Performance Metrics", "Grading Criteria", "Final Ranking"):
        assert f"### {section}\n" in text


@LAYOUTS
def test_the_server_is_awaited_and_given_time(layout: Layout) -> None:
    server = json.loads(files(AGENTS, layout, "env X=1 flatfield")[".mcp.json"])["mcpServers"]["flatfield"]
    assert server["command"] == "env"
    assert server["args"][:3] == ["X=1", "flatfield", "mcp"]
    assert server["alwaysLoad"] is True
    assert server["timeout"] == TOOL_MILLISECONDS
    assert ("--lops" in server["args"]) == (layout is PLUGIN)
    assert set(server) == {"command", "args", "alwaysLoad", "timeout"}


@LAYOUTS
def test_hooks_hand_over_what_is_to_be_said(layout: Layout) -> None:
    path = "hooks/hooks.json" if layout is PLUGIN else ".claude/settings.json"
    hooks = json.loads(files(AGENTS, layout, "'/a b/flatfield'")[path])["hooks"]
    assert set(hooks) == {*HOOKS, *CALL_HOOKS} == set(EVENTS)
    for name, entries in hooks.items():
        (hook,) = entries[0]["hooks"]
        assert hook["command"] == "'/a b/flatfield' speak --hook"
        assert "async" not in hook, "Claude Code ends those with itself, and its last words with them"
        calls = [layout.tool, layout.tool.replace("prompt_nano_agent", "agent_result")]
        assert entries[0].get("matcher", "").split("|") == (calls if name in CALL_HOOKS else [""])


@LAYOUTS
def test_who_hands_work_out_waits_for_a_slow_server_first(layout: Layout) -> None:
    made = files(AGENTS, layout)
    hop = made[f"{layout.root}commands/perf/hop_evaluate_nano_agents.md"]
    for text in (hop, made[f"{layout.root}skills/nano-agents/SKILL.md"]):
        assert "call `WaitForMcpServers`" in text
        assert "ask `ToolSearch` for" in text
    assert hop.index("WaitForMcpServers") < hop.index("Start one sub-agent")


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("which", [slice(1), pytest.param(slice(1, None), marks=pytest.mark.slow)], ids=str)
async def test_the_lops_are_proved(which: slice, tmp_path: Path) -> None:
    put(files(AGENTS, PROJECT), tmp_path)
    tasks = load([".claude/commands/perf"], tmp_path).tasks[which]
    assert tasks
    found = await check_tasks(tasks, tmp_path, everything())
    assert [(each.task, each.holds) for each in found] == [(task.id, True) for task in tasks], found


@LAYOUTS
def test_what_passes_prompts_on_may_be_another_model(layout: Layout) -> None:
    made = files(AGENTS, layout, wrapper_model="claude-sonnet-5-5[1m]")
    matters = [front_matter(text) for path, text in made.items() if path.startswith(f"{layout.root}agents/")]
    assert {matter["model"] for matter in matters} == {"claude-sonnet-5-5[1m]"}


@LAYOUTS
def test_the_server_can_be_told_to_leave_out_claude_codes_own_address(layout: Layout) -> None:
    server = json.loads(files(AGENTS, layout, ignores_base_urls=True)[".mcp.json"])["mcpServers"]["flatfield"]
    assert "--ignore-base-urls" in server["args"]
    usual = json.loads(files(AGENTS, layout)[".mcp.json"])["mcpServers"]["flatfield"]
    assert "--ignore-base-urls" not in usual["args"]
