"""Lends a workspace to the user that sandboxed commands run as, and gives everything back to its owners."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from flatfield.machine.models import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Self

    Change = Callable[[os.stat_result, int, str], None]


MAX_DEPTH = 200
"""Folders below this depth were made by a command (it owns them already); a copied workspace is never so deep."""


class Lent(Struct, frozen=True, kw_only=True):
    """What a killed process's lending is undone with: see `Lending`.

    `user`: to whom it was lent. `default`: the user and group that new files go to. `owners`: device, inode, user and
    group of each file that belonged to somebody else.
    """

    root: str
    user: int
    default: tuple[int, int]
    owners: tuple[tuple[int, int, int, int], ...]


def journal_of(root: Path, environ: Mapping[str, str]) -> Path:
    """Where the journal of a lent workspace lies: outside of all workspaces."""
    return cache_folder(environ) / "lent" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json"


def settle(root: Path, journal: Path) -> bool:
    """Give a workspace back that a killed process had lent; whether there was anything to be done."""
    try:
        info = journal.lstat()
        left = msgspec.json.decode(journal.read_bytes(), type=Lent)
    except (FileNotFoundError, msgspec.DecodeError):  # a half-written one: nothing was lent yet
        return False
    if info.st_uid != os.geteuid() or left.root != str(root):
        return False
    Lending.resumed(root, journal, left).give_back()
    return True


def _write(journal: Path, lent: Lent) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    draft = journal.with_suffix(f".{os.getpid()}")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(lent))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(journal)


class Lending:
    """A workspace whose files belong to `user` from `begun` until `give_back`; needs root.

    Files with several names (hard links) are left alone: one of the names may lie outside the workspace. So are `kept`
    paths, relative to it, with all below them. Nothing of the sandbox may run while this walks: it follows no links,
    but owners are changed by name.

    With a `journal`, a file that is there while the workspace is lent, the owners are known even when this process is
    killed: the next lending of the workspace, or `settle`, gives everything back to them.
    """

    def __init__(
        self,
        root: Path,
        user: int,
        default: tuple[int, int],
        *,
        owners: dict[tuple[int, int], tuple[int, int]],
        kept: frozenset[tuple[int, int]] = frozenset(),
        journal: Path | None = None,
    ) -> None:
        """Nothing is lent by it: see `begun` and `resumed`. New files go to `default`, a user and group, in the end."""
        self._root = root
        self._user = user
        self._default = default
        self._owners = owners
        self._kept = kept
        self._journal = journal

    @classmethod
    def begun(cls, root: Path, user: int, kept: Iterable[str] = (), journal: Path | None = None) -> Self:
        """Lend a workspace."""
        if journal is not None:
            settle(root, journal)
        top = root.stat()
        kept_files = frozenset(_identities(root, kept))
        lending = cls(root, user, (top.st_uid, top.st_gid), owners={}, kept=kept_files, journal=journal)
        lending.lend()
        return lending

    @classmethod
    def resumed(cls, root: Path, journal: Path, left: Lent) -> Self:
        """What a killed process lent, as its journal tells it."""
        owners = {(device, inode): (user, group) for device, inode, user, group in left.owners}
        return cls(root, left.user, left.default, owners=owners, journal=journal)

    def lend(self) -> None:
        """Give all of it to the user, once it is in the journal whose it was."""
        if self._journal is not None:
            self._each(self._note)
            lent = Lent(root=str(self._root), user=self._user, default=self._default, owners=self._listed())
            _write(self._journal, lent)
        self._each(self._lend)

    def _note(self, info: os.stat_result, folder: int, name: str) -> None:  # noqa: ARG002 - as the others
        self._owners[info.st_dev, info.st_ino] = (info.st_uid, info.st_gid)

    def _listed(self) -> tuple[tuple[int, int, int, int], ...]:
        """Device, inode, user and group of what does not belong to the default owner."""
        return tuple((*file, *owner) for file, owner in self._owners.items() if owner != self._default)

    def _each(self, change: Change) -> None:
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            change(os.fstat(folder), folder, ".")
            _walk(folder, change, self._kept, 1)
        finally:
            os.close(folder)

    def _lend(self, info: os.stat_result, folder: int, name: str) -> None:
        if info.st_uid != self._user:
            self._owners[info.st_dev, info.st_ino] = (info.st_uid, info.st_gid)
            os.chown(name, self._user, self._user, dir_fd=folder, follow_symlinks=False)

    def give_back(self) -> None:
        """Give each file to who had it, and new ones to the owner of the workspace's folder."""
        self._each(self._return)
        if self._journal is not None:
            self._journal.unlink(missing_ok=True)

    def _return(self, info: os.stat_result, folder: int, name: str) -> None:
        owner = self._owners.get((info.st_dev, info.st_ino), self._default)
        if info.st_uid == self._user != owner[0]:
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)


def _identities(root: Path, paths: Iterable[str]) -> Iterator[tuple[int, int]]:
    for path in paths:
        with suppress(OSError):  # gone meanwhile
            info = os.lstat(root / path)
            yield info.st_dev, info.st_ino


def _walk(folder: int, change: Change, kept: frozenset[tuple[int, int]], depth: int) -> None:
    """Apply `change` to all below an open folder; `change` gets the status, the parent folder and the name."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:  # deleted meanwhile by somebody on the host
            continue
        is_folder = stat.S_ISDIR(info.st_mode)
        if stat.S_ISLNK(info.st_mode) or (info.st_nlink > 1 and not is_folder) or (info.st_dev, info.st_ino) in kept:
            continue
        change(info, folder, name)
        if is_folder and depth < MAX_DEPTH:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                _walk(inner, change, kept, depth + 1)
            finally:
                os.close(inner)


def adopt(root: Path, user: int) -> None:
    """Give a prepared copy to the sandbox's user; the host must be root. No link is followed, no group changed.

    Where there is no folder any more, there is nothing to give.
    """
    if root.is_symlink() or not root.is_dir():
        return
    os.chown(root, user, -1, follow_symlinks=False)
    for _, folders, names, descriptor in os.fwalk(root, follow_symlinks=False):
        for name in (*folders, *names):
            os.chown(name, user, -1, dir_fd=descriptor, follow_symlinks=False)
