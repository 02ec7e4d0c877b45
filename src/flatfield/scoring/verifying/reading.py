"""What a task's own checks read a workspace through: convenient, and confined like every other reader."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from flatfield.agent.files.changed import CACHES
from flatfield.errors import ToolError
from flatfield.scoring.verifying.matching import SAID, look_alike, parse_json, twin_of

if TYPE_CHECKING:
    from flatfield.agent.files.confined import ConfinedFiles

READ_LIMIT_BYTES = 16 * 1024**2


class NotThere(FileNotFoundError):
    """The agent left no file that can be read at this path; `str(error)` says what is there instead."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotJson(ValueError):
    """The file that the agent left is not JSON."""


def read_file(files: ConfinedFiles, path: str) -> bytes:
    """The bytes of a regular file in the workspace, at most READ_LIMIT_BYTES.

    Raises:
        NotThere: there is none: missing, a folder, a FIFO or device, a link that leads out, or over the limit.
    """
    try:
        return files.read_bytes(path, limit_bytes=READ_LIMIT_BYTES)
    except FileNotFoundError as error:
        raise NotThere(absent(files, path, "file")) from error
    except IsADirectoryError as error:
        raise NotThere(f"{path} is a folder, not a file") from error
    except (OSError, ToolError, ValueError) as error:
        raise NotThere(f"{path} cannot be read: {error}") from error


def absent(files: ConfinedFiles, path: str, wanted: str) -> str:
    """That there is no file or folder at a path, and, where one there looks like it, which."""
    folder, name = posixpath.split(path.rstrip("/"))
    try:
        there = [posixpath.basename(entry.path) for entry in files.entries(folder or ".")]
    except (OSError, ToolError, ValueError):
        there = []
    twin = twin_of(name, there)
    if twin is None:
        return f"there is no {wanted} {path}"
    how = f"their names {SAID}" if look_alike(name, twin) else "in other upper and lower case"
    return f"there is no {wanted} {path}, but {posixpath.join(folder, twin)} ({how})"


class Files:
    """The workspace that a finished trial left behind, read only. Paths are relative to it.

    A check that lets NotThere or NotJson through scores 0 with that reason: it is the agent that left no such file.
    """

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files

    def read_bytes(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is no regular file at `path` inside the workspace.
        """
        return read_file(self._files, path)

    def read_text(self, path: str) -> str:
        """A file's text as UTF-8, line ends as they are; bytes that are not UTF-8 become U+FFFD.

        Raises:
            FileNotFoundError: there is no regular file at `path` inside the workspace.
        """
        return self.read_bytes(path).decode(errors="replace")

    def read_json(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """The JSON value that a file holds.

        Raises:
            FileNotFoundError: there is no regular file at `path` inside the workspace.
            ValueError: it is not JSON, or an object in it has a key twice.
        """
        try:
            return parse_json(self.read_bytes(path).decode())
        except ValueError as error:
            raise NotJson(f"{path} is not JSON ({error})") from error

    def exists(self, path: str) -> bool:
        """Whether there is a regular file at `path` inside the workspace."""
        try:
            return self._files.stat(path).kind == "file"
        except (OSError, ToolError, ValueError):
            return False

    def names(self) -> tuple[str, ...]:
        """The paths of all regular files, sorted, without the caches that commands leave behind (`__pycache__`)."""
        return tuple(sorted(entry.path for entry in self._files.walk(skip=CACHES) if entry.kind == "file"))
