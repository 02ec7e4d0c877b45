"""What an earlier process could not store is taken in once, whole, and from nobody else."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest
from msgspec import json

from flatfield.records import Run, TrialRecord, Verdict
from flatfield.runs.store.database import Rescue, leftovers, taken
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    RunMaker = Callable[..., Run]
    RecordMaker = Callable[..., TrialRecord]


@pytest.fixture
def store(tmp_path: Path, temporary: Path) -> Path:
    assert temporary.is_dir()
    return tmp_path / ".flatfield" / "store.db"


def line(record: TrialRecord | Verdict) -> str:
    kind = "trial" if isinstance(record, TrialRecord) else "verdict"
    return json.encode({kind: record}).decode()


def leave(store: Path, *lines: str) -> Path:
    """The file of a process that has ended."""
    rescue = Rescue(store)
    for text in lines:
        path = rescue.save(text)
    rescue.close(keep=True)
    return path


def test_lines_are_kept_for_the_users_eyes_only_and_come_back_as_they_were(store: Path) -> None:
    path = leave(store, "first\u2028line", "second")
    assert path.stat().st_mode & 0o777 == 0o600
    assert leftovers(store) == (path,)
    with taken(path) as lines:
        assert lines == ["first\u2028line", "second"]


def test_stores_do_not_take_each_others_lines(store: Path, tmp_path: Path) -> None:
    leave(tmp_path / "other" / "store.db", "theirs")
    assert leftovers(store) == ()


def test_a_file_that_is_no_longer_needed_goes_and_none_is_made_without_need(store: Path) -> None:
    rescue = Rescue(store)
    rescue.close(keep=False)
    rescue.save("x")
    rescue.close(keep=False)
    assert leftovers(store) == ()


def test_a_line_that_does_not_fit_leaves_no_half_of_itself(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rescue, write = Rescue(store), os.write
    path = rescue.save("whole")

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:4])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        rescue.save("too long")
    monkeypatch.undo()
    rescue.save("next")
    rescue.close(keep=True)
    assert path.read_text() == "whole\nnext\n"


def test_a_living_processs_file_is_not_taken_half_written(store: Path) -> None:
    rescue = Rescue(store)
    path = rescue.save("first of many")
    with taken(path) as lines:
        assert lines == []
    rescue.close(keep=True)
    with taken(path) as lines:
        assert lines == ["first of many"]


def test_a_file_still_in_use_a_link_or_another_users_file_is_left_alone(
    store: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave(store, "x")
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with taken(path) as lines:
            assert lines == []
    link = temporary / "link.jsonl"
    link.symlink_to(path)
    with taken(link) as lines:
        assert lines == []
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with taken(path) as lines:
        assert lines == []


async def test_a_store_takes_in_what_is_its_own_and_says_so(
    store: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    async with Store(store.parent) as first:
        await first.save_run(make_run())
    record = make_record(cost_usd=0.5)
    verdict = Verdict(
        run=record.run, agent=record.agent, task=record.task, repeat=record.repeat, judge="j", letter=None, reason=""
    )
    path = leave(store, line(record), line(verdict))
    async with Store(store.parent) as second:
        assert second.trials(record.run) == (record,)
        assert second.verdicts(record.run) == (verdict,)
    assert second.notes == (f"stored 2 records that an earlier command had to keep in {path}",)
    assert leftovers(store) == ()


async def test_lines_that_cannot_be_stored_stay_where_they_are(
    store: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    async with Store(store.parent) as first:
        await first.save_run(make_run())
    path = leave(store, line(make_record(run="unknown")), line(make_record()), '{"trial":{"run":"cut off', "{}")
    for _ in range(2):  # doing it twice does no harm
        async with Store(store.parent) as second:
            assert second.trials(make_run().id) == (make_record(),)
        assert second.notes[0].startswith("stored 1 records")
        assert "3 more are no records of a run in this store" in second.notes[0]
    assert leftovers(store) == (path,)
