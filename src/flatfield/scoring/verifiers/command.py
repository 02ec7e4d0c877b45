"""`command`: runs a command of the task's author in the workspace, inside the sandbox."""

from __future__ import annotations

import asyncio
import math
import os
import posixpath
import re
import shlex
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.errors import FlatfieldError
from flatfield.machine.protocols import CommandResult, SandboxLimits
from flatfield.records import Check, VerifierTraits
from flatfield.saying import few, many
from flatfield.scoring.protocols import check_command, read_map
from flatfield.scoring.verifying.pytest_run import PytestRun, Reported, programs, runs_pytest
from flatfield.scoring.verifying.verification import place, read_hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.machine.protocols import Sandbox
    from flatfield.scoring.protocols import VerifyContext

CASE_SHARE = 4
"""A case may take this part of the command's time, if the task does not say how long."""
NOT_FOUND = 127
NAMED = 3
"""So many cases a reason names."""
LOOKING = SandboxLimits(wall_seconds=20.0)
_HAS_PYTEST = "python3 -m pytest --version || command -v pytest"
_PLAIN_PATH = re.compile(r"(?!/)[\w./+ -]+")
"""A path that the shell takes as it stands, in the workspace."""
_TESTS = re.compile(r"(?:.*[_-])?(?:tests?|testing|specs?|checks?)(?:[_-].*)?")
_PYTHONPATH = re.compile(r"\bPYTHONPATH=(?![\"']?\$(PYTHONPATH\b|\{PYTHONPATH\}))")

