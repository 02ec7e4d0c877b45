"""Decides whether commands can be run safely here: finds the sandbox's parts, tries it out, says what is missing."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.agent.protocols import CommandResult, SandboxLimits
from flatfield.agent.sandbox.bubblewrap import Bubblewrap
from flatfield.agent.sandbox.interpreter import sandbox_python
from flatfield.agent.sandbox.lending import Lending
from flatfield.agent.sandbox.processes import run_to_end
from flatfield.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_USER = 60_873
"""Where the search for an unused uid starts: above people's accounts, below `nobody`, which services share."""
PROBE_LIMITS = SandboxLimits(wall_seconds=60.0, cpu_seconds=30, processes=16, file_bytes=1024**2)
INSTALL = {"bwrap": "bubblewrap", "prlimit": "util-linux", "setpriv": "util-linux"}


def find_sandbox(environ: Mapping[str, str]) -> Bubblewrap:
    """The sandbox for commands, once it has shown that it shuts them off.

    The first call in a process takes about a second, because the sandbox is tried out; later ones take nothing. It
    blocks, so call it before the loop has work or in a thread.

    Args:
        environ: PATH says where bubblewrap is looked for, XDG_CACHE_HOME and HOME where a copy of pytest is kept.

    Raises:
        NotReady: there is no safe sandbox here; the reason and the fix.
    """
    relevant = tuple(environ.get(name, "") for name in ("PATH", "XDG_CACHE_HOME", "HOME"))
    found = _found(*relevant)
    if isinstance(found, str):
        raise NotReady(found)
    return found


@lru_cache(maxsize=8)
def _found(path: str, cache: str, home: str) -> Bubblewrap | str:
    """The sandbox, or why there is none; both are remembered, because neither changes while a process lives."""
    try:
        sandbox = _assemble({"PATH": path, "XDG_CACHE_HOME": cache, "HOME": home})
        problems = examine(sandbox)
    except NotReady as error:
        return str(error)
    except OSError as error:
        return f"the sandbox cannot be tried out: {error}"
    if problems:
        return f"the sandbox does not shut commands off: {'; '.join(problems)}"
    return sandbox


def _assemble(environ: Mapping[str, str]) -> Bubblewrap:
    if not sys.platform.startswith("linux"):
        raise NotReady("commands can be sandboxed on Linux alone; there is no bubblewrap here")
    user = _unused_user() if os.geteuid() == 0 else None
    needed = ("bwrap", "prlimit") if user is None else ("bwrap", "prlimit", "setpriv")
    parts = {name: shutil.which(name, path=environ["PATH"]) for name in needed}
    missing = [name for name, part in parts.items() if part is None]
    if missing:
        packages = " ".join(sorted({INSTALL[name] for name in missing}))
        raise NotReady(f"the sandbox needs {' and '.join(missing)}; install them (Debian: apt-get install {packages})")
    python = sandbox_python(environ, user)
    return Bubblewrap(bwrap=str(parts["bwrap"]), setpriv=parts.get("setpriv"), python=python, user=user)


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


def examine(sandbox: Bubblewrap) -> tuple[str, ...]:
    """Try to get out of a sandbox in every way that it must prevent; what succeeded, nothing when it is safe.

    Raises:
        NotReady: nothing can be run in it at all.
    """
    with tempfile.TemporaryDirectory(prefix="examine-") as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = Path(name)
        folder.chmod(0o755)
        secret, workspace = folder / "secret", folder / "work"
        secret.write_text("visible", encoding="utf-8")
        secret.chmod(0o644)
        workspace.mkdir()
        probe = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
        (workspace / "probe.py").write_text(probe, encoding="utf-8")
        limits = PROBE_LIMITS
        arguments = [str(secret), str(server.getsockname()[1]), str(limits.processes), str(limits.file_bytes)]
        output = _run_now(sandbox, f"python3 probe.py {shlex.join(arguments)} && echo done", workspace, limits)
    *problems, last = output.splitlines() or [""]
    return tuple(problems) if last == "done" else (f"its test ended early: {output[-500:]}",)


def _run_now(sandbox: Bubblewrap, command: str, workspace: Path, limits: SandboxLimits) -> str:
    """Run one command without an event loop, as `Bubblewrap.run` does with one, and return what it printed.

    Raises:
        NotReady: it could not be started.
    """
    if sandbox.user is not None:
        Lending(workspace, sandbox.user)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as status:
        process = subprocess.Popen(
            sandbox.argv(command, workspace, limits, write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(write,),
            cwd="/",
            env={},
            start_new_session=True,
        )
        os.close(write)
        try:
            output, _ = process.communicate(timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired:
            raise NotReady(f"the sandbox's test did not end within {limits.wall_seconds:g} seconds") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        text = output.decode("utf-8", "replace")
        if b'"exit-code"' not in status.read():
            raise NotReady(_why(text.strip()))
    return text


def _why(message: str) -> str:
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


class UnsafeSandbox:
    """Runs commands with time and size limits and nothing else: they see and can change all that the user can.

    For `--unsafe-commands` alone. The environment is clean except for PATH; the process group is killed at the end, but
    a command that makes a session of its own survives. Processes are not limited, because that limit would count all
    that the user runs.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        # Ours first, so that `python -m pytest` finds the pytest that is installed with us.
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
        self._prlimit = shutil.which("prlimit", path=self._path)

    @property
    def user(self) -> None:
        """Commands run as ourselves."""
        return

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its process group is gone on return or cancellation."""
        environ = {
            "PATH": self._path,
            "HOME": str(workspace),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        limited: tuple[str, ...] = ()
        if self._prlimit is not None:
            limited = (
                *(self._prlimit, f"--cpu={limits.cpu_seconds}", f"--as={limits.memory_bytes}"),
                *(f"--fsize={limits.file_bytes}", "--core=0", "--"),
            )
        argv = (*limited, "/bin/sh", "-c", command)
        ended = await run_to_end(lambda _: argv, cwd=workspace, environ=environ, limits=limits)
        return CommandResult(
            exit_code=ended.exit_code,
            output=ended.output,
            timed_out=ended.exit_code is None,
            seconds=ended.seconds,
        )
