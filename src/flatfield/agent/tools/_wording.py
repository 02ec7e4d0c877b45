"""The words that the file tools share: sizes, names, and what stands where something was not found."""

from __future__ import annotations

import difflib
import itertools
import os
import posixpath
from typing import TYPE_CHECKING

from flatfield.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.agent.files.confined import ConfinedFiles, Entry

NAMES_SHOWN = 40
LETTERS_COMPARED = 200
NOT_SEARCHED = frozenset({".git", ".venv", "node_modules", "__pycache__"})
ENTRIES_SEARCHED = 1000  # enough to find a misplaced file, and never more than about 10 ms


def size(number_bytes: int) -> str:
    """`"812 bytes"`, `"3.2 MB"`."""
    if number_bytes < 1000:
        return f"{number_bytes} byte{'' if number_bytes == 1 else 's'}"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if number_bytes < 999.95 * scale:
            return f"{number_bytes / scale:.1f} {unit}"
    return f"{number_bytes / 1e9:.1f} GB"


def name(path: str) -> str:
    """A path as one line of plain text: strange names are quoted, as in Python."""
    text = os.fsencode(path).decode(errors="replace")
    return text if text.isprintable() else ascii(path)


def label(entry: Entry) -> str:
    """A folder's entry: `src/`, `notes.txt`, `latest -> v2.txt`."""
    base = name(posixpath.basename(entry.path))
    if entry.kind == "link":
        return f"{base} -> {name(entry.target)}"
    return base + {"folder": "/", "file": ""}.get(entry.kind, " (device, FIFO or socket)")


def listing(entries: Sequence[Entry], shown: int) -> str:
    """One label a line, and how many are not shown."""
    lines = [label(entry) for entry in entries[:shown]]
    if len(entries) > shown:
        lines.append(f"… and {len(entries) - shown:,} more")
    return "\n".join(lines) or "(empty)"


def not_found(files: ConfinedFiles, path: str) -> ToolError:
    """The error for a path where nothing is: the closest names, and what the nearest folder holds."""
    wanted = files.relative(path)
    folder, entries = _nearest(files, posixpath.dirname(wanted))
    base = posixpath.basename(wanted)
    near = {entry.path for entry in entries}
    searched = itertools.islice(files.walk(skip=NOT_SEARCHED), ENTRIES_SEARCHED)
    near.update(entry.path for entry in searched if entry.path.endswith(f"/{base}"))
    alike = [found for found in sorted(near) if posixpath.basename(found).lower() == base.lower()]
    alike += difflib.get_close_matches(wanted[:LETTERS_COMPARED], sorted(near - set(alike)), n=3)
    hint = f" Did you mean {' or '.join(name(found) for found in alike[:3])}?" if alike else ""
    where = "the workspace" if folder == "." else f"{name(folder)}/"
    held = ", ".join(label(entry) for entry in entries[:NAMES_SHOWN]) or "nothing"
    more = f" and {len(entries) - NAMES_SHOWN:,} more" if len(entries) > NAMES_SHOWN else ""
    return ToolError(f"there is no {name(wanted)}.{hint} In {where}: {held}{more}")


def _nearest(files: ConfinedFiles, folder: str) -> tuple[str, Sequence[Entry]]:
    """The deepest folder of a path that exists, and what is in it."""
    while folder not in {"", "."}:
        try:
            return folder, files.entries(folder)
        except (FileNotFoundError, NotADirectoryError, PermissionError, ToolError):
            folder = posixpath.dirname(folder)
    return ".", files.entries(".")
