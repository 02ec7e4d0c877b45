"""A file that cannot be used is refused in one sentence with the fix, and is left as it is."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import StoreError
from flatfield.records import Verdict
from flatfield.runs.store.database import APPLICATION, VERSION, open_reader, open_writer, store_error
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Run, TrialRecord

pytestmark = pytest.mark.usefixtures("temporary")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def setting(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_it_is_written_durably_and_beside_others(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        assert setting(connection, "journal_mode") == "wal"
        assert setting(connection, "synchronous") == 2  # FULL
        assert setting(connection, "foreign_keys") == 1
        assert setting(connection, "busy_timeout") == 30_000
        assert (setting(connection, "application_id"), setting(connection, "user_version")) == (APPLICATION, VERSION)


def test_what_the_user_wrote_into_gitignore_stays(path: Path) -> None:
    path.with_name(".gitignore").write_text("store.db*\n")
    open_writer(path).close()
    assert path.with_name(".gitignore").read_text() == "store.db*\n"


def test_a_reader_cannot_write(path: Path) -> None:
    open_writer(path).close()
    reader = open_reader(path)
    assert reader is not None
    with closing(reader), pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM runs")


def test_a_file_made_but_not_yet_filled_is_an_empty_store(path: Path) -> None:
    path.touch()
    assert open_reader(path) is None
    open_writer(path).close()


def refused(path: Path, problem: str) -> None:
    """Neither reading nor writing works, and the file stays as it was."""
    before = path.read_bytes()
    for use in (open_reader, open_writer):
        with pytest.raises((StoreError, sqlite3.Error)) as caught:
            use(path)
        message = str(store_error(path, caught.value))
        assert str(path) in message
        assert problem in message
        assert "\n" not in message
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    refused(path, f"newer flatfield (its version is {VERSION + 1}, this one knows {VERSION}): upgrade")


def test_another_programs_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name)")
    refused(path, "is not a store of flatfield's: move it away")


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)
    refused(path, "damaged (file is not a database): restore it from a copy, or move it away")


def overwrite(path: Path) -> None:
    """Everything but the first page, which says what is where."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


async def test_a_damaged_page_is_told_by_the_reader_too(path: Path, make_run: Callable[..., Run]) -> None:
    async with Store(path.parent) as store:
        await store.save_run(make_run(command="x" * 50_000))
    overwrite(path)
    with pytest.raises(StoreError, match="is damaged"):
        Store(path.parent).load_run()
    with pytest.raises(StoreError, match="is damaged"):
        Store(path.parent).runs()


async def test_a_record_that_this_version_cannot_read_is_told(path: Path, make_run: Callable[..., Run]) -> None:
    async with Store(path.parent) as store:
        await store.save_run(make_run())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE runs SET record = '{"id": 7}'""")
    with pytest.raises(StoreError, match=r"the record of run 2.* cannot be read .*upgrade flatfield, or name another"):
        Store(path.parent).load_run()
    (found,) = Store(path.parent).runs()
    assert found.id == make_run().id
    assert "cannot be read" in found.title


async def test_one_unreadable_trial_or_verdict_costs_no_other(
    path: Path, make_run: Callable[..., Run], make_record: Callable[..., TrialRecord]
) -> None:
    first, second = make_record(), make_record(repeat=2)
    said = [
        Verdict(run=first.run, agent=first.agent, task=first.task, repeat=1, judge=judge, letter="A", reason="good")
        for judge in ("x", "y")
    ]
    async with Store(path.parent) as store:
        await store.save_run(make_run())
        await store.save_trial(first)
        await store.save_trial(second)
        await store.save_verdicts(said)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE trials SET record = CAST(X'7BFF' AS TEXT) WHERE repeat = 1")
        connection.execute("UPDATE verdicts SET record = '[]' WHERE judge = 'x'")
    store = Store(path.parent)
    lost, kept = store.trials(first.run)
    assert kept == second
    assert (lost.id, lost.task_digest, store.trial(first.id)) == (first.id, first.task_digest, lost)
    assert lost.failure
    assert lost.failure.message.startswith("its record in the store cannot be read (")
    assert [(verdict.judge, verdict.letter) for verdict in store.verdicts(first.run)] == [("x", None), ("y", "A")]
    assert [row.failure is None for row in store.rows(first.run)] == [False, True], "it is to be done again"
    async with store:
        assert await store.save_trial(first)
    assert store.trials(first.run) == (first, second)
    assert [row.failure for row in store.rows(first.run)] == [None, None]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (RuntimeError("odd"), "RuntimeError: odd"),
        (StoreError("said already"), "said already"),
    ],
)
def test_every_error_becomes_a_sentence(path: Path, error: Exception, words: str) -> None:
    assert words in str(store_error(path, error))


async def test_a_folder_that_cannot_be_made_is_said_on_entering(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="Not a directory"):
        async with Store(tmp_path / "file" / ".flatfield"):
            raise AssertionError


AS_ANOTHER_USER = """
import asyncio, os, sys
from pathlib import Path
from flatfield.errors import StoreError
from flatfield.records import Verdict
from flatfield.runs.store.store import Store
store = Store(Path(sys.argv[1]))
async def write():
    async with store:
        pass
# What is needed is loaded by then: the other user may not be able to enter the folders of Python and of this checkout.
store.load_run()
asyncio.run(write())
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(store.load_run().id)
try:
    asyncio.run(write())
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
@pytest.mark.usefixtures("reachable")
@pytest.mark.whole
async def test_where_writing_is_not_allowed_reading_works_and_writing_is_refused_at_once(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    folder = tmp_path / "ours"
    async with Store(folder) as store:
        await store.save_run(make_run())
    folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", AS_ANOTHER_USER, folder], capture_output=True, text=True, check=False)  # noqa: ASYNC221 - nothing else runs
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    assert lines[0] == make_run().id, done.stderr
    assert "make the folder and the files in it" in lines[1]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_told_with_the_way_out(tmp_path: Path, number: int) -> None:
    told = str(store_error(tmp_path / "store.db", OSError(number, os.strerror(number))))
    assert (
        "make its folder writable, or name a flatfield.toml in a writable folder (flatfield --config FILE, or" in told
    )
    assert "make room" not in told
    assert "make room for it" in str(store_error(tmp_path / "store.db", OSError(errno.ENOSPC, "No space left")))
