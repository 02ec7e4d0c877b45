"""The seam of the scoring room: what a verifier is given, what it must be able to do, how its options are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from flatfield.tasks.access import nobody
from flatfield.tasks.verify import wanted_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    `source`: the folder that the workspace is a copy of, "" where it is of none.
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
    source: str = ""


class Verifier(Protocol):
    """One deterministic check of a trial, bound to its options."""

    async def verify(self, context: VerifyContext) -> Check:
        """Measure: a score in 0..1, or None for "not measured", with a reason.

        `label`, `weight` and `skill` of the Check are filled from the task's VerifierSpec by the caller. What the agent
        did wrong is a score; what the harness could not do is None.
        """
        ...


# Reads what a task's author wrote under a verifier into its Options, with one sentence for each mistake.


T = TypeVar("T")
MOST_COMMAND_SECONDS = 3600.0
"""So long a command of a verifier may be given at most."""
_PLACE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<found>[^`]*)` - at `\$\.(?P<key>\w+)`")


def read_map(value: object, shape: type[T], kind: str) -> T:
    """`value` as the Struct `shape`; `kind` is the verifier's name, for the message.

    Raises:
        ValueError: it is no map, has a key that is not known, lacks one, or a value of the wrong type.
    """
    # Not from `structs.fields`: that works out the annotations anew, 100 µs of each trial for each of its verifiers.
    keys: tuple[str, ...] = shape.__struct_encode_fields__  # type: ignore[attr-defined]
    listed = listing(keys)
    if not isinstance(value, dict):
        raise ValueError(f"`{kind}` takes a map, such as `{kind}: {{{keys[0]}: …}}`; its keys are {listed}")  # noqa: TRY004 - loaders expect it
    unknown = [str(key) for key in value if key not in keys]
    if unknown:
        raise ValueError(f"`{kind}` has no key `{unknown[0]}`; its keys are {listed}")
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ValueError(_sentence(error, kind)) from error


def check_command(kind: str, run: str, timeout_seconds: float) -> None:
    """Check what stands below a verifier that runs a command line; `kind` is the verifier's name, for the message.

    Raises:
        ValueError: there is no command, no shell can be given it, or it may take no time, or too much.
    """
    from flatfield.agent.tools.run_command import command_problem

    if not run.strip():
        raise ValueError(f"`{kind}`: `run` is empty; write the command, such as `run: python -m pytest -q`")
    if problem := command_problem(run):
        raise ValueError(f"`{kind}`: `run` cannot be started: {problem}")
    if not 0 < timeout_seconds <= MOST_COMMAND_SECONDS:
        raise ValueError(f"`{kind}`: `timeout_seconds` is more than 0 and at most {MOST_COMMAND_SECONDS:g}")


def _sentence(error: msgspec.ValidationError, kind: str) -> str:
    message = str(error)
    if match := _PLACE.search(message):
        return f"`{kind}`: `{match['key']}` takes {wanted_kind(error) or match['wanted']}"
    return f"`{kind}`: {message[0].lower()}{message[1:]}"


def listing(names: Sequence[str]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
