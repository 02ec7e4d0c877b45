"""Puts a task's hidden files into a workspace whose agent has ended, whatever it left at their places."""

from __future__ import annotations

import glob
import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flatfield.agent.files.confined import ConfinedFiles

CACHE = "__pycache__"
COMPILED = frozenset({".so", ".pyd"})


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


def place(hidden: Mapping[str, Path], files: ConfinedFiles, changed: Collection[str] = ()) -> None:
    """Write the hidden files, each with its own content and mode.

    Links, FIFOs, files and folders that stand where a hidden file or one of its folders belongs are deleted, not
    followed. So is what Python would run in the place of the hidden sources: bytecode in those folders, and usurpers.
    Nothing of the agent may run any more. `changed`: what the agent added or changed.

    Raises:
        OSError: a file cannot be read or written.
    """
    folders = sorted({str(parent) for path in hidden for parent in Path(path).parents} - {"."})
    for folder in folders:  # sorted: a parent comes before what is in it
        _clear(folder, files, keep_folder=True)
    for folder in (".", *folders):
        _clear(posixpath.normpath(posixpath.join(folder, CACHE)), files, keep_folder=False)
    for path in usurpers(hidden, files, changed):
        _clear(path, files, keep_folder=False)
    for path, source in hidden.items():
        _clear(path, files, keep_folder=False)
        files.write_bytes(path, source.read_bytes())
        # No link is left in this path, so it is the file just written.
        (files.root / path).chmod(stat.S_IMODE(source.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def usurpers(hidden: Mapping[str, Path], files: ConfinedFiles, changed: Collection[str]) -> set[str]:
    """What would be imported in the place of hidden Python files, or along with them; `changed`: by the agent.

    A folder or a compiled module wins over a source of its name, `__init__.py` is run before what is beside it, and a
    conftest.py of the agent's would be obeyed beside the author's.
    """
    modules = [path for path in hidden if path.endswith(".py")]
    folders = {str(parent) for path in modules for parent in Path(path).parents}
    found = {posixpath.normpath(f"{folder}/__init__.py") for folder in folders} & set(changed)
    if any(posixpath.basename(path) == "conftest.py" for path in hidden):
        found |= {posixpath.join(posixpath.dirname(path), "conftest.py") for path in hidden}
    for path in modules:
        stem = path.removesuffix(".py")
        beside = files.root / posixpath.dirname(path)
        found |= {
            posixpath.join(posixpath.dirname(path), entry.name)
            for entry in beside.glob(f"{glob.escape(posixpath.basename(stem))}.*")
            if entry.suffix in COMPILED
        }
        if not any(other.startswith(f"{stem}/") for other in hidden):
            found.add(stem)
    return found - set(hidden)


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
