"""Deletes a folder with all that is in it, however deep and whatever its modes: an agent may have made it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def discard(root: Path) -> None:
    """Delete a workspace; nothing there is fine. Nobody may be working in it any more."""
    with contextlib.suppress(FileNotFoundError):
        parent = os.open(root.parent, OPEN_FOLDER)
        try:
            remove_tree(parent, root.name)
        finally:
            os.close(parent)


def remove_tree(parent: int, name: str) -> None:
    """Delete folder `name` in the open folder `parent`; links are deleted, never followed.

    Inner folders are first moved up to the top. A recursion would meet the limits on open files, on the length of paths
    and on Python's stack, all of which a model can exceed.
    """
    top = _open(parent, name)
    try:
        while names := os.listdir(top):  # noqa: PTH208 - of a descriptor
            for inner in names:
                if not _unlinked(top, inner):
                    _empty(top, inner)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(top: int, name: str) -> None:
    """Delete a folder in `top`; the folders in it become folders in `top`."""
    folder = _open(top, name)
    try:
        for inner in os.listdir(folder):  # noqa: PTH208 - of a descriptor
            if not _unlinked(folder, inner):
                os.close(_open(folder, inner))  # to move a folder one must be allowed to write in it
                os.rename(inner, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)


def _open(parent: int, name: str) -> int:
    """A descriptor of the folder, made writable for us first."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, OPEN_FOLDER, dir_fd=parent)


def _unlinked(folder: int, name: str) -> bool:
    """Delete what is not a folder; False for a folder."""
    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return False
    os.unlink(name, dir_fd=folder)
    return True
