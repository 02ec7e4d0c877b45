"""A damaged store is said, whatever the damage; it is never taken for an empty one, and never written over."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import StoreError
from flatfield.runs.store import database
from flatfield.runs.store.database import Rescue, open_writer
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Run

pytestmark = [pytest.mark.whole, pytest.mark.usefixtures("temporary")]
RUNS = 40


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store is that all tests have a copy of."""
    return tmp_path_factory.mktemp("whole") / ".flatfield"


async def fill(folder: Path, make_run: Callable[..., Run]) -> None:
    async with Store(folder) as made:
        for number in range(RUNS):
            await made.save_run(make_run(id=f"20260101-000000-{number:04x}", command="x" * 9000))


@pytest.fixture
def store(tmp_path: Path, once: Path, make_run: Callable[..., Run]) -> Store:
    """A store of some hundred pages."""
    if not once.exists():
        asyncio.run(fill(once, make_run))
    shutil.copytree(once, tmp_path / ".flatfield")
    return Store(tmp_path / ".flatfield")


async def refused(store: Store) -> str:
    """Every reading and every writing is refused with the same sentence, and all files stay as they are."""
    files = {path: path.read_bytes() for path in store.path.parent.iterdir() if not path.name.endswith("-shm")}
    said = set()
    for read in (store.runs, store.load_run, lambda: store.trials("x"), lambda: store.spent_usd("x")):
        with pytest.raises(StoreError) as caught:
            read()
        said.add(str(caught.value))
    with pytest.raises(StoreError) as caught:
        async with Store(store.path.parent):
            raise AssertionError
    said.add(str(caught.value))
    assert {path: path.read_bytes() for path in files} == files
    [sentence] = said
    assert str(store.path) in sentence
    assert "is damaged" in sentence
    assert "move it away and start a new one" in sentence
    assert ".recover" in sentence
    return sentence


@pytest.mark.parametrize("data", [b"x", b"\n", b"x" * 5000, b"SQLite", b"SQLite format 3\0", b"\0" * 4096])
async def test_something_else_in_its_place(store: Store, data: bytes) -> None:
    store.path.write_bytes(data)
    await refused(store)


@pytest.mark.parametrize("left", [1, 50, 100, 511, 512, 4096, 4097, 8192, 100_000])
async def test_a_truncated_file(store: Store, left: int) -> None:
    store.path.write_bytes(store.path.read_bytes()[:left])
    await refused(store)


async def test_a_beginning_of_garbage(store: Store) -> None:
    data = store.path.read_bytes()
    store.path.write_bytes(b"\xff" * 16 + data[16:])
    assert "file is not a database" in await refused(store)


@pytest.mark.parametrize("table", ["runs", "trials", "verdicts"])
async def test_a_missing_table(store: Store, table: str) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute(f"DROP TABLE {table}")
    assert f"its table {table} is missing" in await refused(store)


async def test_all_tables_missing(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        for table in ("verdicts", "trials", "runs"):
            connection.execute(f"DROP TABLE {table}")
    assert "all its tables are missing" in await refused(store)


def test_an_empty_file_alone_is_a_store_in_the_making(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.path.touch()
    assert store.runs() == ()
    open_writer(store.path).close()


async def test_an_empty_file_beside_a_log_that_is_not(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as other:  # keeps the log from being folded in
        other.execute("UPDATE runs SET created_at = '2'")
        other.commit()
        log = store.path.with_name("store.db-wal").read_bytes()
    assert len(log) > 4096
    store.path.write_bytes(b"")
    store.path.with_name("store.db-wal").write_bytes(log)
    assert "the file is empty, but its log store.db-wal holds" in await refused(store)
    store.path.unlink()
    assert "the file is gone, but its log store.db-wal holds" in await refused(store)


async def test_an_empty_file_whose_records_were_rescued(store: Store) -> None:
    rescue = Rescue(store.path)
    kept = rescue.save("{}")
    store.path.write_bytes(b"")
    assert f"records of its runs are kept in {kept}" in await refused(store)
    rescue.close(keep=False)


async def test_a_log_of_garbage(store: Store) -> None:
    store.path.with_name("store.db-wal").write_bytes(b"\xff" * 5000)
    assert "its log store.db-wal is not one" in await refused(store)


async def test_a_record_that_is_no_json_any_more(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE runs SET record = replace(record, ':', '!')")
    listed, *others = store.runs()
    assert len(others) == RUNS - 1
    assert "its record in the store cannot be read" in listed.title, "it costs the others nothing"
    with pytest.raises(StoreError, match="cannot be read"):
        store.load_run(listed.id)


@pytest.mark.parametrize("seed", range(60))
async def test_a_page_that_is_flipped_zeroed_or_swapped_never_shows_fewer_runs(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(store.path.read_bytes())
    pages = len(data) // 4096
    one, other = (chance.randrange(pages) * 4096 for _ in range(2))
    if seed % 3 == 0:
        data[one : one + 4096] = bytes(4096)
    elif seed % 3 == 1:
        data[one : one + 4096] = chance.randbytes(4096)
    else:
        data[one : one + 4096], data[other : other + 4096] = data[other : other + 4096], data[one : one + 4096]
    before = {run.id for run in store.runs()}
    store.path.write_bytes(data)
    assert shown(store) in ("damage", before)


def shown(store: Store) -> str | set[str]:
    """The ids of the runs that can be listed and loaded; "damage" when it is said instead."""
    try:
        found = {store.load_run(run.id).id for run in store.runs()}
    except StoreError as error:
        return "damage" if "is damaged" in str(error) or "cannot be read" in str(error) else str(error)
    return found


async def test_a_large_store_is_not_looked_through(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHECKED_BYTES", 100)
    assert len(store.runs()) == RUNS


async def test_pages_are_looked_through_once_for_each_state(store: Store) -> None:
    database._problem.cache_clear()
    for _ in range(3):
        store.runs()
    assert database._problem.cache_info().misses == 1
