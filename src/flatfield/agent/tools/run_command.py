"""`run_command`: runs one shell command in the workspace, inside the sandbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import structs

from flatfield.agent.files import shielding
from flatfield.agent.files.stamping import Looks
from flatfield.agent.toolbox import ToolText
from flatfield.errors import NotReady, ToolError
from flatfield.machine.protocols import Mounting
from flatfield.machine.sandbox.processes import workspace_holds
from flatfield.records import ToolSpec, ToolTraits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.files.guarding import Protection
    from flatfield.agent.workspace import Workspace
    from flatfield.machine.protocols import CommandResult, Sandbox, SandboxLimits

MAX_COMMAND_BYTES = 100_000
"""Below the 128 KiB that Linux allows for one argument of a program."""
KILLED = {
    137: "killed: it was ended by SIGKILL, probably over its CPU or memory limit",
    152: "killed: it used more CPU time than allowed",
    153: "killed: it wrote a larger file than allowed",
}
TRAITS = ToolTraits(
    needs_sandbox=True,
    shields_folder=True,
    command_argument="command",
    aliases=(
        "bash",
        "shell",
        "run",
        "exec",
        "execute",
        "execute_command",
        "execute_bash",
        "terminal",
        "run_shell_command",
        "run_terminal_cmd",
        "run_in_terminal",
        "exec_command",
        "local_shell",
    ),
)

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

IN_PLACE = (
    " Protected files of the user's (version control, settings of tools, secrets) cannot be changed, and secrets look "
    "empty."
)
"""What is told besides where the workspace is a user's own folder."""
NO_MOUNTS = (
    "without a sandbox, commands in your own folder could change what others execute and read your keys; install one "
    "(docs/sandbox.md), or leave run_command out of the agent's tools"
)
WAIT_SECONDS = 0.05
FILES_MAX = 10**9


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
        if self._workspace.files.protection is None:
            return SPEC
        return structs.replace(SPEC, description=SPEC.description + IN_PLACE)

    async def call(self, arguments: Mapping[str, Any]) -> ToolText:
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
        if self._workspace.files.protection is None:
            ended = await sandbox.run(command, self._workspace.root, limits)
            return ToolText(text=described(ended, limits), seconds=ended.seconds)
        files = self._workspace.files
        result, done = await run_shielded(command, self._workspace.files.protection, sandbox, limits, files)
        text = "\n".join((described(result, limits), *(f"[{sentence}]" for sentence in done)))
        return ToolText(text=text, seconds=result.seconds)


async def run_shielded(
    command: str,
    protection: Protection,
    sandbox: Sandbox,
    limits: SandboxLimits,
    files: ConfinedFiles | None = None,
) -> tuple[CommandResult, tuple[str, ...]]:
    """Run a command in a user's own folder, kept from what is protected there; and what was put right afterwards.

    Commands of several agents in one folder run one after the other. What the folder holds already does not count
    against the limits. With `files` that collect what an agent changed, what the command changed is noted there, and
    the code among it is remembered; while it runs, that it does.

    Raises:
        NotReady: this sandbox cannot keep all of it from commands, or failed.
    """
    if not isinstance(sandbox, Mounting):
        raise NotReady(NO_MOUNTS)
    while True:
        with shielding.alone(protection) as is_alone:
            if is_alone:
                return await _run_alone(command, protection, sandbox, limits, files)
        await asyncio.sleep(WAIT_SECONDS)


async def _run_alone(
    command: str, protection: Protection, sandbox: Mounting, limits: SandboxLimits, files: ConfinedFiles | None
) -> tuple[CommandResult, tuple[str, ...]]:
    before = await asyncio.to_thread(shielding.prepare, protection)
    looks = Looks(protection.root, shielding.kept(before))
    shielded = sandbox.with_mounts(shielding.mounts(before), looks if files else None)
    wider = await asyncio.to_thread(_wider, limits, protection.root, shielding.kept(before))
    mark = await asyncio.to_thread(files.changed.witness.begins) if files and files.changed else ""
    since = files.changed.moment if files and files.changed else 0
    try:
        result = await shielded.run(command, protection.root, wider)
    finally:
        done = await asyncio.to_thread(shielding.put_right, protection, before)
        if files:
            await asyncio.to_thread(files.settle_unseen, looks, mark, since)
    return result, done


def _wider(limits: SandboxLimits, root: Path, kept: frozenset[str]) -> SandboxLimits:
    """The limits beside what the workspace holds already; what is kept from commands does not count at all."""
    held = workspace_holds(root, FILES_MAX, kept)
    return structs.replace(
        limits,
        workspace_bytes=limits.workspace_bytes + held.bytes,
        workspace_files=limits.workspace_files + held.files,
    )


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
