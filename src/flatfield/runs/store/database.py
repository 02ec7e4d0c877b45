"""Opens the store's SQLite file: settings, schema, and errors that say what to do."""

from __future__ import annotations

import errno
import sqlite3
import time
from typing import TYPE_CHECKING

from flatfield.errors import StoreError
from flatfield.runs.store.damage import check_files, check_pages, check_tables, connect_reading, damaged

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
APPLICATION = 0x666C6174  # "flat": what `PRAGMA application_id` says of a file of ours
BUSY_SECONDS = 30.0

# A superseded row is what a later one took the place of: kept, because its money was spent, but no longer read.
# Names are in the key too: two names may share one configuration, to see how far apart equal agents come out.
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), agent TEXT NOT NULL, task TEXT NOT NULL,
  repeat INTEGER NOT NULL, task_digest TEXT NOT NULL, agent_fingerprint TEXT NOT NULL, failure TEXT, cost_usd REAL,
  superseded INTEGER NOT NULL DEFAULT 0, record TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS trials_key
  ON trials (run, agent, task, repeat, task_digest, agent_fingerprint) WHERE superseded = 0;
CREATE TABLE IF NOT EXISTS verdicts (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id), agent TEXT NOT NULL, task TEXT NOT NULL,
  repeat INTEGER NOT NULL, judge TEXT NOT NULL, cost_usd REAL, superseded INTEGER NOT NULL DEFAULT 0,
  record TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS verdicts_key
  ON verdicts (run, agent, task, repeat, judge) WHERE superseded = 0;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""

# Not in the first stores: made in those when they are next written to, and missed by nobody who only reads them.
ADDED = """
CREATE INDEX IF NOT EXISTS trials_superseded ON trials (run, agent, task, repeat) WHERE superseded = 1;
"""

_ELSEWHERE = "or name a flatfield.toml in a writable folder (flatfield --config FILE, or FLATFIELD_CONFIG)"
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_FIXES = {
    "SQLITE_FULL": ("the disk is full", "free some space and run the command again with --resume"),
    "SQLITE_READONLY": ("it may not be written", f"make the folder and the files in it writable, {_ELSEWHERE}"),
    "SQLITE_CANTOPEN": ("it cannot be opened", "make the folder and the files in it readable and writable"),
    "SQLITE_PERM": ("access is denied", "make the folder and the files in it readable and writable"),
    "SQLITE_BUSY": (f"another process kept it locked for {BUSY_SECONDS:.0f} s", "wait for that one, then try again"),
    "SQLITE_IOERR": ("the disk refused", "check its space, limits and health, then run again with --resume"),
}


def open_writer(path: Path) -> sqlite3.Connection:
    """The file, made when it is missing, ready for durable writes beside other processes.

    The folder gets a `.gitignore` of its own, so that nobody commits a store by accident.

    Raises:
        StoreError: it belongs to something else or to a newer version.
        sqlite3.Error, OSError: it cannot be opened; `store_error` says it in words.
    """
    check_files(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    try:
        fresh = _check_version(connection, path)
        if not fresh:
            check_pages(path)
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if fresh:
            connection.executescript(SCHEMA)
        connection.executescript(ADDED)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection | None:
    """The file for reading only; None when nothing was ever stored.

    Raises:
        StoreError: it cannot be read, belongs to something else or to a newer version.
    """
    try:
        check_files(path)
        if not path.exists():
            return None
        connection = connect_reading(path, BUSY_SECONDS)
    except (sqlite3.Error, OSError) as error:
        raise store_error(path, error) from error
    try:
        if not _check_version(connection, path):
            check_pages(path)
            connection.text_factory = _text
            return connection
    except sqlite3.Error as error:
        connection.close()
        raise store_error(path, error) from error
    except StoreError:
        connection.close()
        raise
    connection.close()
    return None


def store_error(path: Path, error: Exception) -> StoreError:
    """What went wrong with the file at `path`, and the fix, in one sentence."""
    if isinstance(error, StoreError):
        return error
    name = str(getattr(error, "sqlite_errorname", ""))
    not_text = isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error)  # Python's own words
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not_text:
        return damaged(path, str(error).splitlines()[0])
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        return StoreError(f"the store {path} does not hold the run that this belongs to: was it moved or deleted?")
    for prefix, (problem, fix) in _FIXES.items():
        if name.startswith(prefix):
            return StoreError(f"the store {path} failed: {problem} ({error}); {fix}")
    if isinstance(error, OSError):
        shut = error.errno in _NOT_WRITABLE
        fix = f"make its folder writable, {_ELSEWHERE}" if shut else "make room for it and its folder writable"
        return StoreError(f"the store {path} failed: {error.strerror or error}; {fix}")
    return StoreError(f"the store {path} failed: {type(error).__name__}: {error}")


def _check_version(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is still without tables; a file that is not ours, or too new, is refused."""
    # Tables first: another process makes them and both marks in one transaction, perhaps between these reads.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if not tables:
        if application == APPLICATION and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise damaged(path, "all its tables are missing")
        return True
    if application != APPLICATION:
        raise StoreError(f"{path} is not a store of flatfield's: move it away, or work in another folder")
    if version > VERSION:
        raise StoreError(
            f"the store {path} was written by a newer flatfield (its version is {version}, this one knows {VERSION}):"
            " upgrade flatfield, or work in another folder"
        )
    check_tables(connection, path)
    return False


def _text(data: bytes) -> str:
    """A text of the file; one that is damaged costs itself alone."""
    return data.decode("utf-8", "backslashreplace")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for its busy timeout when several processes switch a new file at once.
    ends = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not str(error.sqlite_errorname).startswith("SQLITE_BUSY") or time.monotonic() > ends:
                raise
            time.sleep(0.01)
        else:
            return
