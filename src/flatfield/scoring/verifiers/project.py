"""`project`: runs a project's own check, in the sandbox, on a copy of the project that an agent has worked in."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.errors import FlatfieldError
from flatfield.records import Check, VerifierSpec, VerifierTraits
from flatfield.scoring.protocols import check_command, read_map
from flatfield.scoring.verifying.own_project import CHECK_SECONDS, ended, is_test, limits, own_check, put_back

if TYPE_CHECKING:
    from flatfield.machine.protocols import CommandResult
    from flatfield.scoring.protocols import VerifyContext

TRAITS = VerifierTraits(needs_sandbox=True, hidden_options=())


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run: a command line for /bin/sh, started in the workspace; exit code 0 scores 1, another one 0.

    The workspace is a copy of a folder: of the LOP's `workspace`, or, where it has none, of the current directory.
    Before the command is run, that folder's test files are put back as they were, and the environments that lie in it
    and were not copied (`.venv`, `node_modules`, `target` and the like) are shown to it, where they are and in the
    workspace. `timeout_seconds`: after it the command is ended.
    """

    run: str
    timeout_seconds: float = CHECK_SECONDS


def parse(value: object) -> Options:
    """The options as written in a LOP; a single text is the command.

    Raises:
        ValueError: one sentence with what is wrong and what would be right.
    """
    options = read_map({"run": value} if isinstance(value, str) else value, Options, "project")
    check_command("project", options.run, options.timeout_seconds)
    return options


def spec_of(check: str) -> VerifierSpec:
    """What stands in a task that is verified by this check alone."""
    return VerifierSpec(kind="project", options={"run": check})


def create(options: Options) -> ProjectVerifier:
    """The verifier for these options."""
    return ProjectVerifier(options)


class ProjectVerifier:
    """Puts the tests back and runs the check."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def verify(self, context: VerifyContext) -> Check:
        """How the command ended; what the harness could not do is not measured."""
        if context.sandbox is None:
            return _check(None, f"the check was not run: {context.sandbox_reason or 'there is no sandbox'}")
        folder = Path(context.source or context.root)
        try:
            own = await asyncio.to_thread(own_check, folder, self._options.run, context.before.files, context.sandbox)
            await asyncio.to_thread(_restore, context, folder, own.shown)
            seconds = max(self._options.timeout_seconds, context.least_seconds)
            done = await own.sandbox.run(own.command, context.root, limits(seconds))
        except (OSError, FlatfieldError) as error:
            return _check(None, f"the check could not be made: {error}")
        if done.host_short:
            return _check(None, f"the check was stopped: {done.stopped}", done)
        if done.timed_out:
            return replace(_check(None, f"the check was still running after {seconds:g} seconds", done), trouble="time")
        passed, reason = ended(done)
        return _check(float(passed), reason, done)


def _restore(context: VerifyContext, folder: Path, shown: tuple[str, ...]) -> None:
    """The project's tests as they were; what an agent left where environments are shown goes."""
    originals = {path: folder / path for path in context.before.files if is_test(path)}
    for path, text in context.task.files.items():
        if path in originals:
            originals[path] = context.root.parent / f"test-{secrets.token_hex(8)}"
            originals[path].write_text(text, encoding="utf-8")
    for name in shown:
        if (context.root / name).is_symlink() or (context.root / name).exists():
            context.files.remove(name)
    put_back(originals, context.files, context.trial.changes)


def _check(score: float | None, reason: str, done: CommandResult | None = None) -> Check:
    return Check(verifier="project", label="", score=score, reason=reason, output=done.output if done else "")
