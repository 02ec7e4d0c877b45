"""Each client, headless: it starts the MCP server, calls the tool, hands the model the result, and leaves nobody."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT = "Let the nano agent write hello.txt."
WRITE = FakeReply(text="", calls=(("write_file", '{"file_path": "hello.txt", "content": "hi"}'),))
DESK = (WRITE, FakeReply(text="The file is written, says the desk."))
DUMMY = "dummy-key-0123456789"
TOOLS = {
    "claude": "mcp__flatfield__prompt_nano_agent",
    "codex": "mcp__flatfield__prompt_nano_agent",
    "gemini": "mcp_flatfield_prompt_nano_agent",
    "opencode": "flatfield_prompt_nano_agent",
}
VENDORS = {"claude": "anthropic", "codex": "openai", "gemini": "gemini", "opencode": "openai-chat"}
STRUCTURED = ("claude", "codex")
"""Clients whose model is given the structured result; the others' are given the text, which is the same JSON."""


def claude(stage: Any, base_url: str, *more: str) -> tuple[list[str], dict[str, str]]:
    program, *arguments = stage.server(*more)
    server = {"command": program, "args": arguments, "env": stage.server_environ, "alwaysLoad": True}
    stage.write("mcp.json", {"mcpServers": {"flatfield": server}})
    argv = ["claude", "-p", PROMPT, "--mcp-config", str(stage.home / "mcp.json"), "--strict-mcp-config"]
    argv += ["--allowedTools", TOOLS["claude"], "--output-format", "stream-json", "--verbose"]
    keys = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": DUMMY}
    keys |= {"MCP_CONNECT_TIMEOUT_MS": "120000", "MCP_TIMEOUT": "120000"}  # a busy machine takes its time
    return argv, {**keys, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


def codex(stage: Any, base_url: str) -> tuple[list[str], dict[str, str]]:
    program, *arguments = stage.server()
    environ = ", ".join(f"{name} = {json.dumps(value)}" for name, value in stage.server_environ.items())
    stage.write(
        ".codex/config.toml",
        f'model_provider = "fake"\n[model_providers.fake]\nname = "fake"\nbase_url = "{base_url}"\n'
        'env_key = "FAKE_API_KEY"\nwire_api = "responses"\n'
        f"[mcp_servers.flatfield]\ncommand = {json.dumps(program)}\nargs = {json.dumps(arguments)}\n"
        f'env = {{ {environ} }}\nstartup_timeout_sec = 120\nrequired = true\ndefault_tools_approval_mode = "approve"\n',
    )
    return ["codex", "exec", "--skip-git-repo-check", "--json", "-m", "gpt-5", PROMPT], {"FAKE_API_KEY": DUMMY}


def gemini(stage: Any, base_url: str) -> tuple[list[str], dict[str, str]]:
    program, *arguments = stage.server()
    server = {"command": program, "args": arguments, "env": stage.server_environ, "trust": True}
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "privacy": {"usageStatisticsEnabled": False},
        "mcpServers": {"flatfield": server},
    }
    stage.write(".gemini/settings.json", settings)
    argv = ["gemini", "-p", PROMPT, "-m", "gemini-2.5-flash", "--approval-mode", "yolo", "-o", "json"]
    return argv, {"GEMINI_API_KEY": DUMMY, "GOOGLE_GEMINI_BASE_URL": base_url}


def opencode(stage: Any, base_url: str) -> tuple[list[str], dict[str, str]]:
    models = {"fake-model": {"name": "fake", "tool_call": True}}
    options = {"baseURL": base_url, "apiKey": DUMMY}
    fake = {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": options, "models": models}
    server = {"type": "local", "command": stage.server(), "environment": stage.server_environ, "timeout": 120_000}
    config = {"provider": {"fake": fake}, "mcp": {"flatfield": server}, "autoupdate": False}
    stage.write(".config/opencode/opencode.json", config)
    argv = ["opencode", "run", "--format", "json", "-m", "fake/fake-model", PROMPT]
    return argv, {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}


CLIENTS = {"claude": claude, "codex": codex, "gemini": gemini, "opencode": opencode}


def shown(stage: Any, done: Any, server: Any) -> str:
    """What a failed test needs to say."""
    return f"exit {done.code}\n{done.out[-3000:]}\n{done.err[-2000:]}\n{len(server.requests)} requests, {stage.work}"


def decoded(value: Any, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every delegated result in a request, however deep, also where it is JSON in text."""
    if isinstance(value, dict):
        if "execution_time_seconds" in value:
            found.append(value)
        for part in value.values():
            decoded(part, found)
    elif isinstance(value, list):
        for part in value:
            decoded(part, found)
    elif isinstance(value, str) and "execution_time_seconds" in value:
        start, end = value.find("{"), value.rfind("}")
        try:
            decoded(json.loads(value[start : end + 1]), found)
        except ValueError:  # two objects, or text that quotes one
            start = value.rfind("\n{") + 1
            decoded(json.loads(value[start : end + 1]), found)
    return found


def delegated(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results that the model was given, of what follows the tool's own description."""
    said = ("messages", "input", "contents")
    return [each for request in requests for key in said for each in decoded(request.get(key), [])]


@pytest.mark.parametrize("client", CLIENTS)
async def test_it_delegates_and_gets_the_structured_result(
    client: str, stage: Any, vendor: Any, calling: Any, installed: Callable[[str], None]
) -> None:
    installed(client)
    call = {"agentic_prompt": "Write hello.txt.", "agent": "desk", "workspace": str(stage.work)}
    async with FakeChat(DESK) as desk, vendor(VENDORS[client], calling(TOOLS[client], call)) as model:
        stage.desk(desk.base_url)
        done = await stage.run(*CLIENTS[client](stage, model.base_url))
    told = shown(stage, done, model)
    assert done.code == 0, told
    results = delegated(model.requests)
    assert results, told
    assert results[0]["success"] is True, told
    assert results[0]["result"] == "The file is written, says the desk."
    assert results[0]["metadata"]["files_changed"] == ["hello.txt"]
    assert results[0]["metadata"]["turns"] == 2
    assert (stage.work / "hello.txt").read_text() == "hi"
    assert "All done." in done.out
    assert await stage.left() == []
    for key in (DUMMY,):
        assert key not in json.dumps(results)


async def test_claude_codes_tool_timeout_ends_the_agent_and_keeps_its_record(
    stage: Any, vendor: Any, calling: Any, installed: Callable[[str], None]
) -> None:
    installed("claude")
    call = {"agentic_prompt": "Write hello.txt.", "agent": "desk", "workspace": str(stage.work)}
    slow = (WRITE, Fault(kind="slow_headers"))
    async with FakeChat(slow) as desk, vendor("anthropic", calling(TOOLS["claude"], call)) as model:
        stage.desk(desk.base_url)
        argv, environ = claude(stage, model.base_url)
        done = await stage.run(argv, {**environ, "MCP_TOOL_TIMEOUT": "3000"})
        for _ in range(600):
            if not desk.open_requests:
                break
            await asyncio.sleep(0.1)
        assert desk.open_requests == 0, "the agent's request is given up"
    told = shown(stage, done, model)
    assert done.code == 0, told
    assert len(desk.requests) == 2, told
    assert "timed out" in json.dumps(model.requests[-1]["messages"]), told
    assert await stage.left() == []
    assert "interrupted" in stored(stage)


def stored(stage: Any) -> str:
    """What the store has of trials, as text."""
    (path,) = stage.home.rglob("*.db")
    with sqlite3.connect(path) as connection:
        return "\n".join(str(line) for line in connection.iterdump())
