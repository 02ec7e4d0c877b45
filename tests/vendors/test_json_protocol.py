"""Tools as JSON: what a model is told, what it may reply, and what it hears when it does not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield import plugins
from flatfield.agent.toolbox import open_tools
from flatfield.agent.workspace import open_workspace
from flatfield.clock import SystemClock
from flatfield.plugins import default_tools
from flatfield.records import AgentConfig, Task, ToolResult, ToolSpec, Traits
from flatfield.vendors import _tool_protocols as json_protocol
from flatfield.vendors import base

if TYPE_CHECKING:
    from pathlib import Path

TYPE = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
OWN = ToolSpec(name="own_tool", description="Does it.", parameters=TYPE)


def test_every_tool_is_told_with_its_arguments_and_no_value_to_be_re_enacted(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    with workspace.files:
        specs = [plugins.load("tool", name).create(workspace).spec for name in plugins.names("tool")]
    text = json_protocol.instructions(specs)
    assert "- read_file(file_path: string): Read" in text
    assert "- list_directory(directory_path?: string): " in text
    forms = [line for line in text.splitlines() if line.startswith("{")]
    assert [set(json.loads(form)) for form in forms] == [{"tool", "arguments"}, {"answer"}]
    for form in forms:  # a value that stands there is one that a small model does again
        assert all(value.startswith("<") for value in re.findall(r'": "([^"]*)', form))


def test_what_records_call_the_tools_stays() -> None:
    """Digests of runs from before are these."""
    specs = tuple(plugins.load("tool", name).SPEC for name in (*default_tools(), "run_command"))
    assert [_tools_digest(specs[:5]), _tools_digest(specs)] == ["9431f5d40d50", "c0cbf1fcc713"]


def _tools_digest(tools: tuple[ToolSpec, ...]) -> str:
    task, agent = Task(id="t", title="t", prompt="p"), AgentConfig(name="a", provider="p")
    opening = base.Opening(agent=agent, system_prompt="", prompt="p", tools=tools, task=task)
    sent = base.sent_by(opening, Traits(name="p"), base.Settings(), api="", url="http://server", parameters={})
    return str(sent.tools_digest)


def test_a_tool_of_anybody_is_described_by_its_arguments() -> None:
    assert json_protocol.instructions([OWN]).splitlines()[1] == "- own_tool(x: string): Does it."


def test_the_schema_allows_one_call_of_one_tool_or_an_answer() -> None:
    call, answer = json_protocol.schema([OWN])["anyOf"]
    assert call["properties"] == {"tool": {"const": "own_tool"}, "arguments": TYPE}
    assert call["required"] == ["tool", "arguments"]
    assert answer["required"] == ["answer"]
    assert not call["additionalProperties"]


@pytest.mark.parametrize(
    ("text", "answer", "call"),
    [
        ('{"answer": "42"}', "42", None),
        (' \n{"answer": ""}\n', "", None),
        ('{"answer": 42}', "42", None),
        ('{"answer": {"b": [1, null]}}', '{"b":[1,null]}', None),
        ('{"tool": "read_file", "arguments": {"file_path": "ä"}}', "", ("read_file", '{"file_path":"ä"}')),
        ('{"tool": "list_directory"}', "", ("list_directory", "{}")),
        ('{"tool": "read_file", "arguments": "a.txt"}', "", ("read_file", '"a.txt"')),
        ('{"tool": 7}', "", ("", None)),
        ("I would read it.", "", ("", None)),
        ("", "", ("", None)),
        ('"answer"', "", ("", None)),
        ("[" * 100_000, "", ("", None)),
    ],
)
def test_what_a_reply_means(text: str, answer: str, call: tuple[str, str | None] | None) -> None:
    said, calls = json_protocol.parse(text, 3)
    assert said == answer
    if call is None:
        assert calls == ()
        return
    name, arguments = call
    assert (calls[0].id, calls[0].name) == ("step_3", name)
    assert calls[0].arguments == (json.dumps(text, ensure_ascii=False) if arguments is None else arguments)


@given(st.text())
def test_any_text_is_an_answer_or_one_call(text: str) -> None:
    said, calls = json_protocol.parse(text, 1)
    assert len(calls) == 1 or (calls == () and isinstance(said, str))
    assert all(json.loads(call.arguments) is not None or call.arguments == "null" for call in calls)


def test_results_name_their_tool_and_nonsense_is_told_the_form() -> None:
    good = ToolResult(call_id="step_1", name="read_file", text="content")
    assert json_protocol.results_text([good]) == f"read_file returned:\ncontent\n\n{json_protocol.GO_ON_IN_JSON}"
    nonsense = ToolResult(call_id="step_2", name="", text="there is no tool ''", ok=False)
    assert json_protocol.results_text([nonsense]).startswith("Reply with")


async def test_nonsense_costs_a_turn_and_harms_nothing(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    with workspace.files:
        tools = open_tools(default_tools(), workspace, SystemClock())
        _, calls = json_protocol.parse("I would read it.", 1)
        result = await tools.run(calls[0])
    assert not result.ok
    assert "read_file" in result.text


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}```", "  ```JSON \n{}\n``` "])
def test_json_in_a_fence_is_read(fence: str) -> None:
    said, calls = json_protocol.parse(fence.replace("{}", '{"tool": "read_file", "arguments": {"file_path": "a"}}'), 1)
    assert (said, [(call.name, json.loads(call.arguments)) for call in calls]) == (
        "",
        [("read_file", {"file_path": "a"})],
    )
    assert json_protocol.parse(fence.replace("{}", '{"answer": "```"}'), 1) == ("```", ())
