"""The plugin in the real Claude Code: it validates, installs, and its HOP runs sub-agents in parallel."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.claude_code.parts import PLUGIN, PROJECT, Layout, files, write
from flatfield.tasks.config import read_config
from flatfield.testing.fake_chat import FakeChat, FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

ROOT = Path(__file__).parents[2]
NAMES = ("alpha", "beta")
PROMPT = "Which city is the capital of Iceland? Answer with its name alone."
MEETING_SECONDS = 60.0
LAYOUTS = pytest.mark.parametrize("layout", [PROJECT, PLUGIN], ids=["project", "plugin"])


class Meeting(FakeChat):
    """A model server that answers nobody until both agents have asked: only those that run in parallel get on."""

    def __init__(self) -> None:
        super().__init__(lambda *_: FakeReply(text="Reykjavik"))
        self._barrier = asyncio.Barrier(len(NAMES))

    async def _counted(self, request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(MEETING_SECONDS):
            await self._barrier.wait()
        return await super()._counted(request)


class Claude:
    """Scripted: the orchestrator starts both sub-agents at once; each calls its tool and returns what it said."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, request: dict[str, Any], number: int) -> FakeReply:
        tools = {tool["name"] for tool in request.get("tools", [])}
        said = json.dumps(request["messages"])
        if not tools:
            return FakeReply(text="A title")
        if tools == {self._layout.tool}:
            name = next(name for name in NAMES if f'agent=\\"{name}\\"' in json.dumps(request["system"]))
            if "tool_result" in said:
                return FakeReply(text=results(request["messages"])[-1])
            call = json.dumps({"agentic_prompt": PROMPT, "agent": name})
            return FakeReply(text="", calls=((self._layout.tool, call),))
        if "tool_result" in said:
            return FakeReply(text="Ranked.")
        types = [f"{self._layout.type_prefix}nano-agent-{name}" for name in NAMES]
        calls = [{"subagent_type": kind, "description": "answer", "prompt": PROMPT} for kind in types]
        starts = next(name for name in ("Agent", "Task") if name in tools)
        return FakeReply(text="", calls=tuple((starts, json.dumps(call)) for call in calls))


def results(messages: list[dict[str, Any]]) -> list[str]:
    """The texts of all tool results."""
    blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    found = [block["content"] for block in blocks if block["type"] == "tool_result"]
    return [each if isinstance(each, str) else "".join(part.get("text", "") for part in each) for each in found]


def set_up(stage: Any, layout: Layout, base_url: str) -> list[str]:
    """Two agents and the files for them; the options that Claude Code needs to find them."""
    config = stage.work / "flatfield.toml"
    agent = f'provider = "openai-chat"\nmodel = "fake-model"\nbase_url = "{base_url}"\n'
    config.write_text("".join(f"[agents.{name}]\n{agent}" for name in NAMES))
    program = shlex.join([sys.executable, "-m", "flatfield"])
    folder = stage.work if layout is PROJECT else stage.home / "plugin"
    write(files(read_config(config, "flatfield.toml").agents, layout, program), folder)
    return [] if layout is PROJECT else ["--plugin-dir", str(folder)]


