"""The store's one writer: a thread that commits what came in meanwhile; and work beside the loop that is waited for."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import sqlite3
import threading
from collections import deque
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from flatfield.errors import StoreError
from flatfield.runs.store.database import Rescue, open_writer, store_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


# Work in a thread that is always waited for: a thread cannot be stopped, nor its files taken away under it.


P = ParamSpec("P")


async def to_the_end(workers: Hands, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The function's result; when this is cancelled meanwhile, the cancellation comes after the function has ended.

    `workers`: whose threads do it; None: the event loop's own.
    """
    work, cancelled = await _ended(workers, partial(function, *arguments, **named))
    if cancelled is not None:
        work.exception()  # taken note of: the cancellation says more
        raise cancelled
    return work.result()


async def whatever_comes(workers: Hands, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The function's result, also when this is cancelled meanwhile: for the last step of what would be lost else."""
    work, _ = await _ended(workers, partial(function, *arguments, **named))
    return work.result()


class InTurns:
    """Does small pieces of work in the event loop itself, one in each of its turns: between two it reads and writes.

    A thread asks for the interpreter again after each system call, and takes it from the loop: what makes thirty of
    them costs three times as much there, and holds up the loop as long.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()

    def begin(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """What comes of it in one of the next turns."""
        work: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append((work, function))
        if len(self._waiting) == 1:
            self._loop.call_soon(self._turn)
        return work

    def _turn(self) -> None:
        work, function = self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._turn)
        try:
            work.set_result(function())
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits for the work is told
            work.set_exception(error)


Hands = Executor | InTurns | None
"""Who does a piece of work: threads, the event loop itself in its turns; None: the event loop's own threads."""


async def _ended(workers: Hands, function: Callable[[], T]) -> tuple[asyncio.Future[T], asyncio.CancelledError | None]:
    if isinstance(workers, InTurns):
        work = workers.begin(function)
    else:
        work = asyncio.get_running_loop().run_in_executor(workers, contextvars.copy_context().run, function)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    return work, cancelled


# ---------------------------------------------------------------------------- the one writer


T = TypeVar("T")
BATCH = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing(Generic[T]):
    """One piece of writing; `apply` works inside a transaction that others may share.

    `line` is what is kept of it when the store cannot be written, for what costs money to make again; else None.
    """

    apply: Callable[[sqlite3.Connection], T]
    line: Callable[[], str] | None = None
    name: str = ""
    future: Future[T] = field(default_factory=Future)


class Writer:
    """Commits jobs in order of arrival; a job's future is done only after its commit.

    The thread starts with the first job. What cannot be written is rescued (see `Rescue`), stays in memory and is
    tried again after each commit that succeeds, and at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[Writing[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._rescue = Rescue(path)
        self._unsaved: list[Writing[Any]] = []
        self._unrescued: list[str] = []

    def submit(self, job: Writing[T]) -> Future[T]:
        """Hand in a job; it is done even when nobody waits for its future any more."""
        job.future.set_running_or_notify_cancel()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="flatfield-store", daemon=True)
            self._thread.start()
        self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Wait until all that was handed in is written or rescued.

        Raises:
            StoreError: something could neither be written nor rescued; it names what.
        """
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join()
        self._thread = None
        if self._unrescued:
            names = ", ".join(self._unrescued)
            raise StoreError(
                f"lost, as neither the store {self._path} nor the temporary directory could be written: {names};"
                " free some space and run them again with --resume"
            )

    def _work(self) -> None:
        try:
            open_for_more = True
            while open_for_more:
                taken = self._take()
                open_for_more = taken[-1] is not None
                self._write([job for job in taken if job is not None])
            self._retry()
        finally:
            self._drop_connection()
            self._rescue.close(keep=bool(self._unsaved))

    def _take(self) -> list[Writing[Any] | None]:
        """All jobs that are there, at least one; None at the end asks to stop after them."""
        taken = [self._queue.get()]
        with suppress(queue.Empty):
            while len(taken) < BATCH and taken[-1] is not None:
                taken.append(self._queue.get_nowait())
        return taken

    def _write(self, batch: Sequence[Writing[Any]]) -> None:
        if not batch:
            return
        try:
            results = self._transaction(batch)
        except Exception as error:  # noqa: BLE001 - were the thread to die, all who wait for it would wait for ever
            self._drop_connection()
            locked = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            for job in batch:
                if len(batch) == 1 or locked:
                    self._fail(job, error)
                else:
                    self._write([job])
            return
        for job, result in zip(batch, results, strict=True):
            job.future.set_result(result)
        self._retry()

    def _transaction(self, batch: Sequence[Writing[Any]]) -> list[Any]:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        results = [job.apply(connection) for job in batch]
        connection.execute("COMMIT")
        return results

    def _connected(self) -> sqlite3.Connection:
        """The connection; a new one when the file was replaced or deleted, which SQLite would not notice."""
        if self._connection is not None and self._identity != self._identify():
            self._drop_connection()
        if self._connection is None:
            self._connection = open_writer(self._path)
            self._identity = self._identify()
        return self._connection

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _drop_connection(self) -> None:
        # After a failed write SQLite may or may not have rolled back; a fresh connection is in a known state.
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fail(self, job: Writing[Any], error: Exception) -> None:
        failure = store_error(self._path, error)
        if job.line is not None:
            failure = StoreError(f"{failure}; {self._keep(job, job.line)}")
        failure.__cause__ = error
        job.future.set_exception(failure)

    def _keep(self, job: Writing[Any], line: Callable[[], str]) -> str:
        self._unsaved.append(job)
        try:
            path = self._rescue.save(line())
        except Exception as error:  # noqa: BLE001 - whatever fails here, the record is still in memory
            self._unrescued.append(job.name)
            return f"{job.name} is kept in memory until there is room ({error})"
        return f"{job.name} is kept in {path} until the store can be written again"

    def _retry(self) -> None:
        while self._unsaved:
            job = self._unsaved[0]
            try:
                self._transaction([job])
            except Exception:  # noqa: BLE001 - its failure was told when it was first tried
                self._drop_connection()
                return
            self._unsaved.pop(0)
            if job.name in self._unrescued:
                self._unrescued.remove(job.name)
