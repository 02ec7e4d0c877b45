"""Puts a task's hidden files into a workspace whose agent has ended, whatever it left at their places."""

from __future__ import annotations

import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.files.confined import ConfinedFiles

CACHE = "__pycache__"


def read_hidden(folder: Path, into: str) -> dict[str, Path]:
    """The files of a task's hidden folder: where each belongs in the workspace, and where it lies.

    Raises:
        OSError: the folder cannot be read.
    """
    return {
        posixpath.normpath(posixpath.join(into, path.relative_to(folder).as_posix())): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and CACHE not in path.parts
    }


def place(hidden: Mapping[str, Path], files: ConfinedFiles) -> None:
    """Write the hidden files, each with its own content and mode.

    Links, FIFOs, files and folders that stand where a hidden file or one of its folders belongs are deleted, not
    followed. So is bytecode in those folders, which Python would run in the place of the hidden sources. Nothing of the
    agent may run any more.

    Raises:
        OSError: a file cannot be read or written.
    """
    folders = sorted({str(parent) for path in hidden for parent in Path(path).parents} - {"."})
    for folder in folders:  # sorted: a parent comes before what is in it
        _clear(folder, files, keep_folder=True)
    for folder in (".", *folders):
        _clear(posixpath.normpath(posixpath.join(folder, CACHE)), files, keep_folder=False)
    for path, source in hidden.items():
        _clear(path, files, keep_folder=False)
        files.write_bytes(path, source.read_bytes())
        # No link is left in this path, so it is the file just written.
        (files.root / path).chmod(stat.S_IMODE(source.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def _clear(path: str, files: ConfinedFiles, *, keep_folder: bool) -> None:
    """Delete what is at `path`, unless it is a folder and folders are kept; the folders above it are real ones."""
    place = files.root / path
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode) and keep_folder:
        place.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)  # an agent can close its own folders
    else:
        files.remove(path)
