"""The one door to a workspace's files: no path, link or race leads out of it."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from msgspec import Struct

from flatfield.agent.files.changed import TEXT_LIMIT_BYTES, State, files_at, state_in, state_of
from flatfield.agent.files.guarding import Way, refusal
from flatfield.agent.files.openat import LOOK, best_opener, create, open_by_walking, remove_tree, replace, special
from flatfield.agent.files.protected import secret
from flatfield.agent.files.searching import find
from flatfield.errors import OutsideWorkspace, ToolError
from flatfield.tasks.access import is_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from flatfield.agent.files.changed import Changed
    from flatfield.agent.files.guarding import Protection, Use
    from flatfield.agent.files.openat import Opener
    from flatfield.agent.files.stamping import Looks

Kind = Literal["file", "folder", "link", "other"]
KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
READ_LIMIT_BYTES = 64 * 1024**2
UNREADABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
DEPTH_LIMIT = 100  # folders in a path: a thousand of them would keep the machine busy for seconds
PATH_LIMIT_BYTES = 4095  # the kernel's own limit, which a walk would not meet


class Entry(Struct, frozen=True, kw_only=True):
    """What stands at a path. `path` is relative to the root, with `/`; `modified` in Unix seconds.

    `target` is a link's text. Equal `stamp`s mean an untouched file, if it was last changed a while ago.
    """

    path: str
    kind: Kind
    size_bytes: int = 0
    modified: float = 0.0
    target: str = ""
    stamp: tuple[int, ...] = ()


class Content(Struct, frozen=True, kw_only=True):
    """What was read of a file, and how large it is as a whole."""

    data: bytes
    size_bytes: int


class ConfinedFiles:
    """Reads and writes below `root`, whoever else renames and links there meanwhile.

    A path is relative to the root, or absolute inside it (as `root` is written, as it resolves, or under one of
    `names`: what else a model may have seen it called). `..` is resolved in the text, before any link is; a path
    that then starts outside is refused. Links are followed as long as they stay inside and are relative; nothing is
    written through a link. New files and folders belong to user `owner` when it is given (the host must be root).
    With `protection` (a user's own folder) what is protected is not written, nor read where it is sealed; its names
    and sizes are shown. `changed` collects what is written and removed here.

    All methods raise OutsideWorkspace for a path that leads out, ProtectedPath for one that is protected, ToolError for
    one that cannot be a file's (NUL, a device, a FIFO, a link to write on), and the OSError of the system for the rest.
    """

    def __init__(
        self,
        root: Path,
        *,
        names: Sequence[str] = (),
        owner: int | None = None,
        opener: Opener | None = None,
        protection: Protection | None = None,
        changed: Changed | None = None,
    ) -> None:
        self.root = root
        self.protection = protection
        self.changed = changed
        self._owner = owner
        self._opener = opener or best_opener()
        known = dict.fromkeys((str(root.absolute()), str(root.resolve()), *names))
        self._names = tuple(name.rstrip("/") for name in known)
        self._folder = os.open(root, LOOK | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the root; every later call fails. May be called twice."""
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    def is_in_place(self) -> bool:
        """Whether the root is still the folder that was opened, and no link is there."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.path.samestat(self.root.lstat(), os.fstat(self._folder))
        return False

    def relative(self, path: str | os.PathLike[str]) -> str:
        """The path as it is meant inside: relative, without `.` and `..`; the root is `"."`."""
        text = os.fspath(path)
        if "\0" in text:
            raise ToolError("a path cannot hold a NUL character; leave it out")
        try:
            size = len(os.fsencode(text))
        except UnicodeEncodeError:
            raise ToolError(f"{text[:80]!a} is not valid Unicode; write the path in plain characters") from None
        if size > PATH_LIMIT_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), text[:80] + "…")
        inside = self._without_root(text) if text.startswith("/") else posixpath.normpath(text)
        if inside.count("/") > DEPTH_LIMIT:
            raise ToolError(f"the path goes more than {DEPTH_LIMIT} folders deep; choose a shorter one")
        if inside == ".." or inside.startswith("../"):
            raise _outside(text)
        return inside

    def _without_root(self, text: str) -> str:
        whole = posixpath.normpath("/" + text.lstrip("/"))
        for name in self._names:
            if whole == (name or "/"):
                return "."
            if whole.startswith(name + "/"):
                return whole[len(name) + 1 :]
        raise _outside(text)

    def open_file(self, path: str | os.PathLike[str]) -> int:
        """A descriptor of a regular file, for reading; the caller closes it."""
        return self._opened(path)[0]

    def _opened(self, path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
        name = self.relative(path)
        self._check(name, "read")
        descriptor, way = self._open_as(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, "read")
        info = os.fstat(descriptor)
        if stat.S_ISREG(info.st_mode):
            self._check_read(way, descriptor)
            return descriptor, info
        os.close(descriptor)
        if stat.S_ISDIR(info.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise special(name)

    def read(self, path: str | os.PathLike[str], *, limit_bytes: int) -> Content:
        """The first `limit_bytes` of a regular file, and its whole size."""
        descriptor, info = self._opened(path)
        try:
            size = info.st_size
            wanted = min(limit_bytes, size)
            data = os.read(descriptor, wanted)
            while len(data) < wanted and (more := os.read(descriptor, wanted - len(data))):
                data += more
        finally:
            os.close(descriptor)
        return Content(data=data, size_bytes=size)

    def read_bytes(self, path: str | os.PathLike[str], *, limit_bytes: int = READ_LIMIT_BYTES) -> bytes:
        """A regular file, whole.

        Raises:
            ToolError: it is larger than `limit_bytes`; nothing is ever cut silently.
        """
        content = self.read(path, limit_bytes=limit_bytes)
        if content.size_bytes > limit_bytes:
            name, size = self.relative(path), content.size_bytes
            raise ToolError(f"{name} has {size:,} bytes, more than the {limit_bytes:,} that can be read")
        return content.data

    def write_bytes(self, path: str | os.PathLike[str], data: bytes) -> None:
        """Write a file in one step, with the mode of the one that it replaces; missing folders are made.

        Raises:
            IsADirectoryError: a folder is there.
            PermissionError: the file is read-only (no write bit), whoever the host's user is.
            ToolError: a link, a device or a FIFO is there.
        """
        where = self.relative(path)
        parent, _, name = where.rpartition("/")
        if where == ".":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), where)
        self._check(where, "write")
        folder, way = self._make_folder(parent)
        try:
            self._check_new(way, name, folder)
            before = state_in(folder, name) if self.changed else None
            if self.changed:
                self.changed.witness.writes(where, data)
            replace(folder, name, data, owner=self._owner, where=where)
            if self.changed:
                path = _real(way, parent, name)
                self.changed.note(path, before, state_of(data, shown=self._may_show(path, data)))
        finally:
            os.close(folder)

    def write_new(self, path: str | os.PathLike[str], data: bytes) -> None:
        """The same where nobody else works yet, who could see half a file: with less than half of the system calls."""
        where = self.relative(path)
        parent, _, name = where.rpartition("/")
        folder = self._make_folder(parent)[0] if parent else self._folder
        try:
            create(folder, name, data, owner=self._owner)
        except (FileExistsError, IsADirectoryError):
            self.write_bytes(path, data)
        finally:
            if parent:
                os.close(folder)

    def remove(self, path: str | os.PathLike[str]) -> None:
        """Delete a file, a link (not its target), or a folder with all that is in it.

        Raises:
            FileNotFoundError: nothing is there.
        """
        where = self.relative(path)
        if where == ".":
            raise ToolError("the workspace itself cannot be deleted")
        parent, _, name = where.rpartition("/")
        self._check(where, "write")
        folder, way = self._open_as(parent or ".", LOOK | os.O_DIRECTORY, "write")
        try:
            self._check_new(way, name, folder)
            gone = tuple(files_at(folder, name)) if self.changed else ()
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                self._check_below(way, name)
                remove_tree(folder, name)
            else:
                os.unlink(name, dir_fd=folder)
            if self.changed:
                for below, before in gone:
                    self.changed.note(_real(way, parent, below), before, None)
        finally:
            os.close(folder)

    def settle_unseen(self, looks: Looks, mark: str, since: int) -> None:
        """Note what changed between two looks, and let the witness settle the mark.

        `since` is the moment (`Changed.moment`) of the first look: what others wrote with calls of their own is theirs.

        Where the second look is missing nothing is known: the mark stays, and the folder asks until its user looked
        at it.
        """
        if self.changed is None or not looks.complete:
            return
        there = [
            path for path, was_there in looks.changed() if self.note_unseen(path, was_there=was_there, since=since)
        ]
        self.changed.witness.settle(mark, [path for path in there if is_code(Path(path), self._head(path))])

    def _head(self, path: str) -> bytes:
        try:
            return self.read(path, limit_bytes=2).data
        except (OSError, ToolError):
            return b""

    def note_unseen(self, path: str, *, was_there: bool, since: int) -> bool:
        """Note what something else than these methods made of a file on an agent's behalf; whether it is there now.

        `since`: the moment (`Changed.moment`) from which on it may have.
        """
        after = None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            info = os.stat(path, dir_fd=self._folder, follow_symlinks=False)
            after = State(size_bytes=info.st_size)
            if stat.S_ISREG(info.st_mode) and info.st_size <= TEXT_LIMIT_BYTES:
                with contextlib.suppress(OSError, ToolError):  # it may not be read, or was swapped meanwhile
                    after = state_of(self.read_bytes(path, limit_bytes=TEXT_LIMIT_BYTES), shown=True)
        if self.changed:
            self.changed.note_unseen(path, State() if was_there else None, after, since)
        return after is not None

    def stat(self, path: str | os.PathLike[str]) -> Entry:
        """What is at the path, links followed."""
        name = self.relative(path)
        descriptor = self._open(name, LOOK)
        try:
            return _entry(name, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def exists(self, path: str | os.PathLike[str]) -> bool:
        """Whether this door leads to something at the path: False for links that lead out or nowhere."""
        name = self.relative(path)
        try:
            os.close(self._open(name, LOOK))
        except (FileNotFoundError, NotADirectoryError, ToolError):
            return False
        return True

    def entries(self, path: str | os.PathLike[str] = ".") -> tuple[Entry, ...]:
        """What is in a folder, sorted by name; links are shown as links.

        Raises:
            NotADirectoryError: it is no folder.
        """
        return self._entries(self.relative(path), 0)

    def walk(self, *, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
        """All that is below the root, each folder's entries together; links are not followed.

        Names in `skip` are left out with all below them. Of a folder that cannot be read, or that lies 100 deep, one
        learns only that it is there.
        """
        pending = ["."]
        while pending:
            try:
                found = self._entries(pending.pop(), os.O_NOFOLLOW)
            except ToolError:  # swapped for a link meanwhile
                continue
            except OSError as error:
                if error.errno not in UNREADABLE:
                    raise
                continue
            shown = [entry for entry in found if posixpath.basename(entry.path) not in skip]
            yield from shown
            inner = [entry.path for entry in reversed(shown) if entry.kind == "folder"]
            pending.extend(path for path in inner if path.count("/") < DEPTH_LIMIT)

    def _entries(self, name: str, flags: int) -> tuple[Entry, ...]:
        folder = self._open(name, os.O_RDONLY | os.O_DIRECTORY | flags)
        found = []
        try:
            with os.scandir(folder) as items:
                for item in items:
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        info = item.stat(follow_symlinks=False)
                        target = os.readlink(item.name, dir_fd=folder) if stat.S_ISLNK(info.st_mode) else ""
                        found.append(_entry(posixpath.normpath(f"{name}/{item.name}"), info, target))
        finally:
            os.close(folder)
        return tuple(sorted(found, key=lambda entry: entry.path))

    # ------------------------------------------------------------------ what is protected

    def _check(self, where: str, use: Use) -> None:
        if self.protection and where != ".":
            self.protection.check(where.split("/"), use)

    def _check_read(self, way: Way | None, descriptor: int) -> None:
        """Close an open file that may not be read, and say so."""
        if self.protection and way:
            try:
                way.check_end(way.parts)
                self.protection.check_content(way.parts, descriptor, "read")
            except ToolError:
                os.close(descriptor)
                raise

    def _check_new(self, way: Way | None, name: str, folder: int) -> None:
        if self.protection and way:
            way.check_end((*way.parts, name))
            self.protection.check_new(way.parts, name, folder)

    def _check_below(self, way: Way | None, name: str) -> None:
        if self.protection and way:
            for place in find(self.protection, start=(*way.parts, name), contents=True).places.values():
                raise refusal(place.claim, "write")

    def _may_show(self, path: str, data: bytes) -> bool:
        """Whether content that was written at a path may be kept beside its name: as it may be read."""
        if self.protection is None:
            return True
        parts = tuple(path.split("/"))
        if self.protection.claim(parts, "read"):
            return False
        return secret(parts[-1], data) is None or self.protection.is_opened(parts, parts)

    # ------------------------------------------------------------------ opening

    def _open_as(self, name: str, flags: int, use: Use) -> tuple[int, Way | None]:
        """A descriptor for a use that protection may refuse, and the way that led to it, None without protection."""
        if self.protection is None:
            return self._open(name, flags), None
        way = Way(self.protection, use)
        return self._open(name, flags, lambda folder, path, how: open_by_walking(folder, path, how, way)), way

    def _open(self, name: str, flags: int, opener: Opener | None = None) -> int:
        try:
            return (opener or self._opener)(self._folder, name, flags)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise OutsideWorkspace(
                    f"{name} goes through a link that leads out of the workspace; use a path that stays inside"
                ) from None
            if error.errno == errno.ELOOP:
                raise ToolError(f"{name} is a link that ends nowhere; use the path of a real file") from None
            if error.errno == errno.ENXIO:  # a socket, or a device without a driver
                raise special(name) from None
            raise

    def _make_folder(self, name: str) -> tuple[int, Way | None]:
        """A descriptor of the folder, made with its parents where it is missing; and the way to it."""
        with contextlib.suppress(FileNotFoundError):
            return self._open_as(name or ".", LOOK | os.O_DIRECTORY, "write")
        folder, way = self._open_as(".", LOOK | os.O_DIRECTORY, "write")
        for end in [at for at, letter in enumerate(name + "/") if letter == "/"]:
            try:
                with contextlib.suppress(FileExistsError):
                    base = posixpath.basename(name[:end])
                    if self.protection and way and not self.protection.opens_below((*way.parts, base)):
                        self._check_new(way, base, folder)
                    os.mkdir(base, dir_fd=folder)
                    if self._owner is not None:
                        os.chown(base, self._owner, -1, dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(folder)
            folder, way = self._open_as(name[:end], LOOK | os.O_DIRECTORY, "write")
        return folder, way


def _real(way: Way | None, parent: str, name: str) -> str:
    """The path that a name in a folder really has, whatever links led to the folder."""
    return "/".join((*way.parts, name)) if way else posixpath.join(parent, name)


def _outside(path: str) -> OutsideWorkspace:
    return OutsideWorkspace(
        f"{path[:200]} is outside the workspace; use a path inside it, relative to its root, such as notes.txt"
    )


def _entry(path: str, info: os.stat_result, target: str = "") -> Entry:
    kind = KINDS.get(stat.S_IFMT(info.st_mode), "other")
    return Entry(
        path=path,
        kind=kind,
        size_bytes=info.st_size if kind == "file" else 0,
        modified=info.st_mtime,
        target=target,
        stamp=(info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns),
    )
