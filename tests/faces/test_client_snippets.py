"""The files that docs/clients.md gives to clients: each has the keys that the client documents, and starts the server.

With FLATFIELD_TEST_CLIENTS, the folder that the real clients are installed in, those are given them too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
import typer
from msgspec import Meta, Struct

from flatfield.faces.cli import with_values
from flatfield.faces.cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
CLIENTS = os.environ.get("FLATFIELD_TEST_CLIENTS", "")
Above = Annotated[float, Meta(gt=0)]
Text = Annotated[str, Meta(min_length=1)]


class _Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """A part of a client's file: a key that its documentation does not name is a mistake."""


class ClaudeCode(_Strict):
    """code.claude.com/docs/en/mcp: `.mcp.json`; timeout in milliseconds, alwaysLoad waits for the server."""

    command: Text
    type: Literal["stdio"] = "stdio"
    args: list[str] = []
    env: dict[str, str] = {}
    alwaysLoad: bool = False  # noqa: N815 - the client's key
    timeout: Annotated[int, Meta(gt=0)] = 1


class ClaudeCodeFile(_Strict):
    """One object with the servers by their names."""

    mcpServers: dict[str, ClaudeCode]  # noqa: N815


class Codex(_Strict):
    """openai/codex, codex-rs/core/config.schema.json, RawMcpServerConfig: what a server with a command may have."""

    command: Text
    args: list[str] = []
    env: dict[str, str] = {}
    env_vars: list[str] = []
    cwd: str | None = None
    enabled: bool = True
    required: bool = False
    startup_timeout_sec: Above | None = None
    tool_timeout_sec: Above | None = None
    enabled_tools: list[str] = []
    disabled_tools: list[str] = []
    default_tools_approval_mode: Literal["auto", "prompt", "approve"] = "auto"


class CodexFile(_Strict):
    """The part of config.toml that tells of servers."""

    mcp_servers: dict[str, Codex]


class Gemini(_Strict):
    """geminicli.com/docs/reference/configuration, mcpServers.NAME, and schemas/settings.schema.json beside it."""

    command: Text
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    timeout: Annotated[int, Meta(gt=0)] | None = None
    trust: bool = False
    description: str = ""
    includeTools: list[str] = []  # noqa: N815
    excludeTools: list[str] = []  # noqa: N815


class GeminiFile(_Strict):
    """The part of settings.json that tells of servers."""

    mcpServers: dict[str, Gemini]  # noqa: N815


class Opencode(_Strict):
    """opencode.ai/config.json of version 1, McpLocalConfig: the command with its arguments is one list."""

    type: Literal["local"]
    command: Annotated[list[str], Meta(min_length=1)]
    cwd: str | None = None
    environment: dict[str, str] = {}
    enabled: bool = True
    timeout: Annotated[int, Meta(gt=0)] | None = None


class OpencodeFile(_Strict):
    """The part of opencode.json that tells of servers."""

    mcp: dict[str, Opencode]


class ClaudeDesktop(_Strict):
    """modelcontextprotocol.io, "Connect to local MCP servers": command, args and env; paths are absolute."""

    command: Annotated[str, Meta(pattern="^/")]
    args: list[str] = []
    env: dict[str, str] = {}


class ClaudeDesktopFile(_Strict):
    """claude_desktop_config.json."""

    mcpServers: dict[str, ClaudeDesktop]  # noqa: N815


class Cursor(_Strict):
    """cursor.com/docs/context/mcp, "STDIO server configuration"; ${workspaceFolder} and ${env:NAME} are filled in."""

    command: Text
    type: Literal["stdio"] = "stdio"
    args: list[str] = []
    env: dict[str, str] = {}
    envFile: str | None = None  # noqa: N815


class CursorFile(_Strict):
    """.cursor/mcp.json."""

    mcpServers: dict[str, Cursor]  # noqa: N815


class VsCodeInput(_Strict):
    """code.visualstudio.com/docs/copilot/reference/mcp-configuration, "Input variables"."""

    type: Literal["promptString"]
    id: Text
    description: Text
    password: bool = False


