"""`command`: runs a command of the task's author in the workspace, inside the sandbox."""

from __future__ import annotations

import asyncio
import math
import posixpath
import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.agent.protocols import SandboxLimits
from flatfield.agent.tools.run_command import command_problem
from flatfield.errors import FlatfieldError
from flatfield.records import Check
from flatfield.scoring.verifying.hidden_files import place, read_hidden
from flatfield.scoring.verifying.options import read_map
from flatfield.scoring.verifying.pytest_report import LIMIT_BYTES, Cases, read_report, runs_pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.protocols import CommandResult
    from flatfield.scoring.protocols import VerifyContext

MAX_SECONDS = 3600.0
CONFIGURATION = frozenset({"pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"})
COLLECTED = {
    "addopts": "",
    "testpaths": "",
    "python_files": "test_*.py *_test.py",
    "python_classes": "Test",
    "python_functions": "test",
}
"""pytest's own values for what decides which cases are run."""


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run and how it is scored.

    `run`: a command line for /bin/sh, started in the workspace. `hidden`: a folder beside the LOP whose files are put
    into the workspace only now, at `into` (default: a folder of the same name; `.` is the workspace's top), and stay
    there. `timeout_seconds`: after it the check is "not measured".

    Exit code 0 scores 1, another one 0; if the command runs pytest, the score is the fraction of its cases that passed
    (of the last run, if there are several), and with `hidden` only the cases in hidden files count. Then pytest does
    not obey what an agent could leave for it: its conftest.py files, its choice of cases, its plugins. What cannot be
    kept from cheating is code that the tests themselves import: it runs in one process with them.
    """

    run: str
    hidden: str | None = None
    into: str | None = None
    timeout_seconds: float = 120.0

    @property
    def target(self) -> str:
        """Where hidden files belong, relative to the workspace."""
        return posixpath.normpath(self.into or posixpath.basename(posixpath.normpath(self.hidden or ".")))


def parse(value: object) -> Options:
    """The options as written in a LOP; a single text is the command.

    Raises:
        ValueError: one sentence with what is wrong and what would be right.
    """
    options = read_map({"run": value} if isinstance(value, str) else value, Options, "command")
    if not options.run.strip():
        raise ValueError("`command`: `run` is empty; write the command, such as `run: python -m pytest -q`")
    if problem := command_problem(options.run):
        raise ValueError(f"`command`: `run` cannot be started: {problem}")
    if not 0 < options.timeout_seconds <= MAX_SECONDS:
        raise ValueError(f"`command`: `timeout_seconds` is more than 0 and at most {MAX_SECONDS:g}")
    if options.into is not None and options.hidden is None:
        raise ValueError("`command`: `into` says where hidden files go; name their folder with `hidden`")
    if options.into is not None and (options.target.startswith("/") or options.target.split("/")[0] == ".."):
        raise ValueError("`command`: `into` is a path inside the workspace, such as `into: tests`")
    return options


def check_options(options: Options, folder: Path) -> str | None:
    """What is wrong with the files that the options name; `folder` is the LOP's."""
    if options.hidden is None:
        return None
    hidden = folder / options.hidden
    top = folder.resolve()
    if not hidden.resolve().is_relative_to(top) or hidden.resolve() == top:
        return (
            f"`command`: `hidden: {options.hidden}` leaves the LOP's folder; put the hidden files in a folder beside it"
        )
    if not hidden.is_dir():
        return f"`command`: there is no folder {hidden} for `hidden`; make it, beside the LOP"
    if not read_hidden(hidden, options.target):
        return f"`command`: the folder {hidden} for `hidden` holds no file; put the hidden files there"
    return None


def create(options: Options) -> CommandVerifier:
    """The verifier for these options."""
    return CommandVerifier(options)


class CommandVerifier:
    """Places the hidden files, runs the command and scores how it ended."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pytest = runs_pytest(options.run)

    async def verify(self, context: VerifyContext) -> Check:
        """Run it; without a sandbox, when the sandbox fails, or when time is over: not measured."""
        if context.sandbox is None:
            return _check(None, f"the command was not run: {context.sandbox_reason or 'there is no sandbox'}")
        hidden: Mapping[str, Path] = {}
        try:
            if self._options.hidden is not None:
                hidden = await asyncio.to_thread(self._place, context)
        except (OSError, FlatfieldError) as error:
            return _check(None, f"the hidden files could not be placed: {error}")
        report = f".report-{secrets.token_hex(8)}.xml"
        seconds = self._options.timeout_seconds
        # A second more of CPU than of time, so that it is the time that ends a busy loop.
        limits = SandboxLimits(wall_seconds=seconds, cpu_seconds=math.ceil(seconds) + 1)
        try:
            result = await context.sandbox.run(self._command(hidden, report), context.root, limits)
        except FlatfieldError as error:
            return _check(None, f"the command could not be run: {error}")
        if result.timed_out:
            return _check(None, f"the command was still running after {seconds:g} seconds", result)
        return _scored(result, self._cases(hidden, report, context) if self._pytest else None, pytest=self._pytest)

    def _place(self, context: VerifyContext) -> dict[str, Path]:
        """Put the hidden files into the workspace.

        Raises:
            FlatfieldError: the options do not fit the task's folder.
            OSError: a file cannot be read or written.
        """
        folder = Path(context.task.path).parent
        if problem := check_options(self._options, folder):
            raise FlatfieldError(problem)
        hidden = read_hidden(folder / str(self._options.hidden), self._options.target)
        place(hidden, context.files)
        for path in self._foreign_conftests(hidden):
            if context.files.exists(path):
                context.files.remove(path)
        return hidden

    @staticmethod
    def _foreign_conftests(hidden: Mapping[str, Path]) -> set[str]:
        """Where an agent's conftest.py would be obeyed beside the author's."""
        if not _brings(hidden, {"conftest.py"}):
            return set()
        return {posixpath.join(posixpath.dirname(path), "conftest.py") for path in hidden} - set(hidden)

    def _command(self, hidden: Mapping[str, Path], report: str) -> str:
        """The shell text: the author's command, after what makes pytest report to us and obey nobody else."""
        if not self._pytest:
            return self._options.run
        here = [f"--junitxml='$PWD/{report}'"]
        options = ["-o", "junit_family=xunit1", "--continue-on-collection-errors"]
        lines = []
        if hidden:
            here.append("--rootdir='$PWD'")
            if _brings(hidden, {"conftest.py"}):
                here.append(f"--confcutdir='$PWD/{self._options.target}'")
            else:
                options.append("--noconftest")
            if not _brings(hidden, CONFIGURATION):
                options += [part for name, value in COLLECTED.items() for part in ("-o", f"{name}={value}")]
            lines.append("export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONNOUSERSITE=1")
        lines.append(f'export PYTEST_ADDOPTS="{" ".join(here)} "{shlex.quote(shlex.join(options))}')
        return "\n".join([*lines, self._options.run])

    def _cases(self, hidden: Mapping[str, Path], report: str, context: VerifyContext) -> Cases | None:
        """What pytest reported; None when it left no report that can be read."""
        try:
            data = context.files.read_bytes(report, limit_bytes=LIMIT_BYTES)
            context.files.remove(report)
            return read_report(data, tuple(hidden))
        except (OSError, FlatfieldError, ValueError):
            return None


def _brings(hidden: Mapping[str, Path], names: frozenset[str] | set[str]) -> bool:
    return any(posixpath.basename(path) in names for path in hidden)


def _scored(result: CommandResult, cases: Cases | None, *, pytest: bool) -> Check:
    """The score of a command that came to its end."""
    if not pytest:
        return _check(float(result.exit_code == 0), f"exit code {result.exit_code}", result)
    if cases is None:
        return _check(0.0, f"pytest ended without a report (exit code {result.exit_code})", result)
    if cases.total == 0:
        return _check(0.0, f"pytest ran no case that counts (exit code {result.exit_code})", result)
    if not cases.failed and not cases.others_failed and result.exit_code != 0:
        return _check(0.0, f"all {cases.total} cases passed, but the exit code is {result.exit_code}", result)
    reason = f"{cases.passed} of {cases.total} cases passed"
    if cases.failed:
        more = "" if len(cases.failed) <= 3 else f" and {len(cases.failed) - 3} more"
        reason = f"{reason}; not {', '.join(cases.failed[:3])}{more}"
    return _check(cases.passed / cases.total, reason, result)


def _check(score: float | None, reason: str, result: CommandResult | None = None) -> Check:
    return Check(verifier="command", label="", score=score, reason=reason, output=result.output if result else "")
