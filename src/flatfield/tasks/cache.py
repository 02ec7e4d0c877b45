"""Where flatfield keeps what is no project's: a cache of what it can fetch or make again, and data of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_folder(environ: Mapping[str, str]) -> Path:
    """$FLATFIELD_CACHE, else $XDG_CACHE_HOME/flatfield, else ~/.cache/flatfield; nothing is created."""
    if chosen := environ.get("FLATFIELD_CACHE"):
        return Path(chosen).expanduser().absolute()
    shared = environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    base = Path(shared) if Path(shared).is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    return base / "flatfield"


def data_folder(environ: Mapping[str, str]) -> Path:
    """$XDG_DATA_HOME/flatfield, else ~/.local/share/flatfield: what cannot be made again; nothing is created."""
    shared = environ.get("XDG_DATA_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(shared) if Path(shared).is_absolute() else home / ".local" / "share") / "flatfield"


def replace_whole(path: Path, data: bytes) -> None:
    """Write a file in one step, so that a reader, a crash or another process finds the old one or the new one.

    Raises:
        OSError: it cannot be written; nothing is left beside it.
    """
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as draft:
            draft.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
