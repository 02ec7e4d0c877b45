"""Makes a task of a commit, and proves it at once: its tests fail before, pass after, and nothing gives them away."""

from __future__ import annotations

import asyncio
import math
import os
import posixpath
import re
import secrets
import shutil
from collections import Counter
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.copying import copy, plan_copy
from flatfield.agent.workspace import Snapshot
from flatfield.errors import FlatfieldError, NotReady
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.environments import NODE, CopiedPackages, copy_packages, describe_project, find_packages
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.interpreter import LIMIT_BYTES, LIMIT_FILES, with_packages
from flatfield.records import FileChange, Task, TrialRecord
from flatfield.runs.proof import check_tasks
from flatfield.runs.scratch import scratch_folder
from flatfield.runs.world import Outside, open_world
from flatfield.saying import few, many
from flatfield.scoring.protocols import MOST_COMMAND_SECONDS, VerifyContext
from flatfield.scoring.verifiers import command as command_verifier
from flatfield.scoring.verifying.pytest_run import programs, runs_pytest
from flatfield.tasks.from_commit import (
    CheckCommand,
    CommitParts,
    Distribution,
    Written,
    distribution,
    generated_version,
    lop_text,
    own_modules,
    prompt_of,
    split,
    title_of,
    way_of,
)
from flatfield.tasks.git_objects import (
    POINTER_BEGINS,
    POINTER_BYTES,
    SUBMODULE,
    Commit,
    GitRepository,
    write_blobs,
)
from flatfield.tasks.lop import read_task
from flatfield.tasks.source import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flatfield.machine.protocols import Sandbox
    from flatfield.runs.proof import Finding
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.tasks.access import Access
    from flatfield.tasks.from_commit import Tree

LOP = "task.md"
PACKAGES = "packages"
COUNTS, GUARDS = "counts.txt", "guards.txt"
LEAST_SECONDS = 120
MOST_SECONDS = 900
"""How long the tests may take while it is found out whether they pass."""
ROOM = 8
"""Checks of the task may take so many times as long as they took here."""
SHOWN_LINES = 12
SPEAKING = (".py", ".toml", ".cfg", ".ini", ".txt", ".in")
MOST_BYTES = 1024**2
"""Of larger files no word is looked for."""
_WORDS = (re.compile(r"[A-Za-z_]\w*"), re.compile(r"[A-Za-z]\w*(?:[-.]\w+)+"))
"""Names as code has them, and those of packages, which have points and dashes too."""
FAILING = 3
"""So many cases a reason names."""
_MISSING = (
    re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'"),
    re.compile(r"Error: Cannot find module '(?P<package>[^'./][^']*)'"),
    re.compile(r"Cannot find package '(?P<package>[^']+)'"),
    re.compile(r"no required module provides package (?P<gone>\S+?);?\s"),
    re.compile(r"fixture '(?P<fixture>\w+)' not found"),
    re.compile(r"ImportError: Error importing plugin \"(?P<plugin>[\w.]+)\""),
)


class CommitOrder(Struct, frozen=True, kw_only=True):
    """What is asked for: a commit of a repository, and where the task goes (None: a folder named after it, here).

    `check`: the command that runs the tests, in place of the one that is found; `packages_from`: the environment.
    """

    repository: Path
    commit: str
    out: Path | None = None
    check: str | None = None
    packages_from: Path | None = None
    force: bool = False


class CommitTask(Struct, frozen=True, kw_only=True):
    """The task that was made: its LOP, the commit, the command, how many cases count and guard, and what was proved."""

    path: str
    commit: str
    command: str
    counts: tuple[str, ...]
    guards: int
    proof: str
    notes: tuple[str, ...] = ()


async def make_task(
    order: CommitOrder, access: Access, *, say: Callable[[str], None] = lambda _text: None
) -> CommitTask:
    """Make the task, prove it, and only then put it in its place.

    Raises:
        FlatfieldError: no task can be made of this commit, or none that measures anything; the message says why.
    """
    source = await asyncio.to_thread(_read, order)
    out = _place(order, source)
    draft = out.with_name(f".{out.name}-{secrets.token_hex(4)}")
    try:
        way, packages = await asyncio.to_thread(_write, order, source, draft)
        sandbox = await asyncio.to_thread(find_sandbox, os.environ)
        trying = _Trying(source, draft, way, packages, sandbox)
        found = await trying.outcomes(access, say)
        written = await asyncio.to_thread(trying.written, out.name, found)
        task = read_task(draft / LOP)
        say("proving the task: its solution, and agents that do no work")
        (finding,) = await check_tasks([task], draft, access, say=say)
        _hold(finding)
        await asyncio.to_thread(_put, draft, out)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, True)  # noqa: FBT003 - gone already where all went well
    return CommitTask(
        path=str(out / LOP),
        commit=source.commit.sha,
        command=written.command,
        counts=found.counts,
        guards=len(found.guards),
        proof=finding.summary,
        notes=tuple(source.notes),
    )


