"""Runs commands without a sandbox, for those who say that they want to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.running import Start
from flatfield.children.starting import end_marked, new_mark, with_mark
from flatfield.machine.sandbox.bubblewrap import result_of
from flatfield.machine.sandbox.processes import MARKED, Guard, run_to_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.machine.protocols import CommandResult, SandboxLimits


class UnsafeSandbox:
    """Runs commands with time and size limits and nothing else: they see and can change all that the user can.

    For `--unsafe-commands` alone. The environment is clean except for PATH and a mark; at the end the process group is
    killed, and on Linux what bears the mark. A process that leaves its session and clears its environment survives.
    Processes are not limited, because that limit would count all that the user runs.
    """

    def __init__(self, environ: Mapping[str, str], packages: Path | None = None) -> None:
        self._environ = environ
        self._packages = packages
        # Ours first, so that `python -m pytest` finds the pytest that is installed with us.
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
        self._prlimit = shutil.which("prlimit", path=self._path)

    @property
    def user(self) -> None:
        """Commands run as ourselves."""
        return

    @property
    def kind(self) -> str:
        """What reports call it."""
        return "none (unsafe)"

    def with_packages(self, packages: Path) -> UnsafeSandbox:
        """The same, with a folder of packages to import."""
        return UnsafeSandbox(self._environ, packages)

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its processes are gone on return or cancellation."""
        mark = new_mark()
        environ = {
            "PATH": self._path,
            "HOME": str(workspace),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PYTHONDONTWRITEBYTECODE": "1",
            **({"PYTHONPATH": str(self._packages)} if self._packages else {}),
        }
        limited: tuple[str, ...] = ()
        if self._prlimit is not None:
            limited = (
                *(self._prlimit, f"--cpu={limits.cpu_seconds}", f"--as={limits.memory_bytes}"),
                *(f"--fsize={limits.file_bytes}", "--core=0", "--"),
            )
        argv = (*limited, "/bin/sh", "-c", MARKED, "sh", command)
        guard = Guard(workspace, limits, private_tmp=False)
        start = Start(cwd=workspace, environ=with_mark(environ, mark), end=lambda _: end_marked(mark))
        ended = await run_to_end(lambda _: argv, start, limits, guard.exceeded)
        return result_of(ended, ended.exit_code)
