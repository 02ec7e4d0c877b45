"""Reads a git repository's objects: no working tree, and no program that its configuration names is ever run."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.children.starting import with_mark
from flatfield.errors import FlatfieldError, NotFound, NotReady

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import IO

# Runs git, in any repository, without what could harm.


GIT_SECONDS = 120
KEPT_VARIABLES = re.compile(
    r"PATH|HOME|XDG_CONFIG_HOME|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|PARAMETERS|COUNT|(KEY|VALUE)_\d+)"
)
"""Where git is, and this user's own settings: what is ignored everywhere, which folders of others are safe; also those
of `git -c`, which git hands to its hooks and aliases so, and puts before those of our own `-c`, which win. What says
where a repository is, as git's hooks are told, is not kept: it is another one."""
HARMLESS = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit"),
    *("-c", "protocol.allow=never", "-c", "core.pager=cat", "--no-pager", "--no-replace-objects"),
)
CLOSED = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
}
"""The repository's own configuration is read, and may be anybody's: no program that it names is to run. A repository
with a promisor remote fetches what is missing by a program of its choice, even while it lists files: no protocol is
allowed, whatever it says. A bare repository among the files of another is none."""


def run_git(
    folder: Path, *words: str, asked: IO[bytes] | None = None, into: IO[bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder; `asked` is its input, and `into` takes its output where that is too much for the memory.

    Raises:
        FileNotFoundError: git is not installed.
        subprocess.TimeoutExpired: it took more than GIT_SECONDS.
    """
    kept = {name: value for name, value in os.environ.items() if KEPT_VARIABLES.fullmatch(name)}
    return subprocess.run(
        ("git", *HARMLESS, *words),
        cwd=folder,
        env=with_mark({**kept, **CLOSED}),
        stdin=asked or subprocess.DEVNULL,
        stdout=into or subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=GIT_SECONDS,
        check=False,
    )


def said_by(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git said against it, in one line."""
    return " ".join(done.stderr.decode(errors="replace").split())


# A commit and the files of its tree.


FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
"""What a tree says an entry is; old versions of git also wrote 100664, which is a FILE."""
POINTER_BYTES = 1024
POINTER_BEGINS = b"version https://git-lfs.github.com/spec/v1\n"
"""How each pointer begins that Git LFS keeps in place of a file; all of them are shorter than POINTER_BYTES."""
_FORBIDDEN = frozenset({"", ".", "..", ".git"})
_ENCODING = re.compile(rb"^encoding (.+)$", re.MULTILINE)


class Blob(Struct, frozen=True, kw_only=True):
    """One entry of a tree: its path, what it is (FILE, PROGRAM, LINK or SUBMODULE), its object and its size."""

    path: str
    mode: str
    sha: str
    size_bytes: int = 0


class Commit(Struct, frozen=True, kw_only=True):
    """A commit: its parents, and its message as it was written."""

    sha: str
    parents: tuple[str, ...]
    message: str


class GitRepository:
    """The objects of one repository; `folder` lies in it, or is a bare one.

    Raises:
        NotReady: by every method: git is not installed, or took too long.
        NotFound: by every method: the folder is in no repository.
        FlatfieldError: by every method: git refuses; the message is its own.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder}; name the repository's with --repo DIR")
        self.folder = folder.resolve()
        self._here = (f"--git-dir={self.folder}",) if _is_bare(self.folder) else ()

    def top(self) -> Path:
        """The working tree's folder; of a bare repository, its own."""
        return (
            self.folder if self._here else Path(os.fsdecode(self._said("rev-parse", "--show-toplevel").rstrip(b"\n")))
        )

    def commit(self, name: str) -> Commit:
        """The commit of a name: a hash or the beginning of one, a branch, a tag, `HEAD~3`.

        It is read as it is stored: what a repository's configuration puts in its place has no say.

        Raises:
            NotFound: there is none of that name, or of several beginnings it could be any.
        """
        self._said("rev-parse", "--git-dir")  # whether it is a repository at all is another question
        done = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if done.returncode != 0:
            fix = "git log --oneline lists them"
            if "ambiguous" in said_by(done):
                fix = "it is the beginning of several: write more of it"
            raise NotFound(f"there is no commit {name!r} in {self.folder}; {fix}")
        sha = done.stdout.decode().strip()
        return _parsed(sha, self._said("cat-file", "commit", sha))

    def has(self, sha: str) -> bool:
        """Whether an object is here: a shallow clone lacks a commit's parents."""
        return self._git("cat-file", "-e", sha).returncode == 0

    def tree(self, commit: str) -> dict[str, Blob]:
        """All that a commit's tree holds, by path; a path that no working tree can hold is left out."""
        listed = self._said("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        blobs = (_entry(line) for line in listed.split(b"\0") if line)
        found = {blob.path: blob for blob in blobs if not _FORBIDDEN.intersection(blob.path.lower().split("/"))}
        for path in found:
            above = posixpath.dirname(path)
            while above and above not in found:
                above = posixpath.dirname(above)
            if above:
                raise FlatfieldError(
                    f"{above} is a folder and none in the tree of {commit}: no git made that; leave it"
                )
        return found

    def contents(self, blobs: Iterable[Blob]) -> Iterator[tuple[Blob, bytes]]:
        """Each blob with its bytes as they are stored: no filter has changed them, and no line end.

        Raises:
            NotReady: one is not here; the repository was cloned in part.
        """
        wanted = list(blobs)
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as answers:
            asked.write(b"".join(f"{blob.sha}\n".encode() for blob in wanted))
            asked.seek(0)
            done = self._git("cat-file", "--batch", asked=asked, into=answers)
            if done.returncode != 0:
                raise FlatfieldError(f"git cannot read {self.folder} ({said_by(done)}); do what git says")
            answers.seek(0)
            for blob in wanted:
                head = answers.readline().split()
                if len(head) != 3:  # "SHA missing"
                    raise NotReady(
                        f"{blob.path} is not in {self.folder}, which was cloned in part; git fetch --refetch "
                        "--filter=blob:limit=1g brings all"
                    )
                yield blob, answers.read(int(head[2]))
                answers.read(1)  # the line's end

    def _said(self, *words: str) -> bytes:
        done = self._git(*words)
        if done.returncode == 0:
            return done.stdout
        said = said_by(done)
        if "not a git repository" in said:
            raise NotFound(f"{self.folder} is in no git repository; name one with --repo DIR")
        raise FlatfieldError(f"git cannot read {self.folder} ({said}); do what git says")

    def _git(
        self, *words: str, asked: IO[bytes] | None = None, into: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return run_git(self.folder, *self._here, *words, asked=asked, into=into)
        except FileNotFoundError:
            raise NotReady("git is not installed, which reads the commit; install it") from None
        except subprocess.TimeoutExpired:
            raise NotReady(f"git took more than {GIT_SECONDS} s to read {self.folder}; try again") from None


def _is_bare(folder: Path) -> bool:
    """Whether a folder that was named is itself a repository; git finds no bare one unasked, for its settings' sake."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _parsed(sha: str, stored: bytes) -> Commit:
    head, _, message = stored.partition(b"\n\n")
    encoding = _ENCODING.search(head)
    try:
        text = message.decode(encoding[1].decode() if encoding else "utf-8", "replace")
    except LookupError:  # an encoding that nobody knows
        text = message.decode(errors="replace")
    parents = tuple(line[7:].decode() for line in head.splitlines() if line.startswith(b"parent "))
    return Commit(sha=sha, parents=parents, message=text)


def _entry(line: bytes) -> Blob:
    about, _, path = line.partition(b"\t")
    mode, _, sha, size = about.split()
    return Blob(
        path=os.fsdecode(path), mode=mode.decode(), sha=sha.decode(), size_bytes=int(size) if size != b"-" else 0
    )


def changed_paths(before: Mapping[str, Blob], after: Mapping[str, Blob]) -> tuple[str, ...]:
    """The paths whose content or kind differs between two trees, sorted."""
    return tuple(sorted(path for path in before.keys() | after.keys() if _state(before, path) != _state(after, path)))


def _state(tree: Mapping[str, Blob], path: str) -> tuple[str, str] | None:
    blob = tree.get(path)
    return (blob.mode, blob.sha) if blob else None


def write_blobs(repository: GitRepository, blobs: Iterable[Blob], folder: Path) -> None:
    """Write blobs below a new folder: files first, with their modes, then links, so that nothing goes through one.

    A submodule becomes an empty folder.

    Raises:
        FlatfieldError: the tree names a path twice, or the disk does not take it.
    """
    wanted = list(blobs)
    try:
        for blob, data in repository.contents(blob for blob in wanted if blob.mode in {FILE, PROGRAM}):
            place = folder / blob.path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as stream:
                stream.write(data)
            place.chmod(0o755 if blob.mode == PROGRAM else 0o644)
        for blob in wanted:
            if blob.mode == SUBMODULE:
                (folder / blob.path).mkdir(parents=True, exist_ok=True)
        for blob, target in repository.contents(blob for blob in wanted if blob.mode == LINK):
            (folder / blob.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / blob.path).symlink_to(os.fsdecode(target))
    except OSError as error:
        raise FlatfieldError(
            f"{error.filename or folder} cannot be written: {error.strerror}; make room, or choose another --out"
        ) from error