class VsCode(_Strict):
    """The same page, "Standard I/O (stdio) servers"."""

    type: Literal["stdio"]
    command: Text
    args: list[str] = []
    env: dict[str, str] = {}
    envFile: str | None = None  # noqa: N815
    sandboxEnabled: bool = False  # noqa: N815


class VsCodeFile(_Strict):
    """.vscode/mcp.json: `servers`, and not `mcpServers`."""

    servers: dict[str, VsCode]
    inputs: list[VsCodeInput] = []


class Zed(_Strict):
    """zed.dev/docs/ai/mcp, "As Custom Servers", and zed's settings_content/src/project.rs: timeout in seconds."""

    command: Text
    args: list[str] = []
    env: dict[str, str] = {}
    enabled: bool = True
    timeout: Annotated[int, Meta(gt=0)] | None = None


class ZedFile(_Strict):
    """The part of settings.json that tells of servers."""

    context_servers: dict[str, Zed]


FILES: dict[str, Any] = {
    "Claude Code": ClaudeCodeFile,
    "Codex": CodexFile,
    "Gemini CLI": GeminiFile,
    "opencode": OpencodeFile,
    "Claude Desktop": ClaudeDesktopFile,
    "Cursor": CursorFile,
    "VS Code": VsCodeFile,
    "Zed": ZedFile,
}
WITH_WINDOWS = ("Claude Desktop", "Cursor", "VS Code", "Zed")


def section(client: str) -> str:
    (found,) = re.findall(rf"(?ms)^### {re.escape(client)}\n(.*?)(?=^##)", PAGE)
    return str(found)


def block(client: str) -> str:
    """The file that the page gives to a client."""
    (found,) = re.findall(r"(?ms)^```(?:json|toml)\n(.*?)^```$", section(client))
    return str(found)


def read(client: str) -> Any:
    value = tomllib.loads(block(client)) if client == "Codex" else json.loads(block(client))
    return msgspec.convert(value, FILES[client])


def server(client: str) -> Any:
    found = read(client)
    named: dict[str, Any] = getattr(found, found.__struct_fields__[0])
    assert list(named) == ["flatfield"]
    return named["flatfield"]


def words(client: str) -> list[str]:
    """The command line that a client starts."""
    found = server(client)
    return found.command if isinstance(found.command, list) else [found.command, *found.args]


@pytest.mark.parametrize("client", FILES)
def test_a_file_is_what_the_client_documents(client: str) -> None:
    assert server(client)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**msgspec.to_builtins(server(client)), "comand": "x"}, type(server(client)))


@pytest.mark.parametrize("client", FILES)
def test_its_command_line_starts_the_server(client: str) -> None:
    program, *rest = words(client)
    assert Path(program).name == "flatfield"
    if rest[0] == "--config":
        rest = rest[2:]
    assert rest.pop(0) == "mcp"
    command: Any = typer.main.get_command(app)
    command.commands["mcp"].make_context("flatfield mcp", with_values(rest))


@pytest.mark.parametrize("client", WITH_WINDOWS)
def test_a_client_with_windows_is_told_where_everything_is(client: str) -> None:
    program, option, config, mcp, root, folder = words(client)
    assert (option, mcp, root) == ("--config", "mcp", "--root")
    assert program.startswith("/")
    assert config == f"{folder}/flatfield.toml"
    assert folder.startswith(("/", "${workspaceFolder}"))
    assert ("${" in folder) == (client in ("Cursor", "VS Code")), "the others document no such variable"


@pytest.mark.parametrize(
    ("client", "key", "seconds"),
    [
        ("Claude Code", "timeout", 1800e3),
        ("Codex", "tool_timeout_sec", 600),
        ("Gemini CLI", "timeout", 600e3),
        ("opencode", "timeout", 600e3),
        ("Zed", "timeout", 600),
    ],
)
def test_a_call_may_take_minutes_where_that_can_be_set(client: str, key: str, seconds: float) -> None:
    assert getattr(server(client), key) == seconds


def test_every_input_of_vs_code_is_used_and_every_use_is_one() -> None:
    found = read("VS Code")
    used = re.findall(r"\$\{input:([\w-]+)\}", block("VS Code"))
    assert used == [each.id for each in found.inputs]


