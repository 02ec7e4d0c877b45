"""What finished turns used is known before their trial has a record, counts once, and outlives the process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.records import Failure, Reply, Run, ToolCall, TrialPlan, TrialRecord, Turn, Usage
from flatfield.runs.order import plan, remaining
from flatfield.runs.store import underway as module
from flatfield.runs.store.store import Store
from flatfield.runs.store.underway import LOST, Begun, Underway, files, in_flight, left

if TYPE_CHECKING:
    from collections.abc import Callable

    RunMaker = Callable[..., Run]
    RecordMaker = Callable[..., TrialRecord]

pytestmark = [pytest.mark.whole, pytest.mark.usefixtures("temporary")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".flatfield"


def turn(usd: float | None = 0.5, seconds: float = 2.0) -> Turn:
    call = ToolCall(id="1", name="read_file", arguments='{"file_path": "secret"}')
    usage = Usage(input_tokens=100, output_tokens=10)
    reply = Reply(text="secret", reasoning="secret", calls=(call,), usage=usage, model_seconds=seconds)
    return Turn(reply=reply, cost_usd=usd, tools_seconds=1.0)


def begun(record: TrialRecord) -> Begun:
    lost = Failure(kind="interrupted", message=LOST)
    return Begun(trial=structs.replace(record, stop="cancelled", failure=lost), usd_per_hour=3600.0)


def fly(kept: Underway, record: TrialRecord, turns: int = 1, usd: float = 0.5) -> None:
    for _ in range(turns):
        kept.add(record.attempt, partial(begun, record), turn(usd))


def die(kept: Underway) -> None:
    """What the kernel does for a process that was killed: its lock goes, its files stay."""
    import os

    os.close(kept._descriptor)
    kept._descriptor = -1


async def test_what_a_dead_process_had_in_flight_is_stored_once_and_done_again(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    first, *_ = plan(run)
    record = make_record(first, attempt="one")
    async with Store(folder) as store:
        await store.save_run(run)
        fly(store.underway, record, turns=3)
        assert Store(folder).spent_usd(run.id) == 1.5
        assert Store(folder).runs()[0].cost_usd == 1.5
        assert Store(folder).trials(run.id) == ()
        die(store.underway)
    for _ in range(2):
        async with Store(folder) as store:
            assert store.spent_usd(run.id) == store.runs()[0].cost_usd == 1.5
            (found,) = store.trials(run.id)
    assert store.notes == ()
    assert files(folder) == ()
    assert (found.stop, found.turn_count, found.tool_calls, found.cost_usd) == ("cancelled", 3, 3, 1.5)
    assert found.usage == Usage(input_tokens=300, output_tokens=30)
    assert (found.model_seconds, found.active_seconds, found.wall_seconds) == (6.0, 9.0, 9.0)
    assert found.device_cost_usd == pytest.approx(9.0)
    assert found.failure == Failure(kind="interrupted", message=LOST)
    assert "secret" not in repr(found)
    assert first in remaining(run, store.trials(run.id)).plans
    async with Store(folder) as store:
        again = make_record(first, attempt="two", cost_usd=2.0)
        await store.save_trial(again)
        assert store.trials(run.id) == (again,)
        assert store.spent_usd(run.id) == 3.5


async def test_what_was_in_flight_is_said_when_it_is_taken_in(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    async with Store(folder) as store:
        await store.save_run(run)
        for number, each in enumerate(plan(run)[:2]):
            fly(store.underway, make_record(each, attempt=f"a{number}"), usd=0.25)
        die(store.underway)
    async with Store(folder) as store:
        assert store.notes == ("2 trials were in flight when their process was ended; they had used $0.500",)


async def test_a_stored_trial_is_not_counted_beside_its_turns(
    folder: Path, make_run: RunMaker, make_record: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    record = make_record(attempt="one", cost_usd=0.5)
    async with Store(folder) as store:
        await store.save_run(run)
        fly(store.underway, record)
        monkeypatch.setattr(store.underway, "forget", lambda _: None)  # it is killed between the two
        await store.save_trial(record)
        assert store.spent_usd(run.id) == store.runs()[0].cost_usd == 0.5
        die(store.underway)
    async with Store(folder) as store:
        assert store.trials(run.id) == (record,)
        assert store.spent_usd(run.id) == 0.5
    assert files(folder) == ()


async def test_a_stored_trial_leaves_no_file(folder: Path, make_run: RunMaker, make_record: RecordMaker) -> None:
    async with Store(folder) as store:
        await store.save_run(make_run())
        record = make_record(attempt="one", cost_usd=0.5)
        fly(store.underway, record)
        assert len(in_flight(folder)) == 1
        await store.save_trial(record)
        assert in_flight(folder) == ()
    assert files(folder) == ()


async def test_a_measured_trial_keeps_its_place_and_the_lost_attempts_money_counts(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    measured = make_record(attempt="one", cost_usd=1.0)
    async with Store(folder) as store:
        await store.save_run(run)
        fly(store.underway, make_record(attempt="two"))
        await store.save_trial(measured)
        die(store.underway)
    for _ in range(2):
        async with Store(folder) as store:
            assert store.trials(run.id) == (measured,)
            assert store.spent_usd(run.id) == 1.5


async def test_a_living_process_keeps_what_it_has_in_flight(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    async with Store(folder) as living:
        await living.save_run(run)
        record = make_record(attempt="one", cost_usd=0.5)
        fly(living.underway, record)
        async with Store(folder) as other:
            assert (other.notes, other.trials(run.id)) == ((), ())
            assert other.spent_usd(run.id) == 0.5
        fly(living.underway, record)
        assert Store(folder).spent_usd(run.id) == 1.0
        await living.save_trial(structs.replace(record, cost_usd=1.0))
        assert Store(folder).spent_usd(run.id) == 1.0


async def test_a_run_that_nobody_stored_is_listed_and_stored_with_what_it_used(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    older, run = make_run(id="20250101-000000-aaaa", created_at="2025"), make_run(delegated=True)
    async with Store(folder) as store:
        await store.save_run(older)
    kept = Underway(folder, run)
    fly(kept, make_record(attempt="one"))
    die(kept)
    listed, _ = Store(folder).runs()
    assert (listed.id, listed.delegated, listed.stored, listed.cost_usd) == (run.id, True, 0, 0.5)
    async with Store(folder) as store:
        assert store.load_run(run.id) == run
        assert [trial.attempt for trial in store.trials(run.id)] == ["one"]
        assert [(each.id, each.cost_usd) for each in store.runs()] == [(run.id, 0.5), (older.id, 0.0)]


async def test_attempts_of_a_run_that_this_store_does_not_hold_stay(folder: Path, make_record: RecordMaker) -> None:
    kept = Underway(folder)
    fly(kept, make_record(attempt="one"))
    die(kept)
    async with Store(folder) as store:
        assert store.notes == ()
    assert len(in_flight(folder)) == 1


def test_half_a_line_is_passed_over(folder: Path, make_record: RecordMaker) -> None:
    kept = Underway(folder)
    fly(kept, make_record(attempt="one"), turns=2)
    (path,) = files(folder)
    whole = path.read_bytes()
    for cut in range(1, 60, 7):
        path.write_bytes(whole[:-cut])
        (lost,) = in_flight(folder)
        assert lost.trial.turn_count == 1
    kept.close()


def test_a_turn_that_holds_what_cannot_be_is_counted_by_the_rest(folder: Path, make_record: RecordMaker) -> None:
    kept = Underway(folder)
    call = ToolCall(id="1", name="read_\ud800", arguments="{}")
    odd = [turn(seconds=float("inf")), structs.replace(turn(), reply=structs.replace(turn().reply, calls=(call,)))]
    for each in odd:
        kept.add("one", partial(begun, make_record(attempt="one")), each)
    ((found,),) = (in_flight(folder),)
    assert (found.trial.turn_count, found.trial.cost_usd) == (2, 1.0)
    assert found.trial.model_seconds == 2.0
    kept.close()


def test_a_turn_without_a_known_price_leaves_the_sum_unknown(folder: Path, make_record: RecordMaker) -> None:
    kept = Underway(folder)
    record = make_record(attempt="one")
    kept.add("one", partial(begun, record), turn(None))
    (lost,) = in_flight(folder)
    assert (lost.trial.cost_usd, lost.trial.turn_count) == (None, 1)
    kept.close()


def test_a_disk_that_takes_no_more_costs_no_trial(folder: Path, make_record: RecordMaker) -> None:
    folder.parent.mkdir()
    folder.write_text("no folder")
    kept = Underway(folder)
    fly(kept, make_record(attempt="one"))
    kept.forget("one")
    kept.close()
    assert folder.read_text() == "no folder"


def test_nothing_is_made_before_a_turn_has_ended(folder: Path) -> None:
    kept = Underway(folder)
    kept.forget("one")
    kept.close()
    assert not folder.exists()


def test_who_takes_in_first_has_them_alone(folder: Path, make_record: RecordMaker) -> None:
    kept = Underway(folder)
    fly(kept, make_record(attempt="one"))
    (path,) = files(folder)
    with left(path) as found:
        assert found is None
    die(kept)
    with left(path) as first, left(path) as second:
        assert first is not None
        assert [each.trial.attempt for each in first] == ["one"]
        assert second is None
    path.unlink()
    with left(path) as gone:
        assert gone is None


OPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=60)


@given(OPS, st.integers(0, 4000))
def test_what_is_in_flight_is_what_was_added_and_not_forgotten(ops: list[tuple[str, bool]], longest: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONGEST_BYTES", longest)
        folder = Path(name)
        kept, known = Underway(folder), dict[str, int]()
        ended = 0
        for letter, adds in ops:
            attempt = f"{letter}{ended}"
            record = _record(attempt)
            if adds:
                fly(kept, record)
                known[attempt] = known.get(attempt, 0) + 1
            else:
                ended += 1  # an attempt has a name of its own: after its end there is no more of it
                for each in list(known):
                    if each.startswith(letter):
                        kept.forget(each)
                        del known[each]
        assert {each.trial.attempt: each.trial.turn_count for each in in_flight(folder)} == known
        kept.close()
        assert bool(files(folder)) == bool(known)


def _record(attempt: str) -> TrialRecord:
    trial = TrialPlan(run="r", agent="a", task="t", repeat=1)
    return TrialRecord(
        run=trial.run, agent=trial.agent, task=trial.task, repeat=trial.repeat, task_digest="", agent_fingerprint="",
        stop="cancelled", attempt=attempt,
    )  # fmt: skip


def test_a_long_run_keeps_its_file_short(folder: Path, make_record: RecordMaker) -> None:
    kept = Underway(folder)
    fly(kept, make_record(attempt="stays"), turns=2)
    for number in range(600):
        fly(kept, make_record(attempt=f"a{number}"), turns=2)
        kept.forget(f"a{number}")
    (path,) = files(folder)
    assert path.stat().st_size < 2 * module.LONGEST_BYTES
    assert [(each.trial.attempt, each.trial.turn_count) for each in in_flight(folder)] == [("stays", 2)]
    with left(path) as found:
        assert found is None  # the new file is locked too
    kept.close()


async def test_a_store_of_an_earlier_version_is_read_as_it_is_and_written(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    async with Store(folder) as store:
        await store.save_run(run)
        await store.save_trial(make_record(cost_usd=1.0))
    with sqlite3.connect(folder / "store.db") as connection:
        connection.execute("DROP INDEX trials_superseded")
        connection.execute("UPDATE trials SET record = json_remove(record, '$.attempt')")
    connection.close()
    kept = Underway(folder)
    fly(kept, make_record(plan(run)[-1], attempt="one"))
    assert Store(folder).spent_usd(run.id) == 1.5
    die(kept)
    async with Store(folder) as store:
        assert store.spent_usd(run.id) == 1.5
        assert len(store.trials(run.id)) == 2


KILLED = """
import os, sys
from functools import partial
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_underway import begun, fly, turn, _record
from flatfield.runs.store.underway import Underway
kept = Underway(Path({folder!r}))
fly(kept, _record("one"), turns=3)
os.kill(os.getpid(), 9)
"""


def test_kill_9_leaves_every_turn_that_had_ended(folder: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    (path,) = files(folder)
    with left(path) as found:
        assert found is not None
        assert [(each.trial.attempt, each.trial.turn_count, each.trial.cost_usd) for each in found] == [("one", 3, 1.5)]
