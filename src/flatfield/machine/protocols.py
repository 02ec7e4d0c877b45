"""The seams of the machine's room: a sandbox, what one command may use, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class SandboxLimits(Struct, frozen=True, kw_only=True):
    """What one sandboxed command may use at most.

    `cpu_seconds` and `file_bytes` are for each process and file, `memory_bytes` for each process and all together;
    `workspace_bytes` and `workspace_files` (folders are files) for all that the workspace holds.
    """

    wall_seconds: float = 60.0
    cpu_seconds: int = 60
    memory_bytes: int = 2 * 1024**3
    processes: int = 128
    file_bytes: int = 64 * 1024**2
    workspace_bytes: int = 1024**3
    workspace_files: int = 50_000
    output_bytes: int = 64 * 1024


class Mount(Struct, frozen=True, kw_only=True):
    """One path of a workspace, relative to it, that commands find changed.

    `how`: "pinned", the folder can be neither renamed nor deleted; "read-only"; "hidden", it looks empty, and cannot be
    written either.
    """

    path: str
    how: Literal["pinned", "read-only", "hidden"]
    is_folder: bool


class CommandResult(Struct, frozen=True, kw_only=True):
    """How a command ended; `exit_code` None when killed: for time, or for what `stopped` says.

    `host_short`: it was stopped because the host ran short of something, which need not have been the command's doing;
    otherwise `stopped` is a limit of its own that it exceeded. `output`: stdout and stderr, cut in a stated way.
    `seconds` are the command's own: what it took to start and to leave the sandbox is in none of them.
    """

    exit_code: int | None
    output: str
    timed_out: bool
    seconds: float
    stopped: str = ""
    host_short: bool = False


class Sandbox(Protocol):
    """Runs one shell command in a workspace, shut off from everything else; `kind` says what it is made of."""

    @property
    def kind(self) -> str:
        """Such as `bubblewrap`."""
        ...

    def with_packages(self, packages: Path) -> Sandbox:
        """The same, with a folder of Python packages that commands can import and not change."""
        ...

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its whole process tree is gone on return or cancellation."""
        ...

    @property
    def user(self) -> int | None:
        """The host uid that commands run as when it is not ours (the workspace must be given to it), else None."""
        ...


@runtime_checkable
class Mounting(Protocol):
    """A sandbox that can keep parts of a workspace from commands."""

    def with_mounts(self, mounts: tuple[Mount, ...], look: Callable[[], None] | None = None) -> Sandbox:
        """The same, for a workspace with these parts kept; folders stand before what is in them.

        `look` is called (in a thread) before a command begins and when all of it is gone; in between, and while it
        looks, files belong to the user that commands run as.

        Raises:
            NotReady: one of them cannot be kept.
        """
        ...


@runtime_checkable
class Showing(Protocol):
    """A sandbox that can show commands more of the host than the workspace."""

    def with_shown(self, shown: tuple[tuple[Path, str], ...]) -> Sandbox:
        """The same, with these folders and files of the host to be read, each at the path beside it."""
        ...