# ---------------------------------------------------------------------------- the commit


class _Source:
    """A commit that a task can be made of: its parent's files, its own, and how they differ."""

    def __init__(self, repository: GitRepository, commit: Commit, before: Tree, after: Tree) -> None:
        self.repository = repository
        self.commit = commit
        self.before = before
        self.after = after
        self.split: CommitParts = split(before, after)
        self.notes: list[str] = []
        self.read = cache(self._text)

    @property
    def short(self) -> str:
        """How the commit is spoken of."""
        return self.commit.sha[:10]

    @property
    def prompt(self) -> str:
        """What its message asks for."""
        return prompt_of(self.commit.message) or "Say here what is to be done."

    def words(self) -> frozenset[str]:
        """All words of the project's code and settings, since the commit: packages that are needed are among them."""
        told = (blob for path, blob in self.after.items() if path.endswith(SPEAKING) and blob.size_bytes <= MOST_BYTES)
        texts = (data.decode(errors="replace") for _, data in self.repository.contents(told))
        return frozenset(word for text in texts for pattern in _WORDS for word in pattern.findall(text))

    def _text(self, path: str) -> str | None:
        """A file's text as it was before the commit, of a new file as it is since."""
        blob = self.before.get(path) or self.after.get(path)
        if blob is None or blob.mode == SUBMODULE:
            return None
        ((_, data),) = self.repository.contents([blob])
        return data.decode(errors="replace")


def _read(order: CommitOrder) -> _Source:
    """Read the commit, and refuse one that no task can be made of.

    Raises:
        FlatfieldError: there is none, or it is one of these.
    """
    repository = GitRepository(order.repository.expanduser())
    commit = repository.commit(order.commit)
    short = commit.sha[:10]
    if len(commit.parents) != 1:
        kind = "the first commit: nothing was there before it" if not commit.parents else "a merge of other commits"
        raise FlatfieldError(f"{short} is {kind}; name a commit with one parent (git log --no-merges --oneline)")
    if not repository.has(commit.parents[0]):
        raise NotReady(
            f"the parent of {short} is not here, because the clone is shallow; git fetch --unshallow brings it"
        )
    source = _Source(repository, commit, repository.tree(commit.parents[0]), repository.tree(commit.sha))
    _check_changes(source, order)
    _check_size(source)
    return source


def _check_changes(source: _Source, order: CommitOrder) -> None:
    """Refuse changes that show nothing, or that git's objects do not hold."""
    parts, short = source.split, source.short
    if not parts.tests:
        raise FlatfieldError(f"{short} changes no test, so nothing would show whether its work is done; choose another")
    if not parts.hidden:
        raise FlatfieldError(
            f"{short} only takes tests away, so nothing would show whether its work is done; choose another"
        )
    if not parts.is_work:
        raise FlatfieldError(f"{short} changes tests alone: no work is left for an agent; choose another")
    if parts.submodules:
        raise FlatfieldError(
            f"{short} moves the submodule {parts.submodules[0]}, whose files are another repository's; choose another"
        )
    changed = (*parts.hidden, *parts.writes)
    if odd := next((blob.path for blob in changed if not _is_utf8(blob.path)), None):
        raise FlatfieldError(f"{short} changes {odd!a}, whose name is no UTF-8: no LOP can name it; choose another")
    small = [blob for blob in changed if blob.size_bytes < POINTER_BYTES]
    pointers = [blob.path for blob, data in source.repository.contents(small) if data.startswith(POINTER_BEGINS)]
    if pointers:
        raise FlatfieldError(
            f"{short} needs {few(pointers)}, which Git LFS keeps: git itself has only a pointer; choose another"
        )
    if not parts.runs and order.check is None:
        raise FlatfieldError(
            f"{short} changes {few(parts.tests)}, and no test that flatfield knows how to run; say how with --check "
            '"COMMAND"'
        )
    if empty := [blob.path for blob in source.before.values() if blob.mode == SUBMODULE]:
        source.notes.append(f"submodules are empty folders in the workspace: {few(empty)}")


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_size(source: _Source) -> None:
    """Refuse what is too large for a workspace."""
    size = sum(blob.size_bytes for blob in source.before.values())
    if size <= LIMIT_BYTES and len(source.before) <= LIMIT_FILES:
        return
    folders: Counter[str] = Counter()
    for path, blob in source.before.items():
        folders[path.partition("/")[0]] += blob.size_bytes if size > LIMIT_BYTES else 1
    raise FlatfieldError(
        f"the tree before {source.short} is too large for a workspace: {size / 1e6:,.0f} MB in "
        f"{len(source.before):,} files, {LIMIT_BYTES / 1e6:,.0f} MB and {LIMIT_FILES:,} are allowed; most of it is in "
        f"{folders.most_common(1)[0][0]}"
    )


