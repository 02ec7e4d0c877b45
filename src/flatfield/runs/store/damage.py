"""Tells a damaged store from one that is empty or new: before SQLite opens it, which would start anew, and after."""

from __future__ import annotations

import shlex
import sqlite3
import struct
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING

from flatfield.errors import StoreError
from flatfield.runs.store import rescue

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST_BYTES = 512
"""No page of SQLite's is smaller, so no database is."""
WAL_MAGIC = (0x377F0682, 0x377F0683)
WAL_HEADER_BYTES = 32
TABLES = frozenset({"runs", "trials", "verdicts"})
CHECKED_BYTES = 256 * 1024**2
"""Larger stores are not looked through page by page, which takes a second per GB: damage shows when it is read."""
SHOWN_CHARACTERS = 200


def damaged(path: Path, problem: object) -> StoreError:
    """The error for a store that cannot be trusted, with the ways out of it."""
    quoted = shlex.quote(str(path))
    return StoreError(
        f"the store {path} is damaged ({problem}): restore it from a copy, or move it away and start a new one;"
        f" `sqlite3 {quoted} .recover` shows what is still readable"
    )


def check_files(path: Path) -> None:
    """Look at the file and at what lies beside it, before anything opens it: SQLite takes some damage for a new file.

    Raises:
        StoreError: the file is no database any more, or is empty or gone while its log is not.
        OSError: it cannot be read.
    """
    log = path.with_name(f"{path.name}-wal")
    log_bytes = _size(log)
    size = _size(path)
    if not size:
        gone = "the file is gone" if size is None else "the file is empty"
        if log_bytes:
            raise damaged(path, f"{gone}, but its log {log.name} holds {log_bytes:,} bytes: keep both")
        if size == 0 and (left := rescue.leftovers(path)):
            raise damaged(path, f"{gone}, but records of its runs are kept in {left[0]}")
        return
    # Not opened here: closing any descriptor of the file would give up the locks that SQLite holds on it for this whole
    # process, and another process would then delete the log that this one goes on writing to.
    if size < SMALLEST_BYTES:
        raise damaged(path, f"only {size} bytes of the file are left")
    if log_bytes and log_bytes >= WAL_HEADER_BYTES:
        with log.open("rb") as file:
            (magic,) = struct.unpack(">I", file.read(4))
        if magic not in WAL_MAGIC:  # SQLite would leave out all that is in it, and say nothing
            raise damaged(path, f"its log {log.name} is not one")


def check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError when tables of a store are missing; the file must be known for a store of ours."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    missing = sorted(TABLES - {str(name) for (name,) in rows})
    if missing:
        raise damaged(path, f"its table {missing[0]} is missing")


def check_pages(path: Path) -> None:
    """Look through all pages, once for each state of the file.

    Raises:
        StoreError: they do not fit together.
        sqlite3.Error: it cannot be read.
    """
    size = _size(path)
    if size is None or size > CHECKED_BYTES:
        return
    problem = _problem(path, *_state(path), *_state(path.with_name(f"{path.name}-wal")))
    if problem:
        raise damaged(path, problem)


@lru_cache(maxsize=16)
def _problem(path: Path, *_state: int) -> str:
    """What SQLite finds wrong with a file in this state, "" for nothing."""
    with closing(connect_reading(path)) as connection:
        found = [str(row) for (row,) in connection.execute("PRAGMA quick_check(1)")]
    return "" if found == ["ok"] else " ".join(" ".join(found).split())[:SHOWN_CHARACTERS]


def connect_reading(path: Path, timeout_seconds: float = 30.0) -> sqlite3.Connection:
    """A read-only connection that works in a folder that may not be written, too."""
    address = path.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=timeout_seconds, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        # Reading in WAL mode makes two files beside it. Without that right, and with nothing left in a WAL,
        # nobody can be writing either, so that reading without locks is safe.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        return sqlite3.connect(f"{address}?immutable=1", uri=True, isolation_level=None)
    except BaseException:
        connection.close()
        raise
    return connection


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _state(path: Path) -> tuple[int, ...]:
    try:
        info = path.stat()
    except FileNotFoundError:
        return ()
    if not info.st_size:  # an empty log comes and goes with every reader
        return ()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
