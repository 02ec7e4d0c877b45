"""`run_command`: runs one shell command in the workspace, inside the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.errors import ToolError
from flatfield.records import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.protocols import CommandResult, SandboxLimits
    from flatfield.agent.workspace import Workspace

MAX_COMMAND_BYTES = 100_000
"""Below the 128 KiB that Linux allows for one argument of a program."""
KILLED = {
    137: "killed: it was ended by SIGKILL, probably over its CPU or memory limit",
    152: "killed: it used more CPU time than allowed",
    153: "killed: it wrote a larger file than allowed",
}
SPEC = ToolSpec(
    name="run_command",
    description=(
        "Run a shell command (/bin/sh) in the workspace and return its exit code and its output. There is no network, "
        "and nothing outside of the workspace can be changed."
    ),
    parameters={
        "type": "object",
        "properties": {"command": {"type": "string", "description": "The command line to run."}},
        "required": ["command"],
        "additionalProperties": False,
    },
)


def create(workspace: Workspace) -> RunCommand:
    """The tool, bound to one workspace."""
    return RunCommand(workspace)


class RunCommand:
    """Runs commands; what they started is gone when they return."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""
        return SPEC

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """Run `arguments["command"]` and answer `exit code N`, then what it printed.

        Raises:
            ToolError: there is no sandbox, or the command is not one that can be started.
            NotReady: the sandbox failed; no fault of the model's.
        """
        sandbox = self._workspace.sandbox
        if sandbox is None:
            raise ToolError("run_command is refused: commands cannot be run safely here; use the file tools instead")
        command = arguments.get("command")
        if not isinstance(command, str) or not command.strip():
            raise ToolError('run_command needs a command, such as {"command": "ls -l"}')
        if problem := command_problem(command):
            raise ToolError(f"run_command cannot start this command: {problem}")
        limits = self._workspace.command_limits
        return described(await sandbox.run(command, self._workspace.root, limits), limits)


def command_problem(command: str) -> str | None:
    """Why a text cannot be handed to a shell at all, and what to do instead; None when it can."""
    if "\0" in command:
        return "it holds a NUL character; leave it out"
    try:
        size_bytes = len(command.encode())
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair; write the character itself"
    if size_bytes > MAX_COMMAND_BYTES:
        return (
            f"it is {size_bytes:,} bytes long, {MAX_COMMAND_BYTES:,} are allowed; write a script to a file and run that"
        )
    return None


def described(result: CommandResult, limits: SandboxLimits) -> str:
    """A result as the model reads it: how it ended, then the output."""
    if result.stopped:
        ending = f"stopped: {result.stopped}"
    elif result.timed_out:
        ending = f"stopped: the command was still running after {limits.wall_seconds:g} seconds"
    else:
        why = KILLED.get(result.exit_code or 0)
        ending = f"exit code {result.exit_code}" + (f" ({why})" if why else "")
    return f"{ending}\n{result.output}" if result.output else f"{ending}\n(no output)"
