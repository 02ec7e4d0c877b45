"""The tool's answers, and what it refuses."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.agent.tools.run_command import MAX_COMMAND_BYTES, create
from flatfield.agent.workspace import open_workspace
from flatfield.errors import NotReady, ToolError
from flatfield.machine.protocols import CommandResult, Sandbox, SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeSandbox:
    """Answers as it is told, and keeps what it was asked."""

    user = None
    kind = "fake"

    def with_packages(self, packages: Path) -> Sandbox:
        raise AssertionError(packages)

    def __init__(self, result: CommandResult | Exception) -> None:
        self.result = result
        self.asked: list[tuple[str, Path, SandboxLimits]] = []

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        self.asked.append((command, workspace, limits))
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def _result(exit_code: int | None = 0, output: str = "") -> CommandResult:
    return CommandResult(exit_code=exit_code, output=output, timed_out=exit_code is None, seconds=0.1)


async def _call(sandbox: Sandbox | None, root: Path, arguments: dict[str, Any]) -> str:
    workspace = open_workspace(root, sandbox=sandbox, command_limits=SandboxLimits(wall_seconds=7))
    try:
        return (await create(workspace).call(arguments)).text
    finally:
        workspace.files.close()


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (_result(0, "hello\n"), "exit code 0\nhello\n"),
        (_result(2, ""), "exit code 2\n(no output)"),
        (_result(None, "so far\n"), "stopped: the command was still running after 7 seconds\nso far\n"),
        (_result(152, ""), "exit code 152 (killed: it used more CPU time than allowed)\n(no output)"),
    ],
)
async def test_the_answer_is_how_it_ended_and_what_it_printed(tmp_path: Path, result: CommandResult, text: str) -> None:
    sandbox = FakeSandbox(result)
    assert await _call(sandbox, tmp_path, {"command": "make"}) == text
    assert sandbox.asked == [("make", tmp_path, SandboxLimits(wall_seconds=7))]


async def test_without_a_sandbox_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="refused: commands cannot be run safely here; use the file tools"):
        await _call(None, tmp_path, {"command": "ls"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs a command"),
        ({"command": "  \n"}, "needs a command"),
        ({"command": ["ls"]}, "needs a command"),
        ({"command": "ls\0"}, "NUL"),
        ({"command": "echo \ud800"}, "surrogate"),
        ({"command": "x" * (MAX_COMMAND_BYTES + 1)}, "write a script to a file"),
    ],
)
async def test_what_is_no_command_is_explained(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    sandbox = FakeSandbox(_result())
    with pytest.raises(ToolError, match=message):
        await _call(sandbox, tmp_path, arguments)
    assert sandbox.asked == []


async def test_a_sandbox_that_fails_is_not_the_models_fault(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="gone"):
        await _call(FakeSandbox(NotReady("gone")), tmp_path, {"command": "ls"})


def test_the_model_is_told_one_required_argument(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    spec = create(workspace).spec
    workspace.files.close()
    assert (spec.name, spec.parameters["required"]) == ("run_command", ["command"])
    assert "/bin/sh" in spec.description


@pytest.fixture
def work() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.needs("bwrap")
async def test_commands_and_file_tools_share_the_workspace(work: Path) -> None:
    workspace = open_workspace(work, sandbox=find_sandbox(os.environ))
    try:
        tool = create(workspace)
        workspace.files.write_bytes("a.txt", b"1\n")
        assert (await tool.call({"command": "echo 2 >> a.txt; cat a.txt"})).text == "exit code 0\n1\n2\n"
        workspace.files.write_bytes("a.txt", b"3\n")
        assert (await tool.call({"command": "x" * MAX_COMMAND_BYTES})).text != ""
        assert (await tool.call({"command": "mv a.txt b.txt"})).text == "exit code 0\n(no output)"
        assert workspace.files.read_bytes("b.txt") == b"3\n"
    finally:
        workspace.files.close()
