"""Runs commands in a bubblewrap sandbox: a private root, no network, no other user's files or processes."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.agent.protocols import CommandResult
from flatfield.agent.sandbox.interpreter import TOOLS, first_closed
from flatfield.agent.sandbox.lending import Lending
from flatfield.agent.sandbox.processes import run_to_end
from flatfield.errors import NotReady

if TYPE_CHECKING:
    from flatfield.agent.protocols import SandboxLimits
    from flatfield.agent.sandbox.interpreter import SandboxPython

HOME = "/workspace"
SCRATCH_BYTES = 256 * 1024**2
ENVIRONMENT = {
    "PATH": f"{TOOLS}/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": HOME,
    "USER": "sandbox",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONPATH": f"{TOOLS}/packages",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""All that a command sees of an environment. Bytecode would only be noise among an agent's changes."""
NAMESPACES = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
    *("--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"),
    *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
)
KERNEL = (
    *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
    *("--size", str(SCRATCH_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108 - a private one
    *("--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"),  # noqa: S108 - a private one
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bubblewrap:
    """A Sandbox made of bubblewrap and prlimit; `user` is set, and setpriv used, when the host's user is root.

    Inside, the workspace is /workspace, the user is 1000 without any capability, /usr is read-only, /tmp and /dev/shm
    are private and hold 256 MB each. Memory and CPU limits are per process, and address space is what is limited, so
    runtimes that reserve a lot of it (Node.js) need a higher `memory_bytes`. A file is limited to `file_bytes`, but how
    much a workspace holds in all is not: a command can fill the disk that the workspace lies on.
    """

    bwrap: str
    setpriv: str | None
    python: SandboxPython
    user: int | None = None

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its whole process tree is gone on return or cancellation.

        When the host's user is root, the workspace belongs to `user` while the command runs.

        Raises:
            NotReady: the command could not be started; nothing of it ran.
        """
        try:
            workspace = _open_way(workspace, self.user)
            lending = None if self.user is None else await asyncio.to_thread(Lending, workspace, self.user)
        except OSError as error:
            raise NotReady(f"the workspace {workspace} cannot be given to sandboxed commands: {error}") from error
        try:
            ended = await run_to_end(
                lambda status: self.argv(command, workspace, limits, status), cwd=Path("/"), environ={}, limits=limits
            )
        finally:
            if lending is not None:
                await asyncio.to_thread(lending.give_back)
        timed_out = ended.exit_code is None
        if ended.inner_exit_code is None and not timed_out:
            raise NotReady(f"the sandbox could not start: {ended.output.strip() or f'exit code {ended.exit_code}'}")
        exit_code = None if timed_out else ended.inner_exit_code
        return CommandResult(exit_code=exit_code, output=ended.output, timed_out=timed_out, seconds=ended.seconds)

    def argv(self, command: str, workspace: Path, limits: SandboxLimits, status: int) -> tuple[str, ...]:
        """The arguments that run `command`; bubblewrap writes how it went to the descriptor `status`."""
        unprivileged: tuple[str, ...] = ()
        if self.setpriv is not None:
            unprivileged = (self.setpriv, f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--")
        variables = (part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value))
        return (
            *(*unprivileged, self.bwrap, "--json-status-fd", str(status), *NAMESPACES),
            *(*_system(), *KERNEL, *self._tools()),
            *("--bind", str(workspace), HOME, "--chdir", HOME, "--remount-ro", "/", *variables, "--"),
            *("prlimit", f"--cpu={limits.cpu_seconds}", f"--as={limits.memory_bytes}"),
            *(f"--nproc={limits.processes}", f"--fsize={limits.file_bytes}", "--nofile=512", "--core=0", "--"),
            *("/bin/sh", "-c", command),
        )

    def _tools(self) -> tuple[str, ...]:
        tools, prefix = self.python.tools, self.python.prefix
        accounts = (("--ro-bind", f"{tools}/etc/{name}", f"/etc/{name}") for name in ("passwd", "group", "hosts"))
        shown = ("--ro-bind", str(prefix), str(prefix)) if prefix else ()
        return (*shown, "--ro-bind", str(tools), TOOLS, *(part for account in accounts for part in account))


def _system() -> tuple[str, ...]:
    """Shows /usr, the folders beside it that belong to it, and of /etc only what programs need to start."""
    shown = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        folder = Path("/", name)
        if folder.is_symlink():
            shown += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            shown += ["--ro-bind", str(folder), str(folder)]
    shown += ["--dir", "/etc"]
    for path in ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs"):
        shown += ["--ro-bind-try", path, path]
    return tuple(shown)


def _open_way(workspace: Path, user: int | None) -> Path:
    """The workspace without links in its path, which `user` can enter.

    Raises:
        NotReady: a folder above it is closed to `user`.
    """
    workspace = workspace.resolve()
    closed = first_closed(workspace.parent, user)
    if closed is not None:
        raise NotReady(
            f"sandboxed commands run as user {user}, who may not pass {closed} on the way to {workspace}; "
            f"use a workspace elsewhere, or chmod o+x {closed}"
        )
    mode = stat.S_IMODE(workspace.stat().st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:  # a command's `chmod 0 .` would keep every later one from starting
        workspace.chmod(mode | stat.S_IRWXU)
    return workspace