def _place(order: CommitOrder, source: _Source) -> Path:
    """Where the task goes.

    Raises:
        FlatfieldError: something is there.
    """
    named = slug(title_of(source.prompt, source.commit.sha).lower())[:48].strip("-._")
    out = Path(os.path.abspath(order.out.expanduser() if order.out else f"{named}-{source.commit.sha[:7]}"))  # noqa: PTH100 - no links resolved
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return out
    if not (order.force and (out / LOP).is_file()):
        fix = "--force replaces the task that is there" if (out / LOP).is_file() else "it holds something else"
        raise FlatfieldError(f"{out} is there already: {fix}; --out names another folder")
    return out


def _put(draft: Path, out: Path) -> None:
    """Put the task in its place, where an older one may be."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            old = out.with_name(f"{draft.name}-old")
            out.rename(old)
            draft.rename(out)
            shutil.rmtree(old)
        else:
            draft.rename(out)
    except OSError as error:
        raise FlatfieldError(f"{out} cannot be written: {error.strerror}; choose another --out") from error


# ---------------------------------------------------------------------------- the files


def _write(order: CommitOrder, source: _Source, draft: Path) -> tuple[CheckCommand, CopiedPackages]:
    """Write workspace, hidden tests, solution and packages; how the tests are run.

    Raises:
        FlatfieldError: they cannot be written, or nobody can tell how the tests are run.
    """
    parts = source.split
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise FlatfieldError(f"{draft.parent} cannot be written: {error.strerror}; choose another --out") from error
    write_blobs(source.repository, source.before.values(), draft / "workspace")
    (draft / "workspace").mkdir(exist_ok=True)
    write_blobs(source.repository, parts.hidden, draft / "hidden")
    (draft / "hidden").mkdir(exist_ok=True)
    write_blobs(source.repository, parts.writes, draft / "solution")
    top = source.repository.top()
    copied = CopiedPackages()
    if any(path.endswith(".py") for path in source.before):
        copied = _python_packages(order, source, top, draft)
    if "package.json" in source.before:
        _node_packages(order, top, draft / "workspace")
    if order.check is not None:
        return CheckCommand(command=order.check, is_pytest=runs_pytest(order.check)), copied
    way = way_of(parts, source.before, source.read, copied.plugins)
    if way is None:
        raise FlatfieldError(f'how {few(parts.runs)} is run cannot be told; say it with --check "COMMAND"')
    return way, copied


def _python_packages(order: CommitOrder, source: _Source, top: Path, draft: Path) -> CopiedPackages:
    """What the project's environment has, without the project, which is the workspace itself."""
    project: Distribution = distribution(source.read)
    site = find_packages(order.packages_from, top)
    copied = CopiedPackages()
    if site is not None:
        own = own_modules(source.before) | own_modules(source.after)
        copied = copy_packages(site, draft / PACKAGES, words=source.words(), without=own, project=project.name)
    if project.name:
        describe_project(draft / PACKAGES, project.name, project.version, project.points)
    if made := generated_version(source.read, source.before):
        path, text = made
        (draft / "workspace" / path).write_text(text)
        source.notes.append(
            f"{path} is made when the project is built, and no commit has it: one of version 0 was written"
        )
    return copied


def _node_packages(order: CommitOrder, top: Path, workspace: Path) -> None:
    """Put the packages of a project in JavaScript where it looks for them: into the workspace."""
    named = order.packages_from.expanduser() if order.packages_from else top / NODE
    if named.name == NODE and named.is_dir() and not (workspace / NODE).exists():
        try:
            shutil.copytree(named, workspace / NODE, symlinks=True)
        except (OSError, shutil.Error) as error:
            raise FlatfieldError(f"{named} cannot be copied: {str(error)[:200]}; mend that, or name another") from error


# ---------------------------------------------------------------------------- before and after


class Outcomes(Struct, frozen=True, kw_only=True):
    """What running the tests before and after showed: the cases that count and guard, and how long it took."""

    counts: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    took_seconds: float = 0.0


