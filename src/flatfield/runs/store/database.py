"""The store's SQLite file: whether it is damaged, how it is opened, and where that is kept which it cannot take."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shlex
import sqlite3
import stat
import struct
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator


# Tells a damaged store from one that is empty or new: before SQLite opens it, which would start anew, and after.


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
        if size == 0 and (left := leftovers(path)):
            raise damaged(path, f"{gone}, but records of its runs are kept in {left[0]}")
        return
    # Not opened here: closing any descriptor of the file would give up the locks that SQLite holds on it for this whole
    # process, and another process would then delete the log that this one goes on writing to.
    if size < SMALLEST_BYTES:
        raise damaged(path, "file is not a database")
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


# Opens the store's SQLite file: settings, schema, and errors that say what to do.


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


# Keeps what the store could not take: as JSON lines in the temporary directory, taken in by a later command.


class Rescue:
    """One process's file of unsaved lines; made with the first line, for its user's eyes only.

    The file stays locked while the process lives, so that no other process takes it in half-written.
    """

    def __init__(self, store: Path) -> None:
        self.path: Path | None = None
        self._store = store
        self._descriptor = -1

    def save(self, line: str) -> Path:
        """Append a line durably and say where.

        Raises:
            OSError: there is no room here either.
        """
        if self.path is None:
            self._descriptor, name = tempfile.mkstemp(prefix=_prefix(self._store), suffix=".jsonl")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self.path = Path(name)
        size_bytes = os.fstat(self._descriptor).st_size
        data = line.encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size_bytes)
            os.lseek(self._descriptor, size_bytes, os.SEEK_SET)
            raise
        return self.path

    def close(self, *, keep: bool) -> None:
        """Let go of the file; delete it unless its lines are still needed."""
        if self.path is None:
            return
        if not keep:
            with suppress(FileNotFoundError):
                self.path.unlink()
        os.close(self._descriptor)
        self.path = None


def leftovers(store: Path) -> tuple[Path, ...]:
    """Files that earlier processes left for this store."""
    return tuple(sorted(Path(tempfile.gettempdir()).glob(f"{_prefix(store)}*.jsonl")))


@contextmanager
def taken(path: Path) -> Iterator[list[str]]:
    """The lines of a leftover file, for this process alone; none when it is not ours to take or still in use.

    The temporary directory is open to all: links and other users' files are not read.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield []
        return
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield []
            return
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        lines = file.read().decode(errors="replace").split("\n") if ours else []
        yield [line for line in lines if line]


def _prefix(store: Path) -> str:
    return f"flatfield-unsaved-{hashlib.sha256(bytes(store.resolve())).hexdigest()[:12]}-"
