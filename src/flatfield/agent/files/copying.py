"""Copies a task's files into a fresh folder: which there are, what of them gives answers away, and the copy."""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import re
import secrets
import stat
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from flatfield import plugins
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.openat import discard
from flatfield.errors import FlatfieldError, NotFound
from flatfield.machine.sandbox.interpreter import LIMIT_BYTES, LIMIT_FILES
from flatfield.tasks.access import is_broad
from flatfield.tasks.git_objects import GIT_SECONDS, POINTER_BEGINS, POINTER_BYTES, run_git, said_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from flatfield.records import Task


# Lists what a folder holds: what git tracks or does not ignore, or everything.


def in_git(folder: Path) -> bool:
    """Whether the folder, or one above it, is a git repository's."""
    return any((above / ".git").exists() for above in (folder, *folder.parents))


_NEW, _NOT_CHECKED_OUT = "?", "S"
"""How git marks what it does not track, and what it tracks that is left out of a checkout in part."""


class GitFolder(NamedTuple):
    """What git says of a folder: paths below it, sorted; those of folders with nothing in them end in `/`.

    `files`: what it tracks or does not ignore, submodules included. `missing`: submodules that were never fetched,
    which are empty folders. `sparse`: tracked files that are not there, as the repository is checked out in part.
    """

    files: tuple[str, ...]
    missing: tuple[str, ...]
    sparse: tuple[str, ...]


def git_folder(folder: Path) -> GitFolder | None:
    """What git says of the folder; None without git or a repository.

    Raises:
        FlatfieldError: git refuses; the message is git's own, which names the fix.
    """
    listed = _git(folder, "-t", "-co")
    if listed is None:
        return None
    files: set[str] = set()
    missing: set[str] = set()
    sparse: set[str] = set()
    for line in listed:
        tag, _, path = line.partition(" ")
        name = path.rstrip("/")
        inner = folder / name
        if inner.is_symlink() or not inner.is_dir():
            files.add(name)
            if tag == _NOT_CHECKED_OUT and not os.path.lexists(inner):
                sparse.add(name)
            continue
        if tag != _NEW and not any(inner.iterdir()):
            missing.add(name)
        if (inner / ".git").exists():  # a submodule, or a repository of its own
            below = git_folder(inner)
            files.update(f"{name}/{path}" for path in (below.files if below else ()))
        else:  # a submodule that was never fetched
            files.add(f"{name}/")
    for path in _git(folder, "-o", "--directory") or ():
        if path.endswith("/") and not (folder / path / ".git").exists():
            files.update(_empty_folders(folder, path.rstrip("/")))
    return GitFolder(*(tuple(sorted(each)) for each in (files, missing, sparse)))


def _empty_folders(folder: Path, path: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder / path):
        if not folders and not names:
            yield f"{os.path.relpath(at, folder)}/"


def git_ignored(folder: Path) -> tuple[str, ...]:
    """What git ignores, whole folders as one name ending in `/`."""
    return _git(folder, "-oi", "--directory") or ()


def all_files(folder: Path, skip: Callable[[str], bool]) -> Iterator[str]:
    """Everything below the folder, links not followed; empty folders end in `/`. What `skip` names is not entered.

    Raises:
        OSError: a folder in it cannot be read.
    """
    for at, folders, names in os.walk(folder, onerror=_unread):
        inside = os.path.relpath(at, folder)
        prefix = "" if inside == "." else f"{inside}/"
        links = [name for name in folders if (folder / prefix / name).is_symlink()]
        skipped = [name for name in folders if name not in links and skip(prefix + name)]
        folders[:] = sorted(set(folders).difference(links, skipped))
        yield from (prefix + name for name in sorted([*names, *links, *skipped]))
        if prefix and not (folders or names or links or skipped):
            yield prefix


