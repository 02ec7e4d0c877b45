"""Runs commands in a bubblewrap sandbox: a private root, no network, no other user's files or processes."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import stat
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.running import Start
from flatfield.children.starting import mark_arguments
from flatfield.errors import NotReady
from flatfield.machine.protocols import CommandResult
from flatfield.machine.sandbox.interpreter import EMPTY, TOOLS, first_closed
from flatfield.machine.sandbox.ownership import Lending, journal_of
from flatfield.machine.sandbox.processes import MARKED, Guard, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flatfield.machine.protocols import Mount, SandboxLimits
    from flatfield.machine.sandbox.interpreter import SandboxPython
    from flatfield.machine.sandbox.processes import Ended


# The filter that keeps sandboxed commands from system calls which reach past the sandbox or hide memory.


LOAD, EQUALS, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, DENY = 0x7FFF0000, 0x00050000
NUMBER_AT, MACHINE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
FOREIGN_CALLS = 0x40000000  # x86-64's second set of numbers begins here
SOCKETS = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK: these belong to a network namespace. AF_VSOCK, for one, does not."""
REFUSED = {
    "x86_64": {
        "memfd_create": 319,
        "memfd_secret": 447,
        "shmget": 29,
        "msgget": 68,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "userfaultfd": 323,
        "bpf": 321,
        "perf_event_open": 298,
        "pidfd_getfd": 438,
    },
    "aarch64": {
        "memfd_create": 279,
        "memfd_secret": 447,
        "shmget": 194,
        "msgget": 186,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "userfaultfd": 282,
        "bpf": 280,
        "perf_event_open": 241,
        "pidfd_getfd": 438,
    },
}
"""Memory that no process shows (files without a name, System V's), the keyring, and interfaces with a bad record."""
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}


def filter_program(machine: str) -> bytes:
    """A classic BPF program for seccomp; empty where the machine's numbers are not known.

    What is refused fails with EPERM, another kind of socket with EAFNOSUPPORT, calls of a foreign machine with ENOSYS.
    See linux/filter.h and linux/seccomp.h for the layout.
    """
    if machine not in MACHINES:
        return b""
    refused = sorted(REFUSED[machine].values())
    code = [_step(LOAD, MACHINE_AT), _step(EQUALS, MACHINES[machine], 1, 0), _deny(errno.ENOSYS)]
    code += [_step(LOAD, NUMBER_AT), _step(AT_LEAST, FOREIGN_CALLS, 0, 1), _deny(errno.ENOSYS)]
    for number in refused:
        code += [_step(EQUALS, number, 0, 1), _deny(errno.EPERM)]
    code += [_step(EQUALS, SOCKET[machine], 1, 0), _step(RETURN, ALLOW), _step(LOAD, FIRST_ARGUMENT_AT)]
    for family in SOCKETS:
        code += [_step(EQUALS, family, 0, 1), _step(RETURN, ALLOW)]
    return b"".join([*code, _deny(errno.EAFNOSUPPORT)])


def open_filter(machine: str) -> int | None:
    """A descriptor from which a sandbox reads the program, to be closed by the caller; None without a program."""
    program = filter_program(machine)
    if not program:
        return None
    descriptor = os.memfd_create("filter")
    os.write(descriptor, program)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _deny(reason: int) -> bytes:
    return _step(RETURN, DENY | reason)


