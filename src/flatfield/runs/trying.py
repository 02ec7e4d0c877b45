"""One prompt on a folder of one's own as an evaluation: its task, its run, and its check before anything is spent."""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.agent.files.copying import copy, plan_copy
from flatfield.agent.files.openat import discard
from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.machine.sandbox.ownership import adopt
from flatfield.records import Evaluation, Limits, Task
from flatfield.runs.order import new_run
from flatfield.saying import few
from flatfield.scoring.verifiers.project import spec_of
from flatfield.scoring.verifying.own_project import CHECK_SECONDS, ended, limits, own_check
from flatfield.tasks.digest import of_task
from flatfield.tasks.source import slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.machine.protocols import CommandResult, Sandbox
    from flatfield.records import AgentConfig, Run
    from flatfield.runs.order import Chosen
    from flatfield.scoring.verifying.own_project import OwnCheck

NOT_EXECUTABLE, NOT_FOUND = 126, 127
ID_CHARACTERS = 32
TITLE_CHARACTERS = 60
SHOWN = "the sandbox shows /usr, the folder's files, and environments beside them such as .venv"
_MODULE = re.compile(r"(?:^|[\s;&|(])(?P<python>[\w./-]*python[\d.]*)\s+(?:-\w\s+)*-m\s+(?P<module>[A-Za-z_][\w.]*)")
_ABSENT = re.compile(r"(?:No module named|Cannot find (?:module|package)) '(?P<name>[@\w][\w./@-]*)'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trying:
    """What is tried: a prompt on copies of a folder. `check`: the command that says whether it is done; "": none."""

    prompt: str
    folder: Path
    check: str
    limits: Limits


def task_of(trying: Trying, plan: CopyPlan | None = None) -> Task:
    """The task that it is; with `plan`, its digest stands for the folder's content too.

    Raises:
        FlatfieldError: a file cannot be read.
    """
    title = " ".join(trying.prompt.split())
    task = Task(
        id=slug(title[:ID_CHARACTERS].rstrip()).lower(),
        title=title if len(title) <= TITLE_CHARACTERS else f"{title[: TITLE_CHARACTERS - 1]}…",
        prompt=trying.prompt,
        plain=True,
        limits=trying.limits,
        verifiers=(spec_of(trying.check),) if trying.check else (),
    )
    if plan is None:
        return task
    said = f"{trying.prompt}\0{trying.check}".encode()
    try:
        digest = of_task(said, trying.folder, [trying.folder / path for path in plan.files])
    except OSError as error:
        raise FlatfieldError(f"{error.filename} cannot be read: {error.strerror}; leave the folder as it is") from error
    return structs.replace(task, digest=digest)


def copied(trying: Trying) -> CopyPlan:
    """What each agent is given a copy of. Reads the disk.

    Raises:
        FlatfieldError: the folder is too large, or something in it cannot be read.
    """
    return plan_copy(task_of(trying), trying.folder)


def tried_run(
    trying: Trying,
    plan: CopyPlan,
    chosen: Chosen,
    roster: Sequence[AgentConfig],
    now: datetime,
    command: str,
) -> Run:
    """The run that trying a prompt is; nothing is stored, and nobody is asked for anything.

    Raises:
        NotFound: an agent is not configured.
        FlatfieldError: a file cannot be read.
    """
    task = task_of(trying, plan)
    evaluation = chosen.instead(Evaluation(title=task.title))
    run = new_run(evaluation, (task,), roster, now, command=command)
    return structs.replace(run, source=str(trying.folder))


def tried_on(run: Run) -> Run:
    """A stored run with its folder as it is now, where it was started without a file: one that changed is another task.

    Raises:
        NotFound: the folder is gone.
        FlatfieldError: a file cannot be read.
    """
    tasks = tuple(_as_it_is_now(task, Path(run.source)) if _is_tried(task, run) else task for task in run.tasks)
    return run if tasks == run.tasks else structs.replace(run, tasks=tasks, anchors=())


def _is_tried(task: Task, run: Run) -> bool:
    """Its digest stands for the folder: no other stored task has one without a file."""
    return bool(task.plain and not task.path and task.digest and run.source and not run.imported)


def _as_it_is_now(task: Task, folder: Path) -> Task:
    if not folder.is_dir():
        raise NotFound(f"the folder {folder}, which the run's task works on, is gone; put it back to go on")
    check = str(task.verifiers[0].options["run"]) if task.verifiers else ""
    trying = Trying(prompt=task.prompt, folder=folder, check=check, limits=task.limits)
    return structs.replace(task, digest=task_of(trying, copied(trying)).digest)


# ---------------------------------------------------------------------------- the check, before anything is spent


@dataclass(frozen=True, kw_only=True, slots=True)
class Untouched:
    """What a project's check says of its folder as it is: whether it passes, how it ended; and how it is made.

    `lacks`: modules that it did not find, which may be what is to be written, or what nobody installed.
    """

    own: OwnCheck
    passed: bool
    reason: str
    lacks: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """What is to be said of it."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        if self.passed:
            yield f"the check passes already on the untouched folder ({self.reason}): it may say little"
        if self.lacks:
            yield (
                f"the check finds no module {few(self.lacks)}: where that is not what is to be written, install it "
                f"into an environment of the folder ({SHOWN})"
            )
        yield from (f"the check sees {name} of this folder, which it cannot change" for name in self.own.shown)


async def look_at_check(folder: Path, check: str, plan: CopyPlan, sandbox: Sandbox, scratch: Path) -> Untouched:
    """Make the check once on a copy of the folder as it is; `scratch` is where copies are made.

    Raises:
        NotReady: it cannot start or does not end; the message says what it lacks, and the fix.
    """
    own = await asyncio.to_thread(own_check, folder, check, (*plan.files, *plan.folders, *plan.links), sandbox)
    done = await _run(own.command, own, plan, scratch)
    await _refuse(check, own, done, plan, scratch)
    passed, reason = ended(done)
    top = {path.split("/")[0].removesuffix(".py") for path in (*plan.files, *plan.folders)}
    names = () if passed else (found["name"] for found in _ABSENT.finditer(done.output))
    lacks = tuple(dict.fromkeys(name for name in names if name.split(".")[0] not in top))
    return Untouched(own=own, passed=passed, reason=reason, lacks=lacks)


async def _run(command: str, own: OwnCheck, plan: CopyPlan, scratch: Path) -> CommandResult:
    home = scratch / f"untouched-{secrets.token_hex(4)}"
    try:
        root = await asyncio.to_thread(_laid_out, plan, home, own.sandbox.user)
        return await own.sandbox.run(command, root, limits())
    finally:
        await asyncio.to_thread(discard, home)


def _laid_out(plan: CopyPlan, home: Path, user: int | None) -> Path:
    home.mkdir()
    home.chmod(0o711)
    root = copy(plan, home)
    if user is not None:
        adopt(root, user)
    return root


async def _refuse(check: str, own: OwnCheck, done: CommandResult, plan: CopyPlan, scratch: Path) -> None:
    said = done.output.strip().splitlines()[-1:] or [f"exit code {done.exit_code}"]
    if done.timed_out:
        raise NotReady(
            f"the check {check!r} does not end within {CHECK_SECONDS:g} s on the untouched folder; name a smaller one"
        )
    if done.exit_code in {NOT_FOUND, NOT_EXECUTABLE}:
        raise NotReady(f"the check {check!r} cannot start: {said[0]}; install it there ({SHOWN})")
    if done.exit_code == 0:
        return
    for found in _MODULE.finditer(own.command):
        asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({found['module']!r}) is None)"
        looked = await _run(f"{own.prefix}{found['python']} -c {shlex.quote(asked)}", own, plan, scratch)
        if looked.exit_code != 0:
            raise NotReady(
                f"the check {check!r} cannot start: {found['python']} has no module {found['module']}; "
                f"install it into a .venv of the folder ({SHOWN})"
            )
