"""Decides whether commands can be run safely here: finds a sandbox, tries to get out of it, and says what it is."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.running import HeadAndTail, Start, blocking, running
from flatfield.children.starting import with_mark
from flatfield.errors import NotReady
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.bubblewrap import SCRATCH_BYTES, Bubblewrap, open_filter
from flatfield.machine.sandbox.container import Container
from flatfield.machine.sandbox.interpreter import sandbox_python
from flatfield.machine.sandbox.ownership import Lending
from flatfield.machine.sandbox.processes import START_MARK, megabytes

if TYPE_CHECKING:
    from collections.abc import Mapping


# Says in words what a sandbox is, how it was proved, and what it allows.


PROVED = (
    "it passes its self-test: from inside, no network, socket, file, key or process of this machine could be reached, "
    "nothing but the workspace be changed, no privilege be gained, no limit be exceeded"
)


def described(sandbox: Bubblewrap | Container) -> str:
    """A sandbox in three sentences: what it is, its proof, its limits."""
    limits = SandboxLimits()
    who = "you, without any privilege" if sandbox.user is None else f"user {sandbox.user}, whom nothing else belongs to"
    inside = sandbox.python.interpreter if isinstance(sandbox, Bubblewrap) else "the image's Python"
    allowed = (
        f"{limits.wall_seconds:g} s, {limits.cpu_seconds} s of CPU a process, "
        f"{megabytes(limits.memory_bytes)} of memory, {limits.processes} processes, "
        f"{megabytes(limits.file_bytes)} a file, {megabytes(limits.workspace_bytes)} and "
        f"{limits.workspace_files:,} files in the workspace, {megabytes(SCRATCH_BYTES)} in /tmp"
    )
    return f"{sandbox.kind}, as {who}, with {inside}; {PROVED}. A command may use {allowed}"


# The self-test: tries to get out of a sandbox in every way that it must prevent.


PROBE_LIMITS = SandboxLimits(
    wall_seconds=60.0, cpu_seconds=30, processes=16, file_bytes=1024**2, memory_bytes=256 * 1024**2
)
BEGUN, DONE = "begun", "done"
PLANTED = ("EXAMINED_SECRET", "visible-in-the-environment")
"""A variable of the program that starts a container: it must not be seen inside. Bubblewrap is started with none."""


def examine(sandbox: Bubblewrap | Container) -> tuple[str, ...]:
    """Try to get out of a sandbox in every way that it must prevent; what succeeded, nothing when it is safe.

    Raises:
        NotReady: nothing can be run in it at all.
    """
    with (
        tempfile.TemporaryDirectory(prefix="examine-") as name,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        folder = Path(name).resolve()
        secret, workspace = _laid_out(folder)
        for link, address in ((named, str(folder / "named")), (abstract, _abstract_name())):
            with suppress(FileNotFoundError, OSError):  # abstract names are Linux's alone
                link.bind(address)
                link.listen()
        (folder / "named").chmod(0o666)
        given = {
            "secret": str(secret),
            "port": server.getsockname()[1],
            "planted": PLANTED[1],
            "named": str(folder / "named"),
            "abstract": abstract.getsockname().strip(b"\0").decode(),
            "processes": PROBE_LIMITS.processes,
            "file_bytes": PROBE_LIMITS.file_bytes,
            "memory_bytes": PROBE_LIMITS.memory_bytes,
            "private_root": sandbox.private_root,
        }
        command = f"echo {BEGUN}; python3 probe.py {shlex.quote(json.dumps(given))} && echo {DONE}"
        output = blocking(_printed(sandbox, command, workspace, PROBE_LIMITS))
    before, begun, after = output.partition(f"{BEGUN}\n")
    if not begun:
        raise NotReady(sandbox.why(before.strip()))
    *problems, last = after.splitlines() or [""]
    return tuple(problems) if last == DONE else (f"its test ended early: {after[-500:]}",)


def _laid_out(folder: Path) -> tuple[Path, Path]:
    """A file that must not be seen, and beside it a workspace with the program that looks for it."""
    folder.chmod(0o755)
    secret, workspace = folder / "secret", folder / "work"
    secret.write_text("visible", encoding="utf-8")
    secret.chmod(0o644)
    workspace.mkdir()
    probe = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    (workspace / "probe.py").write_text(probe, encoding="utf-8")
    return secret, workspace


def _abstract_name() -> str:
    return f"\0{secrets.token_hex(8)}"


async def _printed(sandbox: Bubblewrap | Container, command: str, workspace: Path, limits: SandboxLimits) -> str:
    """Run one command as `run` does, but with nobody watching it, and return what was printed.

    Raises:
        NotReady: it does not come to an end.
    """
    if sandbox.user is not None:
        Lending.begun(workspace, sandbox.user)
    rules = open_filter(sandbox.machine)
    status = os.open(os.devnull, os.O_WRONLY)
    kept = (status, *(() if rules is None else (rules,)))
    output = HeadAndTail(limits.output_bytes)
    try:
        argv = sandbox.argv(command, workspace, limits, status, rules)
        environ = with_mark({**sandbox.environ, **dict([PLANTED])}) if sandbox.environ else {}
        async with (
            running(argv, Start(cwd=Path("/"), environ=environ, kept=kept), output) as process,
            asyncio.timeout(limits.wall_seconds),
        ):
            await process.wait()
    except TimeoutError:
        raise _Overtime(
            f"the sandbox's test did not end within {limits.wall_seconds:g} seconds: this machine is busy, or out of "
            "memory; nothing was done, try again when it has time"
        ) from None
    finally:
        for each in kept:
            os.close(each)
    return output.text().replace(START_MARK.decode(), "", 1)


# ---------------------------------------------------------------------------- the parts, and the decision


FIRST_USER = 60_873
"""Where the search for an unused uid starts: above people's accounts, below `nobody`, which services share."""
INSTALL = {"bwrap": "bubblewrap", "prlimit": "util-linux", "setpriv": "util-linux"}
IMAGE = "flatfield-sandbox"
"""The image that containers are made of, unless FLATFIELD_SANDBOX_IMAGE names another; never pulled."""
BACKENDS = ("bubblewrap", "podman", "docker")
RELEVANT = (
    *("PATH", "HOME", "XDG_CACHE_HOME", "FLATFIELD_SANDBOX_IMAGE", "XDG_RUNTIME_DIR", "TMPDIR"),
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINERS_CONF"),
)


