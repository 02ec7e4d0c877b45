"""Works on a real folder with a check: each step in a copy of it, whose changes are taken once the check passes.

The folder itself is not touched before; what is taken, is taken whole. So whatever ends the work, it ends there as it
began, byte for byte.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from flatfield.agent.files.changed import CACHES, TEXT_LIMIT_BYTES
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.copying import copy, plan_copy
from flatfield.agent.files.guarding import Protection, check_workspace
from flatfield.agent.files.openat import discard
from flatfield.agent.workspace import Snapshot, changes, snapshot
from flatfield.errors import FlatfieldError, NotReady
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.records import Event, Failure, FileChange, Task
from flatfield.runs.routes.applying import Planned, apply
from flatfield.runs.routes.cascade import StepTaken, joined, said_of
from flatfield.runs.routes.checks import StepCheck, laid_out
from flatfield.runs.scratch import scratch_folder
from flatfield.runs.single import OWN, PROMPT, Remembering, run_here
from flatfield.runs.store.writer import to_the_end
from flatfield.runs.trying import look_at_check
from flatfield.runs.world import open_world
from flatfield.saying import few
from flatfield.scoring.verifying.own_project import ended, limits
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.machine.protocols import CommandResult, Sandbox
    from flatfield.records import AgentConfig, TrialRecord
    from flatfield.runs.single import FolderWork, Surroundings


async def run_checked(work: FolderWork, around: Surroundings) -> TrialRecord:
    """Try the agent, or a cascade's steps one after the other, until the check passes; the last one's work is taken.

    A step that its provider fails is passed over. Of a route's agents the first one that can work does, whatever the
    check says. Cancelling it takes nothing, and returns what was used until then.

    Raises:
        NotReady: a step cannot run, or the sandbox or what the check needs is missing; nothing was spent.
        FlatfieldError: the folder is protected itself, or cannot be copied.
    """
    check_workspace(work.folder, around.allow)
    work = replace(work, agent=await _ready(work.agent, around))
    async with AsyncExitStack() as stack:
        scratch = await asyncio.to_thread(stack.enter_context, scratch_folder())
        plan = await asyncio.to_thread(_planned, work, scratch)
        for note in plan.notes:
            _tell(around, note)
        sandbox = await asyncio.to_thread(find_sandbox, os.environ)
        bench = _Bench(work, around, scratch, plan, sandbox)
        await bench.look()
        return await bench.run()


async def _ready(agent: AgentConfig, around: Surroundings) -> AgentConfig:
    """The agent, once it can work: all its steps; of a route those that can, which may be fewer than it has."""
    async with open_world(around.outside) as world:
        if agent.route is None:
            for step in agent.members:
                await world.pool.check(step)
            return agent
        able: list[AgentConfig] = []
        for number, step in enumerate(agent.steps, start=1):
            try:
                await world.pool.check(step)
                able.append(step)
            except NotReady as error:
                if number == len(agent.steps) and not able:
                    raise
                _tell(around, f"{step.name} cannot work: {error}")
    return structs.replace(agent, steps=tuple(able))


def _planned(work: FolderWork, scratch: Path) -> CopyPlan:
    task = Task(id=PROMPT, title=PROMPT, prompt=work.prompt, plain=True)
    return plan_copy(task, work.folder, exclude=(scratch,))


def _tell(around: Surroundings, text: str) -> None:
    around.observe(Event(kind="note", text=text))


class _Bench:
    """One piece of work: its copies, its check, and what was tried."""

    def __init__(self, work: FolderWork, around: Surroundings, scratch: Path, plan: CopyPlan, sandbox: Sandbox) -> None:
        self._work = work
        self._around = replace(around, attempt=secrets.token_hex(8), whole=work.agent.name)
        self._scratch = scratch
        self._plan = plan
        self._sandbox = sandbox
        self._command = work.check
        self._copies = 0
        self._taken: list[StepTaken] = []

    # ------------------------------------------------------------------ the check, before anything is spent

    async def look(self) -> None:
        """Make the check once on the folder as it is.

        Raises:
            NotReady: it cannot start; the message says what it lacks, and the fix.
        """
        work = self._work
        looked = await look_at_check(work.folder, work.check, self._plan, self._sandbox, self._scratch)
        self._sandbox, self._command = looked.own.sandbox, looked.own.command
        for text in looked.notes():
            _tell(self._around, text)

    async def _checked(self, root: Path, changed: Sequence[FileChange]) -> tuple[CommandResult, float]:
        """Run the check in a copy of `root`; how it ended, and the seconds that it took."""
        clock, user = self._around.outside.clock, self._sandbox.user
        begun = clock.now()
        home = self._next_home()
        try:
            copied = await asyncio.to_thread(laid_out, root, changed, self._plan, home, user)
            done = await self._sandbox.run(self._command, copied, limits())
        finally:
            await asyncio.to_thread(discard, home)
        return done, clock.now() - begun

    # ------------------------------------------------------------------ the steps

    async def run(self) -> TrialRecord:
        """Step after step; what is taken of the one that counts is in the record's changes."""
        agent = self._work.agent
        failure: Failure | None = None
        try:
            failure = await self._all_steps()
        except asyncio.CancelledError:
            if not self._taken:
                raise
            failure = Failure(kind="interrupted", message="stopped: nothing was taken over")
        record = joined(agent, self._taken, failure)
        if failure is not None and failure.kind == "interrupted":
            record = structs.replace(record, stop="cancelled")
        return record if record.failure is None else structs.replace(record, changes=())

    async def _all_steps(self) -> Failure | None:
        last = len(self._work.agent.members) - 1
        for number, step in enumerate(self._work.agent.members):
            root = await asyncio.to_thread(copy, self._plan, await self._home())
            with ConfinedFiles(root) as files:
                before = await asyncio.to_thread(_look, files)
                record = await self._record_of(step, root)
                changed = await asyncio.to_thread(_changed, before, files)
                record = structs.replace(record, changes=changed)
                self._taken.append(StepTaken(step, record, None))
                if record.failure is not None:
                    if record.stop == "cancelled":
                        return record.failure
                    _tell(self._around, f"{step.name} failed: {record.failure.message}")
                    continue
                check = await self._check(root, changed)
                self._taken[-1] = StepTaken(step, record, check)
                _tell(self._around, said_of(step, check))
                if check.passed or number == last or self._work.agent.route is not None:
                    return await self._take(before, files, changed, passed=check.passed)
        return None

    async def _record_of(self, step: AgentConfig, root: Path) -> TrialRecord:
        around, work = self._around, self._work
        inside = replace(around, allow=tuple(map(self._moved, around.allow)))
        record = await run_here(replace(work, agent=step, folder=root), inside)
        return structs.replace(record, agent_fingerprint=fingerprint(work.agent))

    def _moved(self, allowed: str) -> str:
        """A path that the user opened in the folder, as it is meant in a copy of it."""
        path = Path(allowed)
        return str(path.relative_to(self._work.folder)) if path.is_relative_to(self._work.folder) else allowed

    async def _check(self, root: Path, changed: Sequence[FileChange]) -> StepCheck:
        try:
            done, seconds = await self._checked(root, changed)
        except (OSError, FlatfieldError) as error:
            return StepCheck(passed=False, reason=f"it could not be made: {error}")
        passed, reason = ended(done)
        return StepCheck(passed=passed, reason=reason, seconds=seconds)

    async def _take(
        self, before: _Untouched, files: ConfinedFiles, changed: Sequence[FileChange], *, passed: bool
    ) -> Failure | None:
        around, folder = self._around, self._work.folder
        if not passed:
            _tell(around, "no step passed the check; the last one's changes are taken, to be looked at")
        protection = Protection(folder, allow=around.allow, config=around.config, homes=around.homes)
        witness = Remembering(folder, around.outside.access.ledger, around.observe)
        try:
            planned = await asyncio.to_thread(lambda: tuple(_plan_of(before, files, changed)))
            taken = {one.path for one in planned}
            left = sorted({change.path for change in changed} - taken)
            if left:
                _tell(around, f"not taken over, as it is no file or has a name that is no UTF-8: {few(left)}")
            for text in await asyncio.to_thread(lambda: tuple(_of_folders(before, files, planned))):
                _tell(around, text)
            step = self._taken[-1]
            kept = tuple(change for change in changed if change.path in taken)
            self._taken[-1] = step._replace(record=structs.replace(step.record, changes=kept))
            await to_the_end(None, apply, planned, protection, around.outside.environ, witness)
        except FlatfieldError as error:
            return Failure(kind="workspace", message=str(error))
        return None

    # ------------------------------------------------------------------ folders

    def _next_home(self) -> Path:
        self._copies += 1
        return self._scratch / f"{self._copies:04d}"

    async def _home(self) -> Path:
        home = self._next_home()
        home.mkdir()
        home.chmod(0o711)
        return home


