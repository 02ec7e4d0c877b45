"""The self-test: tries to get out of a sandbox in every way that it must prevent."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.starting import with_mark
from flatfield.errors import NotReady
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.lending import Lending
from flatfield.machine.sandbox.processes import START_MARK
from flatfield.machine.sandbox.system_calls import open_filter

if TYPE_CHECKING:
    from flatfield.machine.sandbox.bubblewrap import Bubblewrap
    from flatfield.machine.sandbox.container import Container

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
        output = _run_now(sandbox, command, workspace, PROBE_LIMITS)
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


def _run_now(sandbox: Bubblewrap | Container, command: str, workspace: Path, limits: SandboxLimits) -> str:
    """Run one command without an event loop, as `run` does with one, and return what was printed.

    Raises:
        NotReady: it does not come to an end.
    """
    if sandbox.user is not None:
        Lending.begun(workspace, sandbox.user)
    rules = open_filter(sandbox.machine)
    with open(os.devnull, "wb") as status:  # noqa: PTH123 - a descriptor is what is needed
        kept = (status.fileno(), *(() if rules is None else (rules,)))
        process = subprocess.Popen(
            sandbox.argv(command, workspace, limits, status.fileno(), rules),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=kept,
            cwd="/",
            env=with_mark({**sandbox.environ, **dict([PLANTED])}) if sandbox.environ else {},
            start_new_session=True,
        )
        if rules is not None:
            os.close(rules)
        try:
            output, _ = process.communicate(timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired:
            raise NotReady(f"the sandbox's test did not end within {limits.wall_seconds:g} seconds") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return output.replace(START_MARK, b"", 1).decode("utf-8", "replace")
