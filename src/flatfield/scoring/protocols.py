"""The seam of the scoring room: what a verifier is given, and what it must be able to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from flatfield.tasks.access import nobody

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.workspace import Snapshot
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import Check, Task, TrialRecord
    from flatfield.tasks.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyContext:
    """One finished trial and the workspace it left behind.

    `root` is the workspace's folder; verifiers read and write it through `files` only, because the agent may have left
    links there. `before` is what the workspace held at the start. `sandbox` None: commands cannot be run, and
    `sandbox_reason` says why and how to fix it. `access` decides whether the task's own code may run; without one,
    nobody has trusted anything. `least_seconds`: a limit of time is at least this one, whatever the task says.
    """

    trial: TrialRecord
    task: Task
    files: ConfinedFiles
    root: Path
    before: Snapshot
    sandbox: Sandbox | None = None
    sandbox_reason: str = ""
    access: Access = field(default_factory=nobody)
    least_seconds: float = 0.0


class Verifier(Protocol):
    """One deterministic check of a trial, bound to its options."""

    async def verify(self, context: VerifyContext) -> Check:
        """Measure: a score in 0..1, or None for "not measured", with a reason.

        `label`, `weight` and `skill` of the Check are filled from the task's VerifierSpec by the caller. What the agent
        did wrong is a score; what the harness could not do is None.
        """
        ...
