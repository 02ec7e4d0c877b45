"""`python`: calls a function that the task's author wrote, `verify(trial, files) -> (score, reason)`.

The function is trusted and runs in a process of its own, with the LOP's folder first on its import path and as its
current directory. `trial` is the TrialRecord, `files` a `flatfield.scoring.verifying.reading.Files`. It may be async.
A score of None means "not measured".
What a model wrote is data to it: nothing of the workspace is imported or executed.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from flatfield import json_text
from flatfield.records import Check, Trouble, VerifierTraits
from flatfield.scoring.verifying.calling import CallOutcome, check_of
from flatfield.scoring.verifying.child import run_child
from flatfield.scoring.verifying.python_child import VerifierCall

if TYPE_CHECKING:
    from flatfield.children.running import Finished
    from flatfield.scoring.protocols import VerifyContext

TIMEOUT_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_SHAPE = "write `python: checks.py::verify`, a Python file beside the LOP and a function in it"

TRAITS = VerifierTraits(hidden_options=("value",))


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file, relative to the LOP's folder, and the function in it."""

    file: str
    function: str


def parse(value: object) -> Options:
    """`FILE.py::FUNCTION` as written in a LOP.

    Raises:
        ValueError: one sentence with what is wrong and what would be right.
    """
    if not isinstance(value, str):
        raise ValueError(f"`python` takes one text; {_SHAPE}")  # noqa: TRY004 - the loader expects ValueError
    file, separator, function = value.strip().partition("::")
    if not separator or not function.isidentifier() or not file.endswith(".py"):
        raise ValueError(f"`python: {value}` is not FILE.py::FUNCTION; {_SHAPE}")
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise ValueError(f"`python: {value}` leads out of the LOP's folder; {_SHAPE}")
    return Options(file=file, function=function)


def check_options(options: Options, folder: Path) -> str | None:
    """What is wrong with the file, without running it: missing, not Python, or without the function."""
    path = folder / options.file
    try:
        tree = ast.parse(path.read_bytes(), filename=options.file)
    except OSError as error:
        return f"`python` names {options.file}, which cannot be read ({error.strerror}); {_SHAPE}"
    except (SyntaxError, ValueError) as error:
        return f"`python` names {options.file}, which is not valid Python ({error}); correct it"
    defined = sorted(
        {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        | {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    )
    if options.function not in defined:
        return (
            f"{options.file} defines no {options.function}(trial, files); it defines {', '.join(defined) or 'nothing'}"
        )
    return None


def code_file(options: Options, folder: Path) -> Path:
    """The file that is run as the user; `folder` is that of the LOP as its author wrote it."""
    return folder / options.file


def create(options: Options) -> PythonVerifier:
    """The verifier for these options."""
    return PythonVerifier(options)


class PythonVerifier:
    """Scores what the author's function returns; a crash or a bad return is "not measured"."""

    def __init__(self, options: Options, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._options = options
        self._timeout_seconds = timeout_seconds

    async def verify(self, context: VerifyContext) -> Check:
        """Call the function; all that it printed is kept as the check's output."""
        if not context.task.path:
            return _not_measured("the task was not read from a file: there is no folder to find the function's file in")
        folder = _folder(context.task.path)
        seconds = max(self._timeout_seconds, context.least_seconds)
        job = VerifierCall(
            file=str(folder / self._options.file),
            function=self._options.function,
            root=str(context.root),
            trial=context.trial,
            timeout_seconds=seconds,
        )
        command = [sys.executable, "-P", "-B", "-m", "flatfield.scoring.verifying.python_child"]
        limit = seconds + _GRACE_SECONDS
        result = await run_child(command, msgspec.json.encode(job), timeout_seconds=limit, folder=folder)
        return self._check(result, seconds)

    def _check(self, result: Finished, seconds: float) -> Check:
        name = f"{self._options.file}::{self._options.function}"
        output = result.complained
        try:
            outcome = json_text.decoded(result.printed, CallOutcome)
        except ValueError:
            late = result.exit_code is None or "Timeout (" in output
            ended = f"ended its process (exit code {result.exit_code}) before it returned"
            how = f"took more than {seconds:g} seconds" if late else ended
            return _not_measured(f"{name} {how}", output, trouble="time" if late else "code")
        return check_of(outcome, name, output)


def _folder(lop: str) -> Path:
    return Path(lop).resolve().parent


def _not_measured(reason: str, output: str = "", trouble: Trouble = "") -> Check:
    return Check(verifier="python", label="", score=None, reason=reason, output=output, trouble=trouble)