def _unread(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # gone meanwhile
        raise error


def _git(folder: Path, *options: str) -> tuple[str, ...] | None:
    try:
        done = run_git(folder, "ls-files", *options, "--exclude-standard", "-z")
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise FlatfieldError(f"git took more than {GIT_SECONDS} s to list {folder}; name a smaller folder") from None
    if done.returncode != 0:
        said = said_by(done)
        if "not a git repository" in said:  # something else is called .git
            return None
        raise FlatfieldError(f"git cannot list {folder} ({said}); do what git says, or give the LOP a `workspace:`")
    return tuple(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)


# Tells which files would give a plain LOP's answers away, so that no workspace gets them.


FOLDERS = frozenset({".git", ".venv", "node_modules", ".flatfield"})
PEEK_BYTES = 1024**2
SUSPECTS = (".md", ".json", ".html", ".csv", ".toml")
"""Only files with these endings are looked at; all others are copied unread."""

_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_VARIABLES = re.compile(r"^##[ \t]+Variables[ \t]*$(?:(?!^##[ \t]).)*?^[ \t]*PROMPT[ \t]*:", re.MULTILINE | re.DOTALL)
_ROSTER = re.compile(r"\A---[ \t]*\n(?:(?!^---).*\n)*?agents[ \t]*:", re.MULTILINE)
_RANKING = re.compile(r"^#+[ \t]+.*Final Ranking", re.MULTILINE | re.IGNORECASE)
_GRADING = re.compile(r"^#+[ \t]+.*Grading Criteria", re.MULTILINE | re.IGNORECASE)
_EVALUATES = re.compile(r"@agent-|\bevaluat|\bgrad(e|ing)|\brank(s|ed|ing)?\b|\brepeats\b", re.IGNORECASE)
_JSON_REPORT = re.compile(r'\A\s*\{\s*"run"\s*:')


def named_out(path: str) -> str | None:
    """The part of a relative path that is never copied (`.git`, `.env*`, `.venv`, …), None when there is none."""
    parts = path.split("/")
    for at, part in enumerate(parts):
        if part in FOLDERS or part.startswith(".env"):
            return "/".join(parts[: at + 1])
    return None


def kind_of_answer(path: str, text: Callable[[], str]) -> str | None:
    """What makes this file one that holds answers; None for all others.

    `text` is called, for the file's beginning, only when the name alone does not tell.
    """
    name = posixpath.basename(path).lower()
    if name == "flatfield.toml" or "/.claude/agents/" in f"/{path}":
        return "agent file"
    if not name.endswith(SUSPECTS) or name.endswith(".toml"):
        return None
    content = text().replace("\r\n", "\n")
    if name.endswith(".md"):
        return _markdown(path, name, content)
    if name.endswith(".json"):
        return "report" if _JSON_REPORT.match(content) and '"active_seconds"' in content else None
    if name.endswith(".csv"):
        first, _, _ = content.partition("\n")
        return "report" if {"agent", "task", "repeat", "active_seconds"} <= set(first.strip().split(",")) else None
    return "report" if "Final Ranking" in content and "Grading Criteria" in content else None


def _markdown(path: str, name: str, content: str) -> str | None:
    prose = _FENCE.sub("", content)  # an example in a manual is no task
    if _VARIABLES.search(prose):
        return "LOP"
    if "/agents/" in f"/{path}" and "prompt_nano_agent" in content:
        return "agent file"
    if name.startswith("readme"):  # explains HOPs and reports, is none
        return None
    if _ROSTER.match(content) or _takes_lops(path, content, prose):
        return "HOP"
    return "report" if _RANKING.search(prose) and _GRADING.search(prose) else None


def _takes_lops(path: str, content: str, prose: str) -> bool:
    """Whether a file takes LOPs as its arguments; many a manual speaks of `$ARGUMENTS` too, and is about no grades."""
    if "/.claude/commands/" in f"/{path}":
        return "$ARGUMENTS" in content
    return "$ARGUMENTS" in _INLINE_CODE.sub("", prose) and _EVALUATES.search(prose) is not None


def own_answers(task: Task) -> frozenset[Path]:
    """What the task itself must not give to its agent, should its folder be copied: the LOP, checks, hidden tests."""
    if not task.path:
        return frozenset()
    lop = Path(task.path).resolve()
    found = {lop}
    for spec in task.verifiers:
        named = (spec.options.get(option) for option in plugins.verifier_traits(spec.kind).hidden_options)
        found.update((lop.parent / text.split("::")[0]).resolve() for text in named if isinstance(text, str))
    return frozenset(found)


# Copies a task's files into a fresh folder: planned once for a task, done once for each trial.


ENOUGH = 10  # times the limit: listed so far to find the largest folder, and no further
NAMED_IN_NOTE = 8
ALL_IGNORED = "./"
"""What git says where it ignores the very folder that it is asked about."""
SHOWN_CHARACTERS = 200
MOST_PATH_BYTES = os.pathconf("/", "PC_PATH_MAX") - 256
"""The system's own limit, less what the folder of a trial may take."""
CHUNK_BYTES = 8 * 1024**2
NOT_HERE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


class CopyPlan(Struct, frozen=True, kw_only=True):
    """What a fresh workspace will hold: names relative to `source`, folders before what is in them.

    `digests`: the SHA-256 in hex of inline files, which is the same for each trial; of those that are not in it, each
    workspace's own is worked out.
    """

    source: str = ""
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    inline: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plan_copy(
    task: Task,
    source_folder: Path,
    *,
    exclude: Sequence[Path] = (),
    limit_bytes: int = LIMIT_BYTES,
    limit_files: int = LIMIT_FILES,
) -> CopyPlan:
    """What one task's workspaces hold: its `workspace`, its inline files, or, when plain, a copy of `source_folder`.

    `exclude`: folders that hold other trials' workspaces. May run git and reads many files: once a task, in a thread.

    Raises:
        NotFound: the task's folder is not there.
        FlatfieldError: it is over a limit (the message names the largest folder), or something in it cannot be read.
    """
    plain = task.plain and task.workspace is None
    if not plain and task.workspace is None:
        return CopyPlan(inline=task.files, digests=_digests(task.files))
    source = (source_folder if plain else Path(task.workspace or "")).resolve()
    if plain and is_broad(source):
        raise FlatfieldError(
            f"the workspace of {task.id} would be a copy of {source}, which holds everything: go to a project, "
            "or give the LOP a `workspace:` or `files:`"
        )
    if not source.is_dir():
        raise NotFound(f"the workspace {source} of task {task.id} is not a folder; correct `workspace:` in {task.path}")
    sorting = _Sorting(source, own_answers(task) | {path.resolve() for path in exclude}, plain=plain)
    try:
        _sort(sorting, limit_files * ENOUGH)
    except OSError as error:
        raise FlatfieldError(_uncopied(str(error.filename or source), error, plain=plain)) from error
    if sorting.bytes > limit_bytes or len(sorting.sizes) > limit_files:
        raise sorting.too_large(limit_bytes, limit_files)
    return CopyPlan(
        source=str(source),
        folders=sorting.folders(),
        files=tuple(sorting.sizes),
        links=sorting.links,
        inline=task.files,
        digests=_digests(task.files),
        notes=sorting.notes(),
    )


def _digests(inline: Mapping[str, str]) -> dict[str, str]:
    """By the paths that a listing has; of two texts for one path, the last one stays."""
    return {
        posixpath.normpath(path): hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        for path, text in inline.items()
    }


def _sort(sorting: _Sorting, most_files: int) -> None:
    """Take in what git has in the source, or all of it; not much more than so many files.

    Raises:
        OSError: something cannot be read.
    """
    source = sorting.source
    git = git_folder(source) if sorting.plain and in_git(source) else None
    ignored = git_ignored(source) if git is not None else ()
    if ALL_IGNORED in ignored:  # git keeps nothing of it, so git has no say in it
        git = None
    if git is not None:
        sorting.left["ignored by git"] = list(ignored)
        sorting.left["submodules that were never fetched (git submodule update --init)"] = list(git.missing)
        sorting.left["not in this sparse checkout (git sparse-checkout disable)"] = list(git.sparse)
    for path in git.files if git is not None else all_files(source, sorting.skips):
        sorting.add(path)
        if len(sorting.sizes) > most_files:
            break


def copy(plan: CopyPlan, parent: Path) -> Path:
    """A new folder under `parent`, with a random name and open to other users (0755), that holds what was planned.

    Raises:
        FlatfieldError: something cannot be read or written, or is no longer there; nothing is left behind.
    """
    root = parent / secrets.token_hex(8)
    try:
        root.mkdir(parents=True)
        root.chmod(0o755)  # whatever the umask is
        for folder in plan.folders:
            (root / folder).mkdir()
        for path in plan.files:
            _copy_file(f"{plan.source}/{path}", f"{root}/{path}")
        for path, target in plan.links.items():
            (root / path).symlink_to(target)
        if plan.inline:
            with ConfinedFiles(root) as files:
                for path, text in plan.inline.items():
                    files.write_new(path, text.encode())
    except OSError as error:
        discard(root)
        at = _shortened(str(error.filename or root))
        raise FlatfieldError(
            f"cannot make a workspace in {parent}: {at}: {error.strerror}; free it and retry"
        ) from error
    except BaseException:
        discard(root)
        raise
    return root


def _copy_file(source: str, target: str) -> None:
    """One regular file with its mode and time of change; inside the kernel where it can."""
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(reading)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.ESTALE, "is no longer a file", source)
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _copy_bytes(reading, writing, info.st_size)
            os.fchmod(writing, stat.S_IMODE(info.st_mode) & 0o777)
            os.utime(writing, ns=(info.st_atime_ns, info.st_mtime_ns))
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_bytes(reading: int, writing: int, size: int) -> None:
    """The bytes that are there; holes stay holes, for each trial has a copy of its own."""
    at = 0
    while at < size:
        begins, ends = _next_data(reading, at, size)
        os.lseek(reading, begins, os.SEEK_SET)
        os.lseek(writing, begins, os.SEEK_SET)
        _copy_part(reading, writing, ends - begins)
        at = ends
    os.ftruncate(writing, size)


