"""What the server shows of itself: tools with right annotations and schemas, resources and prompts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mcp import MCPError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.faces.mcp.desk import ServerDesk

pytestmark = pytest.mark.whole

LOP = '# Capital\n\n## Instructions\n\nx\n\n## Variables\n\nPROMPT: "Which capital?"\n\n## Expected Output\n\nOslo\n'


async def test_tools_say_what_they_do_to_the_world(connected: Any) -> None:
    async with connected() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {
        "prompt_nano_agent", "agent_result", "list_agents", "list_tasks", "plan", "evaluate", "evaluation_status",
        "cancel_evaluation", "report", "pick", "compare",
    }  # fmt: skip
    reads = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
    assert reads == {"list_agents", "list_tasks", "plan", "evaluation_status", "report", "pick", "compare"}
    assert tools["prompt_nano_agent"].annotations.destructive_hint is True
    assert tools["evaluate"].annotations.open_world_hint is True
    for tool in tools.values():
        assert tool.output_schema, tool.name
        assert tool.description, tool.name
        for name, argument in tool.input_schema["properties"].items():
            explained = (
                argument.get("description") or name == "b" or tool.name == "plan"
            )  # as the one before, as evaluate's
            assert explained, f"{tool.name}.{name}"
    assert set(tools["plan"].input_schema["properties"]) <= set(tools["evaluate"].input_schema["properties"])
    required = tools["prompt_nano_agent"].input_schema["required"]
    assert required == ["agentic_prompt"]


async def test_a_project_with_mistakes_says_which_and_where(connected: Any, folder: Path) -> None:
    (folder / "flatfield.toml").write_text("[agents.x]\nprovidr = 'openai'\n")
    async with connected() as client:
        result = await client.call_tool("list_agents", {})
    assert result.is_error
    assert "flatfield.toml:" in result.content[0].text


async def test_an_unknown_tool_is_told_which_there_are(connected: Any) -> None:
    async with connected() as client:
        result = await client.call_tool("promt_nano_agent", {})
    assert result.is_error
    assert "prompt_nano_agent" in result.content[0].text


async def test_lops_are_resources(connected: Any, folder: Path) -> None:
    (folder / "capital.md").write_text(LOP)
    (folder / "README.md").write_text("# Not a task\n")
    async with connected() as client:
        lops = json.loads((await client.read_resource("flatfield://lops")).contents[0].text)
        text = (await client.read_resource("flatfield://lops/capital")).contents[0].text
    assert {"name": "capital", "argument": "capital.md"} in lops
    assert "README" not in {lop["name"] for lop in lops}
    assert text == LOP


async def test_each_lop_is_a_prompt_only_where_that_is_asked_for(
    connected: Any, folder: Path, make_desk: Callable[..., ServerDesk]
) -> None:
    (folder / "capital.md").write_text(LOP)
    async with connected() as client:
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["hop_evaluate"]
    async with connected(make_desk(lop_prompts=True)) as client:
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        said = (await client.get_prompt("lop_capital")).messages[0].content.text
    assert {"hop_evaluate", "lop_capital"} <= prompts
    assert "evaluate with lops=['capital.md']." in said


@pytest.mark.parametrize(
    ("given", "lops"),
    [
        ("capital.md suite:basic", "['capital.md', 'suite:basic']"),
        ("my tasks/a b.md, suite:demo", "['my tasks/a b.md', 'suite:demo']"),
        ("my tasks/a b.md capital.md", "['my tasks/a b.md', 'capital.md']"),
        ("'my tasks/a b.md' capital.md", "['my tasks/a b.md', 'capital.md']"),
        ("not there.md", "['not there.md']"),
    ],
)
async def test_a_prompt_takes_paths_with_spaces(connected: Any, folder: Path, given: str, lops: str) -> None:
    (folder / "capital.md").write_text(LOP)
    (folder / "my tasks").mkdir()
    (folder / "my tasks" / "a b.md").write_text(LOP)
    async with connected() as client:
        both = await client.get_prompt("hop_evaluate", {"lops": given, "agents": "gpt-5, claude-*"})
    assert f"evaluate with lops={lops} and agents=['gpt-5', 'claude-*']." in both.messages[0].content.text


@pytest.mark.parametrize(
    "uri",
    [
        "flatfield://lops/nothing",
        "flatfield://runs/20990101-000000-0000",
        "flatfield://runs/20990101-000000-0000/report",
        "flatfield://trials/20990101-000000-0000/a/b/1",
    ],
)
async def test_what_is_not_there_is_not_found(connected: Any, uri: str) -> None:
    async with connected() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == -32602
    assert "there " in caught.value.error.message or "no " in caught.value.error.message
