"""Lends a workspace to the user that sandboxed commands run as, and gives everything back to its owners."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[os.stat_result, int, str], None]

MAX_DEPTH = 200
"""Folders below this depth were made by a command (it owns them already); a copied workspace is never so deep."""


class Lending:
    """A workspace whose files belong to `user` from construction until `give_back`; needs root.

    Files with several names (hard links) are left alone: one of the names may lie outside the workspace. Nothing of the
    sandbox may run while this walks: it follows no links, but owners are changed by name.
    """

    def __init__(self, root: Path, user: int) -> None:
        self._root = root
        self._user = user
        self._owners: dict[tuple[int, int], tuple[int, int]] = {}
        top = root.stat()
        self._default = (top.st_uid, top.st_gid)
        self._each(self._lend)

    def _each(self, change: Change) -> None:
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            change(os.fstat(folder), folder, ".")
            _walk(folder, change, 1)
        finally:
            os.close(folder)

    def _lend(self, info: os.stat_result, folder: int, name: str) -> None:
        if info.st_uid != self._user:
            self._owners[info.st_dev, info.st_ino] = (info.st_uid, info.st_gid)
            os.chown(name, self._user, self._user, dir_fd=folder, follow_symlinks=False)

    def give_back(self) -> None:
        """Give each file to who had it, and new ones to the owner of the workspace's folder."""
        self._each(self._return)

    def _return(self, info: os.stat_result, folder: int, name: str) -> None:
        owner = self._owners.get((info.st_dev, info.st_ino), self._default)
        if info.st_uid == self._user != owner[0]:
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)


def _walk(folder: int, change: Change, depth: int) -> None:
    """Apply `change` to all below an open folder; `change` gets the status, the parent folder and the name."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:  # deleted meanwhile by somebody on the host
            continue
        is_folder = stat.S_ISDIR(info.st_mode)
        if stat.S_ISLNK(info.st_mode) or (info.st_nlink > 1 and not is_folder):
            continue
        change(info, folder, name)
        if is_folder and depth < MAX_DEPTH:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                _walk(inner, change, depth + 1)
            finally:
                os.close(inner)