def environ(stage: Any, base_url: str, voices: Path | None = None) -> dict[str, str]:
    own = {"PATH": f"{voices}:{stage.environ['PATH']}"} if voices else {}
    mark = {"STAGE_MARK": stage.mark}
    keys = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "dummy-key-0123456789"}
    return {**keys, **own, **mark, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


@LAYOUTS
async def test_the_hop_runs_sub_agents_in_parallel_and_each_calls_the_tool(
    layout: Layout, stage: Any, vendor: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    said = stage.home / "said.txt"
    voices = stage.home / "voices"
    stage.write("voices/say", f'#!/bin/sh\necho "$2" >> {said}\n')
    (voices / "say").chmod(0o755)
    async with Meeting() as desk, vendor("anthropic", Claude(layout)) as model:
        options = set_up(stage, layout, desk.base_url)
        argv = [
            "claude",
            *options,
            "-p",
            f"/{layout.command} lop_eval_1",
            "--output-format",
            "stream-json",
            "--verbose",
        ]
        done = await stage.run(argv, environ(stage, model.base_url, voices))
    told = f"exit {done.code}\n{done.out[-3000:]}\n{done.err[-2000:]}"
    assert done.code == 0, told
    first = json.dumps(model.requests[0]["messages"])
    assert "You hand it out, collect what comes back" in first, told
    assert "carry it out: lop_eval_1" in first
    assert "$ARGUMENTS" not in first
    assert "CLAUDE_PLUGIN_ROOT" not in first
    assert len(desk.requests) == 2, told
    subs = [one for one in model.requests if {tool["name"] for tool in one.get("tools", [])} == {layout.tool}]
    assert {one["model"] for one in subs} == {model.requests[-1]["model"]}, "the conversation's own"
    # Claude Code writes what a sub-agent used behind its answer.
    last = [json.JSONDecoder().raw_decode(text)[0] for text in results(model.requests[-1]["messages"])]
    assert sorted(each["metadata"]["agent"] for each in last) == list(NAMES), told
    assert [each["result"] for each in last] == ["Reykjavik", "Reykjavik"]
    assert all(each["success"] for each in last)
    assert await stage.left() == []
    heard = said.read_text().splitlines()  # the speaker is one of those that were waited for
    done_at_once = [f"{name}: done in under a second" for name in NAMES]
    assert sorted(heard) == ["I am done", *done_at_once], "each end once, the last one too"
    assert heard[-1] == "I am done"


@LAYOUTS
async def test_nobody_else_may_be_called_by_a_sub_agent(
    layout: Layout, stage: Any, vendor: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    async with Meeting() as desk, vendor("anthropic", Claude(layout)) as model:
        options = set_up(stage, layout, desk.base_url)
        argv = ["claude", *options, "-p", f"/{layout.command} lop_eval_1", "--output-format", "json"]
        await stage.run(argv, environ(stage, model.base_url))
    offered = [sorted(tool["name"] for tool in one.get("tools", [])) for one in model.requests]
    assert offered.count([layout.tool]) == 4, "two requests for each of two sub-agents"


@pytest.mark.parametrize("path", ["plugin/.claude-plugin/plugin.json", "plugin", "."])
async def test_what_the_repository_holds_validates(path: str, stage: Any, installed: Callable[[str], None]) -> None:
    installed("claude")
    done = await stage.run(["claude", "plugin", "validate", "--strict", str(ROOT / path)], {})
    assert done.code == 0, done.out + done.err


async def test_the_agents_commands_and_hooks_of_a_plugin_validate(stage: Any, installed: Callable[[str], None]) -> None:
    installed("claude")
    folder = stage.home / "plugin"
    set_up(stage, PLUGIN, "http://127.0.0.1:9/v1")
    (folder / ".claude-plugin" / "marketplace.json").unlink()  # beside it, the marketplace alone is looked at
    done = await stage.run(["claude", "plugin", "validate", "--strict", str(folder)], {})
    assert done.code == 0, done.out + done.err
    (folder / "hooks" / "hooks.json").write_text('{"hooks": {"Stopp": 1}}')
    done = await stage.run(["claude", "plugin", "validate", "--strict", str(folder)], {})
    assert done.code != 0, "it does look at them"


async def test_the_repository_is_a_marketplace(stage: Any, installed: Callable[[str], None]) -> None:
    installed("claude")
    for words in (["marketplace", "add", str(ROOT)], ["install", "flatfield@flatfield"]):
        done = await stage.run(["claude", "plugin", *words], {})
        assert done.code == 0, done.out + done.err
    done = await stage.run(["claude", "plugin", "details", "flatfield"], {})
    assert "nano-agent-gpt-6-luna" in done.out, done.out + done.err
    assert "nano-agents" in done.out
