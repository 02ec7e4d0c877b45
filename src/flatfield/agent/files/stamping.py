"""What a command changed in a folder, by stat stamps taken when it begins and when it has ended; no file is opened."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    Stamp = tuple[int, ...]


class Looks:
    """Looks at a folder whenever it is called; `kept` are paths in it that nobody changes meanwhile.

    A stamp is the kind, inode, size, and both times of a file or link. The second time is the kernel's own: nobody can
    set it back. Take both looks while the files belong to the same user, because a change of the owner moves it.
    """

    def __init__(self, root: Path, kept: Collection[str] = ()) -> None:
        self._root = str(root)
        self._kept = {f"{self._root}/{path}" for path in kept}
        self._looks: list[dict[str, Stamp]] = []

    def __call__(self) -> None:
        """Look. About 5 µs a name."""
        self._looks.append(dict(self._stamps()))

    @property
    def complete(self) -> bool:
        """Whether what changed is known: nothing began, or it was looked at before and after."""
        return len(self._looks) != 1

    def changed(self) -> tuple[tuple[str, bool], ...]:
        """The paths of files and links that were added, changed or removed, each with whether it was there before."""
        if len(self._looks) < 2:
            return ()
        before, after = self._looks[0], self._looks[-1]
        paths = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        return tuple((path, path in before) for path in sorted(paths))

    def _stamps(self) -> Iterator[tuple[str, Stamp]]:
        start = len(self._root.rstrip("/")) + 1
        folders = [self._root]
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as entries:  # gone meanwhile, or closed to its own user
                for entry in entries:
                    if entry.path in self._kept:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                        continue
                    with suppress(FileNotFoundError):
                        info = entry.stat(follow_symlinks=False)
                        kind = stat.S_IFMT(info.st_mode)
                        yield entry.path[start:], (kind, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
