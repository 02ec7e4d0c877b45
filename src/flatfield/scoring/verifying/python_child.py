"""Calls one function of a task's author in a process of its own: input on stdin, the outcome as JSON on stdout.

In a process of its own a check can hang, exit or crash without harm to the run, and modules of two tasks with the same
name do not meet. Nothing of the workspace is on the import path.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib.util
import inspect
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

import msgspec
from msgspec import Struct

from flatfield.records import TrialRecord  # noqa: TC001 - msgspec
from flatfield.scoring.verifying.reading import Files, NotJson, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable


_OF_OTHER_SHAPE = (AssertionError, LookupError, TypeError, ValueError, AttributeError)
"""What is raised by code that takes apart data of another shape than it knows, or that asserts what it should be."""
_ROUNDING = 1e-9
_SHOWN_CHARACTERS = 200
_REASON_CHARACTERS = 10_000


class VerifierCall(Struct, frozen=True, kw_only=True):
    """What to call and on what; `root` is the workspace."""

    file: str
    function: str
    root: str
    trial: TrialRecord
    timeout_seconds: float


class CallOutcome(Struct, frozen=True, kw_only=True):
    """What came of it: a score and its reason; or a crash or a bad return, with what was wrong as the reason.

    `on_data`: it crashed as a function does whose input has another shape than it reads.
    """

    kind: Literal["scored", "crashed", "bad_return"]
    score: float | None
    reason: str
    on_data: bool = False


def perform(job: VerifierCall) -> CallOutcome:
    """Load the file, call the function, and turn whatever happens into an Outcome; a traceback goes to stderr."""
    from flatfield.agent.files.confined import ConfinedFiles

    workspace = ConfinedFiles(Path(job.root))
    try:
        function = _function(Path(job.file), job.function)
        returned = function(job.trial, Files(workspace))
        if inspect.isawaitable(returned):
            returned = asyncio.run(_awaited(returned))  # this process is a face of its own: nothing runs above it
    except (NotThere, NotJson) as error:
        return CallOutcome(kind="scored", score=0.0, reason=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the author's code raises is the finding
        traceback.print_exc()
        last = traceback.format_exception_only(error)[-1].strip()
        return CallOutcome(kind="crashed", score=None, reason=last, on_data=isinstance(error, _OF_OTHER_SHAPE))
    finally:
        workspace.close()
    return _outcome(returned)


async def _awaited(awaitable: Any) -> Any:  # noqa: ANN401 - what the author's function returns is not known yet
    return await awaitable


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


def _outcome(returned: object) -> CallOutcome:
    """What the function returned as an outcome; it may be of any type, whose own methods may fail."""
    try:
        match returned:
            case (None, str() as reason):
                return CallOutcome(kind="scored", score=None, reason=_text(reason))
            case (SupportsFloat() as number, str() as reason):
                score = float(number)
                # 1.0000000000000002 is what adding up three thirds gives, and means 1.
                near = min(max(score, 0.0), 1.0)
                if abs(score - near) <= _ROUNDING:
                    return CallOutcome(kind="scored", score=near, reason=_text(reason))
                return CallOutcome(kind="bad_return", score=None, reason=f"the score {score} ({_text(reason)})")
        shown = repr(returned)
    except Exception as error:  # noqa: BLE001 - a number of somebody's own may raise whatever it likes
        shown = f"a {type(returned).__name__} that cannot be read ({error})"
    return CallOutcome(kind="bad_return", score=None, reason=_text(shown, _SHOWN_CHARACTERS))


def _text(text: str, most: int = _REASON_CHARACTERS) -> str:
    """Plain text that can be written as JSON: no subclass, no half characters, not too long."""
    plain = "".join(text).encode(errors="replace").decode()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


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
