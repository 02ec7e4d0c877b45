"""Calls a function that checks a trial, and makes a Check of whatever it returns or raises."""

from __future__ import annotations

import inspect
import traceback
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

from msgspec import Struct

from flatfield.records import Check
from flatfield.scoring.verifying.reading import Files, NotJson, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.scoring.protocols import VerifyContext

_OF_OTHER_SHAPE = (AssertionError, LookupError, TypeError, ValueError, AttributeError)
"""What is raised by code that takes apart data of another shape than it knows, or that asserts what it should be."""
_ROUNDING = 1e-9
_SHOWN_CHARACTERS = 200
_REASON_CHARACTERS = 10_000
WANTED = "it must return (score, reason), a number in 0..1 and a text"


class CallOutcome(Struct, frozen=True, kw_only=True):
    """What came of a call: a score and its reason; or a crash or a bad return, with what was wrong as the reason.

    `on_data`: it crashed as a function does whose input has another shape than it reads. `output` is the traceback.
    """

    kind: Literal["scored", "crashed", "bad_return"]
    score: float | None
    reason: str
    on_data: bool = False
    output: str = ""


class FunctionVerifier:
    """A verifier that is one function of its file: `verify(trial, files, options) -> (score, reason)`.

    It is called in a thread, so that one that computes for long holds up no other trial.
    """

    def __init__(self, function: Callable[[Any, Files, Any], Any], options: object) -> None:
        self._function = function
        self._options = options

    async def verify(self, context: VerifyContext) -> Check:
        """Call the function."""
        import asyncio

        def call() -> object:
            return self._function(context.trial, Files(context.files), self._options)

        return check_of(await asyncio.to_thread(outcome_of, call), "the verifier")


def outcome_of(call: Callable[[], object]) -> CallOutcome:
    """Call a function, waiting for it where it is a coroutine's, and say what came of it."""
    try:
        returned = call()
        if inspect.isawaitable(returned):
            import asyncio  # checks that wait for nothing begin sooner without it

            returned = asyncio.run(_awaited(returned))  # no loop runs here: this is a thread or process of its own
    except (NotThere, NotJson) as error:
        return CallOutcome(kind="scored", score=0.0, reason=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the author's code raises is the finding
        last = traceback.format_exception_only(error)[-1].strip()
        on_data, output = isinstance(error, _OF_OTHER_SHAPE), traceback.format_exc()
        return CallOutcome(kind="crashed", score=None, reason=last, on_data=on_data, output=output)
    return _returned(returned)


def check_of(outcome: CallOutcome, called: str, output: str = "") -> Check:
    """The Check that an outcome is; `called` says what was called, `output` what it printed."""
    output = output or outcome.output
    if outcome.kind == "crashed":
        trouble: Literal["data", "code"] = "data" if outcome.on_data else "code"
        reason = f"{called} crashed: {outcome.reason}"
        return Check(verifier="", label="", score=None, reason=reason, output=output, trouble=trouble)
    if outcome.kind == "bad_return":
        reason = f"{called} returned {outcome.reason}; {WANTED}"
        return Check(verifier="", label="", score=None, reason=reason, output=output, trouble="code")
    return Check(verifier="", label="", score=outcome.score, reason=outcome.reason, output=output)


async def _awaited(awaitable: Any) -> Any:  # noqa: ANN401 - what the author's function returns is not known yet
    return await awaitable


def _returned(returned: object) -> CallOutcome:
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
