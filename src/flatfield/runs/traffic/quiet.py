"""Verifies a trial when it slows no measurement: code that verifiers run, and models on this device, take turns."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield import plugins
from flatfield.scoring.verifying.verification import verify
from flatfield.vendors.base import THIS_DEVICE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flatfield.records import Check
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.scoring.protocols import VerifyContext
    from flatfield.vendors.base import Lane


LEAST_OF_SOLUTION = 4
"""How many times as long as its solution's check, on this machine, a check may take at least."""


async def verify_quietly(
    context: VerifyContext,
    lane: Lane,
    lanes: Lanes | None,
    solution_seconds: Callable[[], Awaitable[float]] | None = None,
) -> tuple[Check, ...]:
    """One Check for each verifier of the trial's task, when no model on this device is at work.

    `lane` is the trial's own: one that has this device does not wait for itself. What is waited here is after the
    trial's end, so it is no part of any of its seconds. A check that took too long is made once more, alone, and has
    four times as long as the slowest takes on the task's solution, which is asked for then; too long again scores 0.
    """
    busy = any(plugins.verifier_traits(spec.kind).runs_code for spec in context.task.verifiers)
    apart = lanes if busy and lane.device != THIS_DEVICE else None
    async with apart.beside() if apart is not None else nullcontext():
        checks = await verify(context.task, context)
    if not any(check.trouble == "time" for check in checks):
        return checks
    own_seconds = await solution_seconds() if solution_seconds else 0.0
    roomy = dataclasses.replace(context, least_seconds=LEAST_OF_SOLUTION * own_seconds)
    # Beside others it may have been short of time; nobody else's work is to be a reason for a 0, or for none.
    async with apart.here() if apart is not None else nullcontext():
        again = await verify(context.task, roomy, before=checks)
    return tuple(_too_late(check) if check.trouble == "time" else check for check in again)


def _too_late(check: Check) -> Check:
    return replace(check, score=0.0, reason=f"{check.reason}, also when it was done again alone")