HOME = "/workspace"
PACKAGES = "/opt/packages"
"""Where a task's own packages are seen."""
SCRATCH_BYTES = 256 * 1024**2
ENVIRONMENT = {
    "PATH": f"{TOOLS}/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": HOME,
    "USER": "sandbox",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONPATH": f"{TOOLS}/packages:{PACKAGES}",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""All that a command sees of an environment. Bytecode would only be noise among an agent's changes."""
FOREIGN_GIT = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
"""A user's own repository is not lent: without this, git would not look at what is another user's."""
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
    are private and hold 256 MB each. The kernel limits each process (its address space too, so runtimes that reserve a
    lot of it, like Node.js, need a higher `memory_bytes`); what all of them use together, and what the workspace holds,
    a Guard limits. `packages` is shown read-only and can be imported.
    """

    bwrap: str
    setpriv: str | None
    choom: str | None
    python: SandboxPython
    user: int | None = None
    packages: Path | None = None
    mounts: tuple[Mount, ...] = ()
    look: Callable[[], None] | None = None
    shown: tuple[tuple[Path, str], ...] = ()
    machine: str = field(default_factory=platform.machine)

    @property
    def kind(self) -> str:
        """What it is made of."""
        return "bubblewrap"

    @property
    def environ(self) -> dict[str, str]:
        """What bubblewrap itself is started with: nothing, because its first process can be looked at from inside."""
        return {}

    @property
    def private_root(self) -> bool:
        """Whether no folder of a system but /usr is there."""
        return True

    @staticmethod
    def why(message: str) -> str:
        """One sentence for a bubblewrap that could not start, with the fix where the message tells which one it is."""
        if "unknown option" in message.lower():
            fix = "install bubblewrap 0.8 or newer"
        elif any(word in message.lower() for word in ("namespace", "uid map", "not permitted", "permission denied")):
            fix = (
                "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, "
                "user.max_user_namespaces=10000; in a container, relax its seccomp and AppArmor profiles)"
            )
        else:
            fix = "run `bwrap --unshare-all --ro-bind / / true` to see what it lacks"
        return f"bubblewrap cannot start: {message or 'it printed nothing'}; {fix}"

    def with_packages(self, packages: Path) -> Bubblewrap:
        """The same, with a folder of packages to import."""
        return replace(self, packages=packages)

    def with_shown(self, shown: tuple[tuple[Path, str], ...]) -> Bubblewrap:
        """The same, with these folders and files of the host to be read, each at the path beside it."""
        return replace(self, shown=shown)

    def with_mounts(self, mounts: tuple[Mount, ...], look: Callable[[], None] | None = None) -> Bubblewrap:
        """The same, with parts of the workspace kept from commands, looked at before and after each."""
        return replace(self, mounts=mounts, look=look)

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its whole process tree is gone on return or cancellation.

        When the host's user is root, the workspace belongs to `user` while the command runs.

        Raises:
            NotReady: the command could not be started; nothing of it ran.
        """
        workspace, lending = await lent(workspace, self.user, self.mounts)
        rules = open_filter(self.machine)
        try:
            await looked(self.look)
            ended = await run_to_end(
                lambda status: self.argv(command, workspace, limits, status, rules),
                Start(cwd=Path("/"), environ=self.environ, kept=() if rules is None else (rules,)),
                limits,
                Guard(workspace, limits, private_tmp=True, kept=kept_paths(self.mounts)).exceeded,
            )
        finally:
            if rules is not None:
                os.close(rules)
            await give_back(lending, self.look)
        if ended.inner_exit_code is None and ended.exit_code is not None:
            raise NotReady(f"the sandbox could not start: {ended.output.strip() or f'exit code {ended.exit_code}'}")
        return result_of(ended, ended.inner_exit_code)

    def argv(
        self, command: str, workspace: Path, limits: SandboxLimits, status: int, rules: int | None
    ) -> tuple[str, ...]:
        """The arguments that run `command`; `status` and `rules` are descriptors: how it went, and the filter.

        When the machine runs out of memory, the kernel ends a sandbox before anything else.
        """
        first: tuple[str, ...] = (self.choom, "--adjust=1000", "--") if self.choom else ()
        if self.setpriv is not None:
            first += (self.setpriv, f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--")
        filtered = () if rules is None else ("--seccomp", str(rules))
        environ = ENVIRONMENT | (FOREIGN_GIT if self.mounts else {})
        variables = (part for name, value in environ.items() for part in ("--setenv", name, value))
        return (
            *(*first, self.bwrap, *mark_arguments(), "--json-status-fd", str(status), *filtered, *NAMESPACES),
            *(*_system(), *KERNEL, *self._tools()),
            *("--bind", str(workspace), HOME, *self._mounts(workspace), *self._shown(), "--chdir", HOME),
            *("--remount-ro", "/", *variables, "--"),
            *("prlimit", f"--cpu={limits.cpu_seconds}", f"--as={limits.memory_bytes}"),
            *(f"--nproc={limits.processes}", f"--fsize={limits.file_bytes}", "--nofile=512", "--core=0", "--"),
            *("/bin/sh", "-c", MARKED, "sh", command),
        )

    def _mounts(self, workspace: Path) -> Iterator[str]:
        """Binds the parts of the workspace that are kept from commands, and pins the folders on the way to them."""
        for mount in self.mounts:
            inside = f"{HOME}/{mount.path}"
            if mount.how == "hidden" and mount.is_folder:
                yield from ("--tmpfs", inside, "--remount-ro", inside)
            elif mount.how == "hidden":
                yield from ("--ro-bind", f"{self.python.tools}/etc/{EMPTY}", inside)
            else:
                how = "--bind" if mount.how == "pinned" else "--ro-bind"
                yield from (how, str(workspace / mount.path), inside)

    def _shown(self) -> Iterator[str]:
        for source, where in self.shown:
            yield from ("--ro-bind", str(source), where)

    def _tools(self) -> tuple[str, ...]:
        tools, prefix = self.python.tools, self.python.prefix
        accounts = (("--ro-bind", f"{tools}/etc/{name}", f"/etc/{name}") for name in ("passwd", "group", "hosts"))
        shown = ("--ro-bind", str(prefix), str(prefix)) if prefix else ()
        packages = ("--ro-bind", str(self.packages), PACKAGES) if self.packages else ()
        return (*shown, "--ro-bind", str(tools), TOOLS, *packages, *(part for account in accounts for part in account))


def result_of(ended: Ended, exit_code: int | None) -> CommandResult:
    """What a process's end means for the command that it ran."""
    killed, stop = ended.exit_code is None, ended.stopped
    return CommandResult(
        exit_code=None if killed else exit_code,
        output=ended.output,
        timed_out=killed and stop is None,
        seconds=ended.seconds,
        stopped=stop.reason if stop else "",
        host_short=stop is not None and stop.host_short,
    )


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


async def lent(workspace: Path, user: int | None, mounts: Sequence[Mount]) -> tuple[Path, Lending | None]:
    """The workspace without links in its path, lent to the sandbox's user where that is another one.

    Raises:
        NotReady: it cannot be given to that user.
    """
    try:
        workspace = open_way(workspace, user)
        if user is None:
            return workspace, None
        journal = journal_of(workspace, os.environ) if mounts else None  # a trial's copy is thrown away
        return workspace, await asyncio.to_thread(Lending.begun, workspace, user, kept_paths(mounts), journal)
    except OSError as error:
        raise NotReady(f"the workspace {workspace} cannot be given to sandboxed commands: {error}") from error


async def looked(look: Callable[[], None] | None) -> None:
    """Let the one who wants to look do so."""
    if look is not None:
        await asyncio.to_thread(look)


async def give_back(lending: Lending | None, look: Callable[[], None] | None) -> None:
    """Have it looked at what a command left, and give the workspace back."""
    try:
        await looked(look)
    finally:
        if lending is not None:
            await asyncio.to_thread(lending.give_back)


def kept_paths(mounts: Sequence[Mount]) -> frozenset[str]:
    """What of a workspace no command can change."""
    return frozenset(mount.path for mount in mounts if mount.how != "pinned")


def open_way(workspace: Path, user: int | None) -> Path:
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