TRAITS = VerifierTraits(needs_sandbox=True, hidden_options=("hidden", "counts", "guards"))


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run and how it is scored.

    `run`: a command line for /bin/sh, started in the workspace. `hidden`: a folder beside the LOP whose files are put
    into the workspace only now, at `into` (default: a folder of the same name; `.` is the workspace's top), and stay
    there. `timeout_seconds`: after it the command is ended. `case_seconds`: after it a case of pytest is, and has
    failed (default: a quarter of `timeout_seconds`); so are its fixtures, and a module while it is imported. `counts`:
    a file beside the LOP that names the cases which count, one a line, as pytest names them; `guards`: one that names
    those which must still pass: where one does not, the score is 0.

    Exit code 0 scores 1, another one 0; if the command runs pytest, the score is the fraction of the cases of all its
    runs that passed, and with `hidden` only the cases in hidden files count, without those that they mark with
    `pytest.mark.skip`. Then pytest does not obey what an agent
    could leave for it: its conftest.py files, its choice of cases, its plugins. What cannot be kept from cheating is
    code that the tests themselves import: it runs in one process with them.

    What the tested code does is the agent's: cases that it makes loop, crash or never begin, or that exceed what the
    sandbox allows, have not passed. What the harness or the command cannot do is not measured: no sandbox, no such
    program, no pytest, a full disk. Where time is over although no case took too long, it is done again alone; where it
    is over again, it scores 0.
    """

    run: str
    hidden: str | None = None
    into: str | None = None
    timeout_seconds: float = 120.0
    case_seconds: float | None = None
    counts: str | None = None
    guards: str | None = None

    @property
    def case_limit_seconds(self) -> float:
        """How long one case of pytest may take."""
        return self.case_seconds or self.timeout_seconds / CASE_SHARE

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
    check_command("command", options.run, options.timeout_seconds)
    if options.case_seconds is not None and not 0 < options.case_seconds <= options.timeout_seconds:
        raise ValueError("`command`: `case_seconds` is more than 0 and at most `timeout_seconds`")
    if runs_pytest(options.run) and _PYTHONPATH.search(options.run):
        raise ValueError(
            "`command`: `run` puts folders before pytest in PYTHONPATH; put them behind: `PYTHONPATH=$PYTHONPATH:src`"
        )
    if options.counts is None and options.guards is not None:
        raise ValueError(
            "`command`: `guards` stand beside cases that count; name a file with these: `counts: counts.txt`"
        )
    if options.counts is not None and not runs_pytest(options.run):
        raise ValueError("`command`: `counts` names cases of pytest, which `run` does not start; leave it out")
    if options.into is not None and options.hidden is None:
        raise ValueError("`command`: `into` says where hidden files go; name their folder with `hidden`")
    if options.into is not None and (options.target.startswith("/") or options.target.split("/")[0] == ".."):
        raise ValueError("`command`: `into` is a path inside the workspace, such as `into: tests`")
    return options


def check_options(options: Options, folder: Path) -> str | None:
    """What is wrong with the files that the options name; `folder` is the LOP's."""
    if problem := _check_listed(options, folder):
        return problem
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


def _check_listed(options: Options, folder: Path) -> str | None:
    """What is wrong with the files that name cases."""
    for key, name in (("counts", options.counts), ("guards", options.guards)):
        if name is None:
            continue
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            return (
                f"`command`: there is no file {path} for `{key}`; write one, beside the LOP, with a case on each line"
            )
        if key == "counts" and not _listed(folder, name):
            return f"`command`: {path} names no case; write one of pytest's on each line"
    return None


def _listed(folder: Path, name: str | None) -> tuple[str, ...]:
    """The cases that a file beside the LOP names.

    Raises:
        OSError: it cannot be read.
    """
    if name is None:
        return ()
    return tuple(line for line in (folder / name).read_text(errors="replace").splitlines() if line.strip())


class Ran(Struct, frozen=True, kw_only=True):
    """What running the command came to; without a `result` it did not run, and `problem` says why.

    `seconds`: how long it might run. `reported`: what its runs of pytest said, None where it has none.
    """

    result: CommandResult | None = None
    problem: str = ""
    reported: Reported | None = None
    seconds: float = 0.0


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
        ran = await self.run(context)
        if ran.result is None or context.sandbox is None:
            return _check(None, ran.problem)
        if untold := await self._untold(ran.result, ran.reported, context.sandbox, ran.seconds):
            return untold
        if ran.reported is not None and self._options.counts is not None:
            return await asyncio.to_thread(self._by_name, ran.result, ran.reported, Path(context.task.path).parent)
        if ran.reported is not None:
            return _fraction(ran.result, ran.reported, ran.seconds)
        gone = await asyncio.to_thread(self._gone, ran.result, context.root)
        return _check(float(ran.result.exit_code == 0), _ending(ran.result) + gone, ran.result)

    async def run(self, context: VerifyContext) -> Ran:
        """Place the hidden files and run the command, whatever that means for a score."""
        if context.sandbox is None:
            return Ran(problem=f"the command was not run: {context.sandbox_reason or 'there is no sandbox'}")
        hidden: Mapping[str, Path] = {}
        try:
            if self._options.hidden is not None:
                hidden = await asyncio.to_thread(self._place, context)
        except (OSError, FlatfieldError) as error:
            return Ran(problem=f"the hidden files could not be placed: {error}")
        seconds = max(self._options.timeout_seconds, context.least_seconds)
        # A second more of CPU than of time, so that it is the time that ends a busy loop.
        limits = SandboxLimits(wall_seconds=seconds, cpu_seconds=math.ceil(seconds) + 1)
        tests = self._tests(hidden)
        try:
            if tests is not None:
                await asyncio.to_thread(tests.place, context.files)
            command = self._options.run if tests is None else tests.command()
            result = await context.sandbox.run(command, context.root, limits)
        except (OSError, FlatfieldError) as error:
            return Ran(problem=f"the command could not be run: {error}")
        reported = await asyncio.to_thread(tests.gather, context.files) if tests else None
        return Ran(result=result, reported=reported, seconds=seconds)

    def _by_name(self, result: CommandResult, reported: Reported, folder: Path) -> Check:
        """The fraction of the cases that count; 0 where one that guards does not pass."""
        try:
            wanted, guards = _listed(folder, self._options.counts), _listed(folder, self._options.guards)
        except OSError as error:
            return _check(None, f"the cases that count cannot be read: {error}")
        failed = [name for name in wanted if not reported.named.get(name)]
        broken = [name for name in guards if not reported.named.get(name)]
        reason = f"{len(wanted) - len(failed)} of {len(wanted)} cases passed"
        if failed:
            reason = f"{reason}; not {few(failed, NAMED)}"
        if reported.late:
            reason = f"{reason}; over its time: {reported.late[0]}"
        if broken:
            return _check(0.0, f"{many(len(broken), 'case')} no longer passed: {few(broken, NAMED)}; {reason}", result)
        if not failed and all(reported.named.values()) and result.exit_code != 0:
            return _check(0.0, f"{reason}, but: {_ending(result)}", result)
        return _check(1 - len(failed) / len(wanted), reason, result)

    def _tests(self, hidden: Mapping[str, Path]) -> PytestRun | None:
        if not self._pytest:
            return None
        limit_seconds = self._options.case_limit_seconds
        return PytestRun(run=self._options.run, hidden=hidden, target=self._options.target, case_seconds=limit_seconds)

    async def _untold(
        self, result: CommandResult, reported: Reported | None, sandbox: Sandbox, seconds: float
    ) -> Check | None:
        """The check where the command's end says nothing about the agent, or not yet; None where it does."""
        if result.host_short:
            return _check(None, f"the command was stopped: {result.stopped}", result)
        if result.timed_out and not (reported and reported.late):
            return replace(_check(None, self._overtime(reported, seconds), result), trouble="time")
        absent = await self._absent(result, reported, sandbox)
        return _check(None, f"the sandbox has no {absent}, which the command needs", result) if absent else None

    def _overtime(self, reported: Reported | None, seconds: float) -> str:
        more = f", and no case took more than {self._options.case_limit_seconds:g} seconds" if reported else ""
        return f"the command was still running after {seconds:g} seconds{more}"

    async def _absent(self, result: CommandResult, reported: Reported | None, sandbox: Sandbox) -> str | None:
        """What the command needs and the sandbox does not have; a script of the workspace's is not meant.

        It is looked for in an empty folder: what a command prints or exits with may be the doing of the agent's work.
        """
        if result.stopped:
            return None
        if reported is not None and reported.runs == 0:
            wanted = {"pytest": _HAS_PYTEST}
        elif result.exit_code == NOT_FOUND:
            named = [name for name in programs(self._options.run) if "/" not in name]
            wanted = {name: f"command -v {shlex.quote(name)}" for name in named}
        else:
            return None
        with tempfile.TemporaryDirectory(prefix="looked-") as name:
            folder = Path(name)
            await asyncio.to_thread(folder.chmod, 0o755)  # for the user that commands run as
            for program, command in wanted.items():
                if (await sandbox.run(command, folder, LOOKING)).exit_code != 0:
                    return program
        return None

    def _gone(self, result: CommandResult, root: Path) -> str:
        """The script of the workspace's that the command starts and that is not there, where that ended it."""
        if result.stopped or result.exit_code != NOT_FOUND:
            return ""
        named = programs(self._options.run)
        if "cd" in named:  # then a path begins elsewhere
            return ""
        scripts = [name for name in named if "/" in name and _PLAIN_PATH.fullmatch(name) and ".." not in name]
        gone = next((name for name in scripts if not os.path.lexists(root / name)), None)
        return f": {gone} is not there" if gone else ""

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
        changed = [change.path for change in context.trial.changes]
        if self._options.target == ".":  # among the project's own files, where a package's start is what is tested
            changed = [path for path in changed if _is_of_tests(path)]
        place(hidden, context.files, changed)
        return hidden


def _is_of_tests(path: str) -> bool:
    """Whether a path lies in a folder for tests, as its name says, or at the top."""
    folders = PurePosixPath(path.lower()).parts[:-1]
    return not folders or any(_TESTS.fullmatch(folder) for folder in folders)


def _ending(result: CommandResult) -> str:
    return f"stopped: {result.stopped}" if result.stopped else f"exit code {result.exit_code}"


def _fraction(result: CommandResult, reported: Reported, seconds: float) -> Check:
    """The fraction of the cases that passed, and what became of the others."""
    cases = reported.cases
    ending = f"still running after {seconds:g} seconds" if result.timed_out else _ending(result)
    if reported.runs == 0:
        return _check(0.0, f"pytest ended without a report ({ending})", result)
    died = next((name or "the tests were read" for name in reported.broken), None)
    if cases.total == 0:
        why = "pytest ran no case that counts" if died is None else f"pytest died while {died}"
        return _check(0.0, f"{why} ({ending})", result)
    if not cases.failed and not cases.others_failed and result.exit_code != 0:
        return _check(0.0, f"all {cases.total} cases passed, but: {ending}", result)
    reason = f"{cases.passed} of {cases.total} cases passed"
    if cases.failed:
        more = "" if len(cases.failed) <= 3 else f" and {len(cases.failed) - 3} more"
        reason = f"{reason}; not {', '.join(cases.failed[:3])}{more}"
    if reported.late:
        reason = f"{reason}; over its time: {reported.late[0]}"
    if died is not None:
        reason = f"{reason}; pytest died in {died} ({ending}): what had not ended has not passed"
    return _check(cases.passed / cases.total, reason, result)


def _check(score: float | None, reason: str, result: CommandResult | None = None) -> Check:
    return Check(verifier="command", label="", score=score, reason=reason, output=result.output if result else "")
