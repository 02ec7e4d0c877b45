"""What was acknowledged is there after a crash, a full disk, or beside other processes."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.errors import StoreError
from flatfield.runs.store import database, writer
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import Run, TrialRecord

    RunMaker = Callable[..., Run]
    RecordMaker = Callable[..., TrialRecord]

pytestmark = [pytest.mark.whole, pytest.mark.usefixtures("temporary")]
CHILD = Path(__file__).with_name("storing_child.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".flatfield"


def start(folder: Path, agent: str, count: int, *limit: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), str(folder), agent, str(count), *limit]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def found_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def stored_ids(folder: Path) -> set[str]:
    return {record.id for record in Store(folder).trials("r")}


def test_a_process_killed_while_storing_loses_nothing_that_it_was_told_is_stored(folder: Path) -> None:
    acknowledged: set[str] = set()
    for lines in (1, 7, 23):
        with start(folder, "a", 10_000) as child:
            assert child.stdout is not None
            told = [child.stdout.readline().strip() for _ in range(1 + lines)]
            child.kill()
            told += child.stdout.read().split("\n")
        # The last line may be cut short by the kill; all others were acknowledged.
        acknowledged |= {line for line in told[:-1] if line.startswith("r/a/t/")}
        assert acknowledged <= stored_ids(folder)
    assert len(acknowledged) >= 31
    with sqlite3.connect(folder / "store.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_several_processes_store_at_once(folder: Path) -> None:
    children = [start(folder, agent, 40) for agent in "abc"]
    for child in children:
        out, err = child.communicate()
        assert (child.returncode, err) == (0, "")
        assert len(out.split()) == 41
    assert stored_ids(folder) == {f"r/{agent}/t/{n}" for agent in "abc" for n in range(1, 41)}


@pytest.mark.slow
async def test_a_process_that_ends_takes_nothing_of_those_that_go_on(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    """Looking into the file must not give up the locks that this process has on it: else the other deletes its log."""
    async with Store(folder) as store:
        await store.save_run(make_run(id="r"), update=True)
        for repeat, other in enumerate("abc", start=1):
            await store.save_trial(make_record(run="r", agent="z", task="t", repeat=repeat))
            assert f"r/z/t/{repeat}" in stored_ids(folder)
            with start(folder, other, 1) as child:
                assert child.wait() == 0
        await store.save_trial(make_record(run="r", agent="z", task="t", repeat=4))
    assert stored_ids(folder) == {f"r/z/t/{n}" for n in range(1, 5)} | {f"r/{agent}/t/1" for agent in "abc"}


def test_where_the_disk_refuses_everything_is_either_stored_or_kept_elsewhere(folder: Path, temporary: Path) -> None:
    with start(folder, "a", 12, "150000") as child:
        out, err = child.communicate()
    assert child.returncode == 0
    told = set(out.split()) - {"ready"}
    assert told <= stored_ids(folder)
    assert 0 < len(told) < 12
    (kept,) = temporary.glob("flatfield-unsaved-*.jsonl")
    assert "disk" in err
    assert str(kept) in err
    assert len(kept.read_text().splitlines()) + len(told) == 12
    with start(folder, "b", 1) as child:  # the next command, with room again, takes them in
        assert child.wait() == 0
    assert stored_ids(folder) == {f"r/a/t/{n}" for n in range(1, 13)} | {"r/b/t/1"}
    assert not kept.exists()


class Disk:
    """Decides how many pages a store may have, from its next connection on."""

    def __init__(self) -> None:
        self.pages = 1_000_000

    def open_writer(self, path: Path) -> sqlite3.Connection:
        connection = database.open_writer(path)
        connection.execute(f"PRAGMA max_page_count = {self.pages}")
        return connection


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(writer, "open_writer", disk.open_writer)
    return disk


def big(record: TrialRecord, repeat: int) -> TrialRecord:
    return structs.replace(record, repeat=repeat, answer="x" * 50_000)


async def test_when_there_is_room_again_what_was_kept_in_memory_is_stored_first(
    folder: Path, temporary: Path, disk: Disk, make_run: RunMaker, make_record: RecordMaker
) -> None:
    disk.pages = 30
    async with Store(folder) as store:
        await store.save_run(make_run())
        assert await store.save_trial(big(make_record(), 1))
        for repeat in (2, 3, 4, 5):
            with pytest.raises(StoreError, match=r"disk is full.*20260101-000000-0000/fast/read/. is kept in .*jsonl"):
                await store.save_trial(big(make_record(), repeat))
        assert await store.save_trial(make_record(repeat=9))  # a small one still fits
        assert len(found_in(temporary)) == 1
        assert {record.repeat for record in store.trials(make_run().id)} == {1, 9}
        disk.pages = 1_000_000
        assert await store.save_trial(big(make_record(), 6))
    assert {record.repeat for record in store.trials(make_run().id)} == {1, 2, 3, 4, 5, 6, 9}
    assert found_in(temporary) == []


async def test_when_nothing_can_be_written_anywhere_the_end_says_what_is_lost(
    folder: Path, temporary: Path, disk: Disk, make_run: RunMaker, make_record: RecordMaker
) -> None:
    disk.pages = 15
    with pytest.raises(StoreError, match=r"lost.*20260101-000000-0000/fast/read/1; free some space"):  # noqa: PT012 - raised by the end of the block
        async with Store(folder) as store:
            await store.save_run(make_run())
            shutil.rmtree(temporary)
            with pytest.raises(StoreError, match="kept in memory until there is room"):
                await store.save_trial(big(make_record(), 1))


async def test_one_bad_record_does_not_take_others_of_its_batch_with_it(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    async with Store(folder) as store:
        await store.save_run(make_run())
        bad = store.save_trial(make_record(run="unknown"))
        good = [store.save_trial(make_record(repeat=n)) for n in range(5)]
        outcomes = await asyncio.gather(bad, *good, return_exceptions=True)
    assert isinstance(outcomes[0], StoreError)
    assert "does not hold the run" in str(outcomes[0])
    assert outcomes[1:] == [True] * 5
    assert len(store.trials(make_run().id)) == 5


async def test_a_store_deleted_meanwhile_is_noticed_before_anything_is_acknowledged(
    folder: Path, temporary: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    async with Store(folder) as store:
        await store.save_run(make_run())
        shutil.rmtree(folder)
        with pytest.raises(StoreError, match=r"moved or deleted\?; .* is kept in"):
            await store.save_trial(make_record())
    (kept,) = found_in(temporary)
    assert "digest-read" in kept.read_text()
