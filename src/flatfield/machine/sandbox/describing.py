"""Says in words what a sandbox is, how it was proved, and what it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.bubblewrap import SCRATCH_BYTES, Bubblewrap
from flatfield.machine.sandbox.guard import megabytes

if TYPE_CHECKING:
    from flatfield.machine.sandbox.container import Container

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