def _next_data(reading: int, at: int, size: int) -> tuple[int, int]:
    """From where to where bytes are, at `at` or behind it; all the rest where the file system cannot tell."""
    try:
        begins = os.lseek(reading, at, os.SEEK_DATA)
        return begins, min(os.lseek(reading, begins, os.SEEK_HOLE), size)
    except (OSError, AttributeError) as error:
        only_a_hole_is_left = isinstance(error, OSError) and error.errno == errno.ENXIO
        return (size, size) if only_a_hole_is_left else (at, size)


def _copy_part(reading: int, writing: int, left: int) -> None:
    in_kernel = getattr(os, "copy_file_range", None)
    try:
        while in_kernel and left and (copied := in_kernel(reading, writing, min(left, CHUNK_BYTES))):
            left -= copied
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
    while left and (chunk := os.read(reading, min(left, CHUNK_BYTES))):  # nothing is left when the kernel did it all
        left -= len(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(writing, rest) :]


class _Sorting:
    """Sorts a listing into what is copied and, by reason, what is left out."""

    def __init__(self, source: Path, never: frozenset[Path], *, plain: bool) -> None:
        self.source = source
        self.plain = plain
        self.sizes: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.left: dict[str, list[str]] = {}
        self.pointers: list[str] = []
        self.bytes = 0
        self._empty: list[str] = []
        inside = [path for path in never if path != source and path.is_relative_to(source)]
        self._never = frozenset(path.relative_to(source).as_posix() for path in inside)

    def skips(self, path: str) -> bool:
        """Whether a folder is left out with all that is in it."""
        return path in self._never or (self.plain and named_out(path) is not None)

    def add(self, path: str) -> None:
        """Take in one path of the listing; one that is gone meanwhile is no part of it."""
        reason = self._by_name(path)
        if reason:
            return
        full = self.source / path
        if len(os.fsencode(full)) > MOST_PATH_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(full))
        try:
            info = full.lstat()
        except FileNotFoundError:  # tracked by git, but deleted
            return
        if stat.S_ISLNK(info.st_mode):
            self._add_link(path, str(full.readlink()))
        elif stat.S_ISDIR(info.st_mode):
            self._empty.append(path.rstrip("/"))
        elif not stat.S_ISREG(info.st_mode):
            self._leave("neither files nor folders", path)
        elif self.plain and (kind := kind_of_answer(path, lambda: _beginning(full))):
            self._leave(f"may hold answers ({kind}s)", path)
        elif not os.access(full, os.R_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(full))
        else:
            self.sizes[path] = info.st_size
            self.bytes += info.st_size
            if info.st_size < POINTER_BYTES and _beginning(full).encode().startswith(POINTER_BEGINS):
                self.pointers.append(path)

    def _by_name(self, path: str) -> bool:
        out = named_out(path) if self.plain else None
        if out is not None:
            self._leave("never copied", out)
            return True
        parts = path.rstrip("/").split("/")
        own = next((whole for at in range(len(parts)) if (whole := "/".join(parts[: at + 1])) in self._never), None)
        if own is not None:
            # A plain LOP lies among the others: said in one breath with them, it is said alike for every task.
            kind = kind_of_answer(own, lambda: _beginning(self.source / own)) if self.plain else None
            self._leave(f"may hold answers ({kind}s)" if kind else "the task's own files", own)
        return own is not None

    def _add_link(self, path: str, target: str) -> None:
        textual = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        inside = textual != ".." and not textual.startswith(("/", "../"))
        try:
            stays = inside and (self.source / path).resolve().is_relative_to(self.source)
        except (OSError, RuntimeError):  # the latter is what Python before 3.13 says of a loop
            self._leave("links that lead in a circle", path)
            return
        if stays:
            self.links[path] = target
        else:
            self._leave("links that lead outside", path)

    def _leave(self, reason: str, path: str) -> None:
        names = self.left.setdefault(reason, [])
        if path not in names[-1:]:
            names.append(path)

    def folders(self) -> tuple[str, ...]:
        """All folders that the copy needs, parents first."""
        found = {*self._empty}
        for path in (*self.sizes, *self.links, *self._empty):
            above = posixpath.dirname(path)
            while above and above not in found:
                found.add(above)
                above = posixpath.dirname(above)
        return tuple(sorted(found))

    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason."""
        left = (f"left out of the workspace, {reason}: {_some(paths)}" for reason, paths in self.left.items() if paths)
        absent = "in the workspace, pointers of Git LFS in place of files (git lfs pull)"
        return (*left, *([f"{absent}: {_some(self.pointers)}"] if self.pointers else []))

    def too_large(self, limit_bytes: int, limit_files: int) -> FlatfieldError:
        """The error that refuses a workspace of more; it names the deepest folder with over half, else the largest."""
        by_size = self.bytes > limit_bytes
        totals: Counter[str] = Counter()
        for path, size in self.sizes.items():
            above = posixpath.dirname(path)
            while above:
                totals[above] += size if by_size else 1
                above = posixpath.dirname(above)
        whole = self.bytes if by_size else len(self.sizes)
        heavy = [name for name, total in totals.items() if total * 2 > whole]
        top = [name for name in totals if "/" not in name]
        largest = (
            max(heavy, key=lambda name: name.count("/")) if heavy else max(top, key=lambda n: totals[n], default=".")
        )
        limit = f"{limit_bytes / 1e6:,.0f} MB" if by_size else f"{limit_files:,} files"
        return FlatfieldError(
            f"{self.source} is too large for a workspace: more than {limit}; its largest folder is {largest}: "
            "let git ignore it, or give the LOP a `workspace:` of its own"
        )


def _uncopied(path: str, error: OSError, *, plain: bool) -> str:
    """What to say of something that no workspace can hold, once and before any trial begins."""
    out = "let git ignore it, or give the LOP a `workspace:` of its own" if plain else "move it out of the workspace"
    fix = out if error.errno == errno.ENAMETOOLONG else f"make it readable{', ' if plain else ', or '}{out}"
    return f"the workspace cannot be copied: {_shortened(path)}: {error.strerror}; {fix}"


def _shortened(path: str) -> str:
    """A path that can be read: of a very long one its beginning and its end."""
    shown, half = os.fsencode(path).decode(errors="replace"), SHOWN_CHARACTERS // 2
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:half]}…{shown[-half:]}"


def _some(paths: Iterable[str]) -> str:
    names = [os.fsencode(path).decode(errors="replace") for path in paths]
    more = f" and {len(names) - NAMED_IN_NOTE:,} more" if len(names) > NAMED_IN_NOTE else ""
    return ", ".join(names[:NAMED_IN_NOTE]) + more


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(PEEK_BYTES).decode(errors="replace")
    except OSError:  # the copy will say so
        return ""