def test_the_page_has_no_other_client_and_the_other_pages_no_file() -> None:
    parts = re.findall(r"(?m)^### (.*)$", PAGE.partition("## Run a client as an agent")[0])
    assert parts == list(FILES)
    for name in ("mcp.md", "claude-code.md"):
        assert "mcpServers" not in (ROOT / "docs" / name).read_text(encoding="utf-8"), name


# ---------------------------------------------------------------------------- the real programs

real = pytest.mark.skipif(not CLIENTS, reason="FLATFIELD_TEST_CLIENTS names no folder with the clients")


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run a line in a folder of its own, with a home and a PATH of its own, where `flatfield` is this one."""
    for name in ("bin", "home", "work"):
        (tmp_path / name).mkdir()
    script = tmp_path / "bin" / "flatfield"
    start = shlex.join(["env", f"PYTHONPATH={ROOT / 'src'}", sys.executable, "-P", "-m", "flatfield"])
    script.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    script.chmod(0o755)
    nowhere = "http://127.0.0.1:9"
    environ = {
        "PATH": f"{script.parent}:{Path(CLIENTS).resolve() / 'node_modules' / '.bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }

    def of(line: str, **more: str) -> str:
        program = shlex.split(line)[0]
        if not (Path(CLIENTS) / "node_modules" / ".bin" / program).exists():
            pytest.skip(f"{program} is not installed in {CLIENTS}")
        done = subprocess.run(
            shlex.split(line),
            cwd=tmp_path / "work",
            env=environ | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.stdout + done.stderr

    return of


def put(client: str, *place: str) -> Path:
    path = Path(*place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block(client), encoding="utf-8")
    return path


@real
def test_claude_code_connects_once_the_projects_file_is_allowed(run: Any, tmp_path: Path) -> None:
    put("Claude Code", str(tmp_path), "work", ".mcp.json")
    assert "Pending approval" in run("claude mcp list")
    allowing = re.findall(r'`("enabledMcpjsonServers": .*?)`', section("Claude Code"))[0].join("{}")
    local, own = (tmp_path / name / ".claude" for name in ("work", "home"))
    local.mkdir()
    (local / "settings.local.json").write_text(allowing)
    assert "Pending approval" in run("claude mcp list"), "this is no git repository"
    own.mkdir(exist_ok=True)
    (own / "settings.json").write_text(allowing)
    assert "flatfield: flatfield mcp - ✔ Connected" in run("claude mcp list")


@real
def test_claude_code_takes_the_line_that_adds_it(run: Any) -> None:
    (line,) = re.findall(r"(?m)^claude mcp add .*$", section("Claude Code"))
    assert "Added stdio MCP server flatfield" in run(line)
    assert "✔ Connected" in run("claude mcp list")


@real
def test_codex_knows_every_key(run: Any, tmp_path: Path) -> None:
    path = put("Codex", str(tmp_path), "home", ".codex", "config.toml")
    told = run("codex mcp get flatfield")
    for line in ("startup_timeout_sec: 30", "tool_timeout_sec: 600", "default_tools_approval_mode: approve"):
        assert line in told
    path.write_text(f"{path.read_text()}\nrequiredd = true\n")
    assert "requiredd" not in run("codex mcp get flatfield")
    told = run("codex exec --strict-config --skip-git-repo-check -m x hi")
    assert re.findall(r"unknown configuration field `(.*?)`", told) == ["mcp_servers.flatfield.requiredd"]


@real
def test_gemini_cli_connects_where_the_folder_is_trusted(run: Any, tmp_path: Path) -> None:
    put("Gemini CLI", str(tmp_path), "home", ".gemini", "settings.json")
    assert "flatfield: flatfield mcp (stdio) - Disabled" in run("gemini mcp list")
    told = run("gemini mcp list", GEMINI_CLI_TRUST_WORKSPACE="true")
    assert "flatfield: flatfield mcp (stdio) - Connected" in told
    assert "Invalid configuration" not in told


@real
def test_opencode_connects(run: Any, tmp_path: Path) -> None:
    put("opencode", str(tmp_path), "work", "opencode.json")
    told = run("opencode mcp list")
    assert "✓ flatfield" in told
    assert "invalid" not in told