class _Trying:
    """Runs a commit's tests on its parent's files, and on its own."""

    def __init__(
        self, source: _Source, draft: Path, way: CheckCommand, copied: CopiedPackages, sandbox: Sandbox
    ) -> None:
        self._source = source
        self._draft = draft
        self._way = way
        self._copied = copied
        self._sandbox = sandbox

    def written(self, name: str, found: Outcomes | None = None) -> Written:
        """Write the LOP, with the cases that count where they are known."""
        seconds = MOST_SECONDS if found is None else max(LEAST_SECONDS, math.ceil(ROOM * found.took_seconds))
        about = Written(
            id=slug(name),
            sha=self._source.commit.sha,
            prompt=self._source.prompt,
            command=self._way.command,
            timeout_seconds=min(seconds, int(MOST_COMMAND_SECONDS)),
            counts=bool(found and found.counts),
            guards=bool(found and found.guards),
            packages=(self._draft / PACKAGES).is_dir(),
        )
        for file, cases in ((COUNTS, found.counts), (GUARDS, found.guards)) if found else ():
            if cases:
                (self._draft / file).write_text("".join(f"{case}\n" for case in cases))
        links = self._source.repository.contents(self._source.split.links)
        targets = {blob.path: data.decode(errors="replace") for blob, data in links}
        (self._draft / LOP).write_text(lop_text(about, self._source.split, targets))
        return about

    async def outcomes(self, access: Access, say: Callable[[str], None]) -> Outcomes:
        """Run the tests once before and twice after; which cases count.

        Raises:
            FlatfieldError: they show nothing; the message says why.
        """
        self.written("draft")
        task = read_task(self._draft / LOP)
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(open_world(Outside(access=access), say))
            scratch = stack.enter_context(scratch_folder())
            await self._check_programs(scratch)
            say("running its tests on the files before it, and twice on those after it")
            before = await self._ran(task, scratch, world.lanes, after=False)
            first = await self._ran(task, scratch, world.lanes, after=True)
            if self._way.is_pytest and before.reported is not None and first.reported is not None:
                second = await self._ran(task, scratch, world.lanes, after=True)
                again = second.reported.named if second.reported else {}
                named = {case: passed and again.get(case, False) for case, passed in first.reported.named.items()}
                return self._named(before.reported.named, named, first)
        return self._by_exit(before, first)

    async def _check_programs(self, scratch: Path) -> None:
        """Refuse a command that starts what the sandbox does not have."""
        folder = scratch / "look"
        folder.mkdir()
        folder.chmod(0o755)
        (folder / NODE).mkdir()
        for program in programs(self._way.command):
            if "/" in program or (self._draft / "workspace" / NODE / ".bin" / program).exists():
                continue
            looked = await self._sandbox.run(f"command -v {program}", folder, SandboxLimits(wall_seconds=20.0))
            if looked.exit_code != 0:
                at = (
                    "; npm install it beside the repository"
                    if (self._draft / "workspace/package.json").exists()
                    else ""
                )
                raise NotReady(
                    f"the tests of {self._source.short} are run with {program}, which the sandbox does not have{at}; "
                    'install it under /usr, or say another command with --check "COMMAND"'
                )

    async def _ran(self, task: Task, scratch: Path, lanes: Lanes, *, after: bool) -> command_verifier.Ran:
        home = scratch / secrets.token_hex(4)
        home.mkdir()
        home.chmod(0o711)
        root, changes = await asyncio.to_thread(self._laid_out, task, home, after=after)
        sandbox = await asyncio.to_thread(with_packages, self._sandbox, task.packages, home)
        with ConfinedFiles(root, owner=self._sandbox.user) as files:
            context = VerifyContext(
                trial=TrialRecord(
                    run="",
                    agent="",
                    task=task.id,
                    repeat=1,
                    task_digest=task.digest,
                    agent_fingerprint="",
                    stop="answered",
                    changes=changes,
                ),
                task=task,
                files=files,
                root=root,
                before=Snapshot(files={}),
                sandbox=sandbox,
            )
            options = command_verifier.parse(task.verifiers[0].options)
            async with lanes.beside():
                ran = await command_verifier.create(options).run(context)
        if ran.result is None:
            raise NotReady(ran.problem)
        if ran.result.timed_out or ran.result.stopped:
            why = ran.result.stopped or f"they took more than {MOST_SECONDS} s"
            raise FlatfieldError(f"the tests of {self._source.short} did not end: {why}; name fewer with --check")
        return ran

    def _laid_out(self, task: Task, home: Path, *, after: bool) -> tuple[Path, tuple[FileChange, ...]]:
        """A workspace, with the commit's own work in it or without."""
        root = copy(plan_copy(task, self._draft), home)
        parts = self._source.split
        if not after:
            return root, ()
        gone = [*parts.removed, *(blob.path for blob in (*parts.writes, *parts.links, *parts.marks))]
        for path in gone:
            (root / path).unlink(missing_ok=True)
        for path in sorted({posixpath.dirname(path) for path in gone}, reverse=True):
            if path and (root / path).is_dir() and not any((root / path).iterdir()):
                (root / path).rmdir()
        new = {blob.path: blob for blob in (*parts.writes, *parts.links, *parts.marks)}
        write_blobs(self._source.repository, new.values(), root)
        changes = (FileChange(path=path, kind="modified", size_bytes=blob.size_bytes) for path, blob in new.items())
        return root, tuple(changes)

    def _named(self, before: Mapping[str, bool], after: Mapping[str, bool], ran: command_verifier.Ran) -> Outcomes:
        """Which of pytest's cases count."""
        counts = tuple(case for case, passed in after.items() if passed and not before.get(case))
        guards = tuple(case for case, passed in after.items() if passed and before.get(case))
        result = ran.result
        if result is None or not (counts or guards):
            raise self._fails_after(
                ran, f"none of {many(len(after), 'case')} passes after it" if after else "no case runs"
            )
        if not counts:
            failing = sum(not passed for passed in after.values())
            others = few((case for case, passed in after.items() if not passed), FAILING)
            more = f"; failing or skipped after it too: {many(failing, 'case')} ({others})" if failing else ""
            if failing and self._lacks(result.output):
                raise self._fails_after(ran, f"{failing} of {many(len(after), 'case')} fail also after it")
            raise FlatfieldError(
                f"no test of {self._source.short} fails before it and passes after it; passing before already: "
                f"{many(len(guards), 'case')}{more}; choose another commit"
            )
        left = len(after) - len(counts) - len(guards)
        if left:
            others = few((case for case, passed in after.items() if not passed), FAILING)
            lacks = f"; {found}" if (found := self._lacks(result.output)) else ""
            self._source.notes.append(
                f"not passing after the commit either, so counting nothing: {many(left, 'case')} ({others}){lacks}"
            )
        return Outcomes(counts=counts, guards=guards, took_seconds=result.seconds)

    def _by_exit(self, before: command_verifier.Ran, after: command_verifier.Ran) -> Outcomes:
        """What commands show that have no cases: how they end."""
        if before.result is None or after.result is None or after.result.exit_code != 0:
            raise self._fails_after(after, f"they end with exit code {after.result.exit_code if after.result else '?'}")
        if before.result.exit_code == 0:
            raise FlatfieldError(
                f"the tests of {self._source.short} pass before it already ({self._way.command}); choose another commit"
            )
        return Outcomes(took_seconds=after.result.seconds)

    def _fails_after(self, ran: command_verifier.Ran, why: str) -> FlatfieldError:
        output = ran.result.output if ran.result else ""
        lacks = self._lacks(output)
        shown = "" if lacks else "\n  " + "\n  ".join(output.strip().splitlines()[-SHOWN_LINES:])
        return NotReady(
            f"the tests of {self._source.short} fail after it too: {lacks or why} ({self._way.command}){shown}"
        )

    def _lacks(self, output: str) -> str:
        """What the tests need that is not there, with the fix; "" where nothing says so."""
        for pattern in _MISSING:
            if match := pattern.search(output):
                kind, name = next((kind, name) for kind, name in match.groupdict().items() if name)
                return self._said_of(kind, name)
        return ""

    def _said_of(self, kind: str, name: str) -> str:
        """What is said of something that is missing, with the fix."""
        if kind == "package":
            return f"they need the package {name}; npm install it beside the repository, or name its {NODE} with --env"
        if kind == "module" and name.partition(".")[0] in own_modules(self._source.after):
            return (
                f"the project's own module {name!r} cannot be imported: its build makes it, or it lies where --check "
                "must say (PYTHONPATH=$PYTHONPATH:FOLDER python -m pytest -q FILES)"
            )
        where = "put it into an environment .venv beside the repository, or name one with --env DIR"
        if self._copied.python:
            where += f" (this one is of Python {self._copied.python}, and the sandbox's must be able to import it)"
        if kind == "fixture":
            return f"they need the fixture {name!r}, which a plugin of pytest brings: {where}"
        return f"they need the module {name!r}, which is not there: {where}"


def _hold(finding: Finding) -> None:
    """Refuse a task that does not hold.

    Raises:
        FlatfieldError: it does not.
    """
    if not finding.holds:
        raise FlatfieldError(
            f"the task does not hold: {finding.summary}; choose another commit, or say --check otherwise"
        )