def find_sandbox(environ: Mapping[str, str]) -> Bubblewrap | Container:
    """The sandbox for commands, once it has shown that it shuts them off: bubblewrap, else Podman, else Docker.

    The first call in a process takes about a second, because the sandbox is tried out; later ones take nothing. It
    blocks, so call it before the loop has work or in a thread.

    Args:
        environ: PATH says where programs are looked for, XDG_CACHE_HOME and HOME where a copy of pytest is kept,
            FLATFIELD_SANDBOX_IMAGE which image containers are made of.

    Raises:
        NotReady: there is no safe sandbox here; the reason and the fix.
    """
    found = _found(tuple((name, environ[name]) for name in RELEVANT if name in environ))
    if isinstance(found, str):
        raise NotReady(found)
    return found


class _Overtime(NotReady):
    """A sandbox that starts, and was not proved in time."""


@lru_cache(maxsize=8)
def _found(variables: tuple[tuple[str, str], ...]) -> Bubblewrap | Container | str:
    """The sandbox, or why there is none; both are remembered, because neither changes while a process lives."""
    reasons = []
    for name in BACKENDS:
        try:
            sandbox = _assemble(name, {"PATH": os.defpath, **dict(variables)})
            problems = examine(sandbox) if sandbox else ()
        except _Overtime as error:
            return str(error)  # it is there, and another kind would take as long
        except NotReady as error:
            reasons.append(str(error))
        except OSError as error:
            reasons.append(f"the sandbox cannot be tried out: {error}")
        else:
            if sandbox and not problems:
                return sandbox
            reasons += [f"the sandbox ({name}) does not shut commands off: {'; '.join(problems)}"] if problems else []
    return "; and ".join(reasons)


def _assemble(name: str, environ: Mapping[str, str]) -> Bubblewrap | Container | None:
    user = _unused_user() if os.geteuid() == 0 else None
    return _bubblewrap(environ, user) if name == "bubblewrap" else _container(name, environ, user)


def _bubblewrap(environ: Mapping[str, str], user: int | None) -> Bubblewrap:
    if not sys.platform.startswith("linux"):
        raise NotReady(
            "commands are sandboxed by bubblewrap on Linux alone; elsewhere it takes Podman or Docker, "
            f"with an image named {IMAGE} (docs/sandbox.md)"
        )
    needed = ("bwrap", "prlimit") if user is None else ("bwrap", "prlimit", "setpriv")
    parts = {name: shutil.which(name, path=environ["PATH"]) for name in needed}
    missing = [name for name, part in parts.items() if part is None]
    if missing:
        packages = " ".join(sorted({INSTALL[name] for name in missing}))
        raise NotReady(f"the sandbox needs {' and '.join(missing)}; install them (Debian: apt-get install {packages})")
    return Bubblewrap(
        bwrap=str(parts["bwrap"]),
        setpriv=parts.get("setpriv"),
        choom=shutil.which("choom", path=environ["PATH"]),
        python=sandbox_python(environ, user),
        user=user,
    )


def _container(name: str, environ: Mapping[str, str], user: int | None) -> Container | None:
    """None where the program is not installed: bubblewrap is what is then asked for."""
    program = shutil.which(name, path=environ["PATH"])
    if program is None:
        return None
    image = environ.get("FLATFIELD_SANDBOX_IMAGE") or IMAGE
    passed = {key: value for key, value in environ.items() if key != "FLATFIELD_SANDBOX_IMAGE"}
    container = Container(program=program, image=image, environ=passed, user=user)
    container.sweep()
    return container


def sweep_containers(environ: Mapping[str, str]) -> None:
    """Remove the containers that processes of ours left which are no more, whichever program is here now; blocking."""
    for name in BACKENDS[1:]:
        # Making one clears away what is left of others.
        _container(name, {"PATH": os.defpath, **{key: environ[key] for key in RELEVANT if key in environ}}, None)


def _unused_user() -> int:
    """A uid that no account has: nothing else on the host is run by it or belongs to it."""
    user = FIRST_USER
    while _is_account(user):
        user += 1
    return user


def _is_account(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
