"""Runs commands in a container of Podman or Docker, where there is no bubblewrap: slower, with the same limits."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.running import Start, blocking, run_process
from flatfield.children.starting import UNKNOWN, at_the_end, began, is_over, with_mark
from flatfield.errors import NotReady
from flatfield.machine.sandbox.bubblewrap import (
    FOREIGN_GIT,
    HOME,
    PACKAGES,
    SCRATCH_BYTES,
    give_back,
    kept_paths,
    lent,
    looked,
    result_of,
)
from flatfield.machine.sandbox.processes import MARKED, Guard, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flatfield.children.running import Finished
    from flatfield.machine.protocols import CommandResult, Mount, SandboxLimits

ENVIRONMENT = {
    "HOME": HOME,
    "USER": "sandbox",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONPATH": PACKAGES,
    "PYTHONDONTWRITEBYTECODE": "1",
}
CLOSED = (
    *("--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    f"--security-opt=seccomp={Path(__file__).with_name('seccomp.json')}",
    *("--hostname=sandbox", "--log-driver=none", f"--workdir={HOME}", f"--shm-size={SCRATCH_BYTES}"),
    f"--tmpfs=/tmp:rw,nosuid,nodev,exec,mode=1777,size={SCRATCH_BYTES}",
)
NOT_STARTED = 125
"""What both programs exit with when they could not start a container."""
WRAPPED = f'timeout -s KILL "$1" /bin/sh -c \'{MARKED}\' sh "$2"; code=$?; [ $code -ne 125 ] || code=1; exit $code'
"""Ends the command in time when nobody else does, and keeps its exit codes apart from NOT_STARTED."""
REMOVAL_SECONDS = 30.0
CONTAINERS = 32
"""How many may run their fill of processes side by side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A Sandbox made of `program` (podman or docker) and a local `image` that has Python and pytest.

    Inside, the workspace is /workspace; the root is the image's, read-only; /tmp and /dev/shm are private and hold
    256 MB each. Memory and processes are limited for all of the command together. `user` is set when we are root.
    An exit code of 125 is reported as 1. `environ` is what the program itself is started with.
    """

    program: str
    image: str
    environ: dict[str, str]
    user: int | None = None
    packages: Path | None = None
    mounts: tuple[Mount, ...] = ()
    look: Callable[[], None] | None = None
    shown: tuple[tuple[Path, str], ...] = ()
    machine: str = field(default_factory=platform.machine)

    @property
    def kind(self) -> str:
        """What it is made of."""
        return f"{Path(self.program).name} ({self.image})"

    @property
    def private_root(self) -> bool:
        """Whether no folder of a system but /usr is there."""
        return False

    def with_packages(self, packages: Path) -> Container:
        """The same, with a folder of packages to import."""
        return replace(self, packages=packages)

    def with_shown(self, shown: tuple[tuple[Path, str], ...]) -> Container:
        """The same, with these folders and files of the host to be read, each at the path beside it."""
        return replace(self, shown=shown)

    def with_mounts(self, mounts: tuple[Mount, ...], look: Callable[[], None] | None = None) -> Container:
        """The same, with parts of the workspace kept from commands, looked at before and after each.

        Raises:
            NotReady: a path cannot be named in an argument of the program.
        """
        odd = next((mount.path for mount in mounts if set(mount.path) & set(":,\n")), None)
        if odd is not None:
            raise NotReady(
                f"{Path(self.program).name} cannot keep {odd!a} from commands, for its `:` or `,`; rename it"
            )
        return replace(self, mounts=mounts, look=look)

    def why(self, message: str) -> str:
        """One sentence for a container that could not be started."""
        name = Path(self.program).name
        if any(word in message.lower() for word in ("no such image", "unable to find image", "not known", "not found")):
            fix = f"build the image {self.image} (docs/sandbox.md shows how), or name yours in FLATFIELD_SANDBOX_IMAGE"
        elif "connect" in message.lower():
            fix = f"start {name}'s service"
        else:
            fix = f"run `{name} run --rm --network=none {self.image} true` to see what it lacks"
        return f"{name} cannot start a container: {message[-500:] or 'it printed nothing'}; {fix}"

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its container is gone on return or cancellation.

        Raises:
            NotReady: the container could not be started; nothing of the command ran.
        """
        workspace, lending = await lent(workspace, self.user, self.mounts)
        name = _name()
        argv = self._argv(name, command, workspace, limits)
        start = Start(
            cwd=Path("/"),
            environ=with_mark(self.environ),
            end=lambda killed: self._remove([name] if killed else []),
        )
        guard = Guard(workspace, limits, private_tmp=False, kept=kept_paths(self.mounts))
        try:
            await looked(self.look)
            with at_the_end(self._removal([name]), self.environ):
                ended = await run_to_end(lambda _: argv, start, limits, guard.exceeded)
        finally:
            await give_back(lending, self.look)
        if ended.exit_code == NOT_STARTED:
            raise NotReady(self.why(ended.output.strip()))
        return result_of(ended, ended.exit_code)

    def argv(
        self,
        command: str,
        workspace: Path,
        limits: SandboxLimits,
        status: int,  # noqa: ARG002 - bubblewrap's
        rules: int | None,  # noqa: ARG002 - bubblewrap's: containers have the program's own filter
    ) -> tuple[str, ...]:
        """The arguments that run `command` under a name of its own."""
        return self._argv(_name(), command, workspace, limits)

    def _argv(self, name: str, command: str, workspace: Path, limits: SandboxLimits) -> tuple[str, ...]:
        user = os.geteuid() if self.user is None else self.user
        group = os.getegid() if self.user is None else self.user
        podman = Path(self.program).name.startswith("podman")
        own: tuple[str, ...] = ()
        if podman:  # its own defaults would add folders in memory without a size
            own = ("--read-only-tmpfs=false", *(("--userns=keep-id",) if os.geteuid() else ()))
        shown = ("--volume", f"{self.packages}:{PACKAGES}:ro,Z") if self.packages else ()
        of_user = limits.processes * CONTAINERS  # all containers are one user's; --pids-limit holds for each
        return (
            *(self.program, "run", *CLOSED, *own, "--name", name, f"--user={user}:{group}"),
            *(f"--memory={limits.memory_bytes}", f"--memory-swap={limits.memory_bytes}"),
            *(f"--pids-limit={limits.processes}", f"--ulimit=cpu={limits.cpu_seconds}:{limits.cpu_seconds}"),
            *(f"--ulimit=fsize={limits.file_bytes}:{limits.file_bytes}", "--ulimit=nofile=512:512"),
            *("--ulimit=core=0:0", f"--ulimit=nproc={of_user}:{of_user}"),
            # A user's own folder keeps a label that others may use too.
            *(
                "--volume",
                f"{workspace}:{HOME}:{'z' if self.mounts else 'Z'}",
                *self._mounts(workspace),
                *shown,
                *self._shown(),
            ),
            *(f"--env={key}={value}" for key, value in (ENVIRONMENT | (FOREIGN_GIT if self.mounts else {})).items()),
            *("--entrypoint=/bin/sh", self.image, "-c", WRAPPED, "sh", f"{limits.wall_seconds + 5:.0f}", command),
        )

    def _mounts(self, workspace: Path) -> Iterator[str]:
        """Binds the parts of the workspace that are kept from commands, and pins the folders on the way to them."""
        for mount in self.mounts:
            inside = f"{HOME}/{mount.path}"
            if mount.how == "hidden" and mount.is_folder:
                yield f"--tmpfs={inside}:ro,size=4096"
            elif mount.how == "hidden":
                yield from ("--volume", f"{os.devnull}:{inside}:ro")
            else:
                access = "" if mount.how == "pinned" else ":ro"
                yield from ("--volume", f"{workspace / mount.path}:{inside}{access}")

    def _shown(self) -> Iterator[str]:
        for source, where in self.shown:
            yield from ("--volume", f"{source}:{where}:ro")

    def sweep(self) -> None:
        """Remove the containers of processes of ours that are no more, on this machine."""
        asked = [self.program, "ps", "--all", "--format={{.Names}}", f"--filter=name={owner_prefix()}"]
        with suppress(OSError):
            done = self._done(asked)
            if done.exit_code is not None:
                self._remove([name for name in done.printed.split() if abandoned(name)])

    def _removal(self, names: Iterable[str]) -> list[str]:
        return [self.program, "rm", "--force", "--time=0" if "podman" in self.program else "--volumes", *names]

    def _remove(self, names: Sequence[str]) -> None:
        if names:
            with suppress(OSError):
                self._done(self._removal(names))

    def _done(self, argv: Sequence[str]) -> Finished:
        """How the program itself ended; what it keeps running for others of this user's stays.

        Raises:
            OSError: it could not be started.
        """
        start = Start(environ=self.environ)
        return blocking(run_process(argv, start, seconds=REMOVAL_SECONDS, leaves_daemons=True))


def _name() -> str:
    return f"{owner_prefix()}{os.getpid()}-{began(os.getpid()) or UNKNOWN}-{secrets.token_hex(4)}"


def owner_prefix() -> str:
    """How the names of this user's containers on this machine begin: a daemon may serve others too."""
    place = f"{platform.node()}/{os.geteuid()}"
    return f"sandbox-{hashlib.sha256(place.encode()).hexdigest()[:12]}-"


def abandoned(name: str) -> bool:
    """Whether a container is ours and the process that started it has ended."""
    parts = name.removeprefix(owner_prefix()).split("-")
    if not name.startswith(owner_prefix()) or len(parts) != 3 or not parts[0].isdigit():
        return False
    return is_over(int(parts[0]), parts[1])
