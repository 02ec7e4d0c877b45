"""Settles what was written unseen in a user's own folder: what of it changed, and which of that is code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.errors import ToolError
from flatfield.tasks.access import is_code

if TYPE_CHECKING:
    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.files.stamping import Looks


def settle(files: ConfinedFiles, looks: Looks, mark: str, since: int) -> None:
    """Note what changed between two looks, and let the witness of the files settle the mark.

    `since` is the moment (`Changed.moment`) of the first look: what others wrote with calls of their own is theirs.

    Where the second look is missing nothing is known: the mark stays, and the folder asks until its user looked at it.
    """
    if files.changed is None or not looks.complete:
        return
    there = [path for path, was_there in looks.changed() if files.note_unseen(path, was_there=was_there, since=since)]
    files.changed.witness.settled(mark, [path for path in there if is_code(Path(path), _head(files, path))])


def _head(files: ConfinedFiles, path: str) -> bytes:
    try:
        return files.read(path, limit_bytes=2).data
    except (OSError, ToolError):
        return b""
