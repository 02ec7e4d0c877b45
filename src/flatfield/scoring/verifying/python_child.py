"""Calls one function of a task's author in a process of its own: input on stdin, the outcome as JSON on stdout.

In a process of its own a check can hang, exit or crash without harm to the run, and modules of two tasks with the same
name do not meet. Nothing of the workspace is on the import path.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield.records import TrialRecord  # noqa: TC001 - msgspec
from flatfield.scoring.verifying.calling import CallOutcome, outcome_of
from flatfield.scoring.verifying.reading import Files

if TYPE_CHECKING:
    from collections.abc import Callable


class VerifierCall(Struct, frozen=True, kw_only=True):
    """What to call and on what; `root` is the workspace."""

    file: str
    function: str
    root: str
    trial: TrialRecord
    timeout_seconds: float


def perform(job: VerifierCall) -> CallOutcome:
    """Load the file, call the function, and turn whatever happens into an outcome; a traceback goes to stderr."""
    from flatfield.agent.files.confined import ConfinedFiles

    workspace = ConfinedFiles(Path(job.root))
    try:
        outcome = outcome_of(lambda: _function(Path(job.file), job.function)(job.trial, Files(workspace)))
    finally:
        workspace.close()
    sys.stderr.write(outcome.output)
    return outcome


def _function(file: Path, name: str) -> Callable[[TrialRecord, Files], Any]:
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(f"task_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function: Callable[[TrialRecord, Files], Any] = getattr(module, name)
    return function


def main() -> None:
    """Read a Job from stdin and write its Outcome to stdout; what the author's code prints goes to stderr."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=VerifierCall)
    # Should the caller be gone, this process must still end; and the stacks show where it hung.
    faulthandler.dump_traceback_later(job.timeout_seconds, exit=True)
    outcome = perform(job)
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.flush()
    sys.stderr.flush()
    with results:
        results.write(msgspec.json.encode(outcome))
    os._exit(0)  # threads that the author's code left behind do not keep us


if __name__ == "__main__":
    main()