class _Untouched(NamedTuple):
    """What a copy was before the work: its files, which of them are programs, and its folders."""

    files: Snapshot
    programs: frozenset[str]
    folders: frozenset[str]


def _look(files: ConfinedFiles) -> _Untouched:
    found = snapshot(files)
    programs = frozenset(path for path in found.files if _is_program(files.root / path))
    return _Untouched(found, programs, _folders(files))


def _folders(files: ConfinedFiles) -> frozenset[str]:
    return frozenset(
        one.path for one in files.walk(skip=CACHES) if one.kind == "folder" and one.path.split("/")[0] != OWN
    )


def _is_program(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) and bool(mode & stat.S_IXUSR)


def _changed(before: _Untouched, files: ConfinedFiles) -> tuple[FileChange, ...]:
    """What the work changed, files that became programs or are none any more among it; what is our own is left out."""
    found = [each for each in changes(before.files, files) if each.path.split("/")[0] != OWN]
    paths = before.files.files.keys() - {each.path for each in found}
    for path in paths:
        place = files.root / path
        if _is_program(place) != (path in before.programs):
            found.append(FileChange(path=path, kind="modified", size_bytes=place.lstat().st_size))
    return tuple(sorted(found, key=lambda each: each.path))


def _plan_of(before: _Untouched, files: ConfinedFiles, changed: Sequence[FileChange]) -> Iterator[Planned]:
    """What is to be written into the folder; links and devices that commands made are not taken.

    A name that is no UTF-8 is shown as another one, by which nothing is found.
    """
    for change in changed:
        state = before.files.files.get(change.path)
        digest, place = state.digest if state else "", files.root / change.path
        if change.kind == "deleted" and state is not None:
            yield Planned(path=change.path, before=digest, after=None)
        if change.kind == "deleted" or place.is_symlink() or not place.is_file():
            continue
        data = files.read_bytes(change.path, limit_bytes=max(change.size_bytes, TEXT_LIMIT_BYTES))
        program = _is_program(place)
        became = program if program != (change.path in before.programs) else None
        yield Planned(path=change.path, before=digest, after=data, executable=became)


def _of_folders(before: _Untouched, files: ConfinedFiles, planned: Sequence[Planned]) -> Iterator[str]:
    """What is to be said of folders: only files are taken, and folders with them."""
    now, written = _folders(files), [one.path for one in planned if one.after is not None]
    empty = {path for path in now - before.folders if not any(one.startswith(f"{path}/") for one in written)}
    gone = before.folders - now - set(written)
    for paths, said in ((empty, "empty folders are not taken over"), (gone, "folders that were removed stay, empty")):
        outermost = sorted(path for path in paths if path.rpartition("/")[0] not in paths)
        if outermost:
            yield f"{said}: {few(outermost)}"
