"""What is stored can be read again; what takes another's place does so only where it should."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.errors import NotFound, StoreError
from flatfield.http.tape import Tape, rebuilt
from flatfield.records import Failure, Reply, Run, TrialPlan, TrialRecord, Turn, Usage, Verdict
from flatfield.runs.order import plan
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    RunMaker = Callable[..., Run]
    RecordMaker = Callable[..., TrialRecord]

pytestmark = pytest.mark.usefixtures("temporary")
INTERRUPTED = Failure(kind="interrupted", message="stopped")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".flatfield"


def verdict_on(record: TrialRecord, judge: str = "wise", reason: str = "fine", cost_usd: float = 0.25) -> Verdict:
    return Verdict(
        run=record.run,
        agent=record.agent,
        task=record.task,
        repeat=record.repeat,
        judge=judge,
        letter="A",
        reason=reason,
        cost_usd=cost_usd,
    )


async def test_what_is_stored_is_read_back_by_another_store(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    records = [
        make_record(trial, usage=Usage(output_tokens=n), answer="é\u2028😀") for n, trial in enumerate(plan(run))
    ]
    async with Store(folder) as store:
        await store.save_run(run)
        assert await asyncio.gather(*(store.save_trial(record) for record in records)) == [True] * 8
        assert len(store.trials(run.id)) == 8  # at once: readers see what was acknowledged
    other = Store(folder)
    assert other.load_run() == run
    assert other.trials(run.id) == tuple(sorted(records, key=lambda record: (record.task, record.agent, record.repeat)))
    assert [other.trial(record.id) for record in records] == records
    assert (folder / ".gitignore").read_text() == "*\n"


def test_reading_before_anything_was_stored_makes_nothing(folder: Path) -> None:
    store = Store(folder)
    assert (store.runs(), store.trials("r"), store.verdicts("r"), store.spent_usd("r")) == ((), (), (), 0.0)
    with pytest.raises(NotFound, match="no runs are stored"):
        store.load_run()
    assert not folder.exists()


async def test_the_newest_is_the_one_made_last_whatever_the_clock_said(folder: Path, make_run: RunMaker) -> None:
    """A clock that was wrong, or another machine's, makes no run the newest for ever."""
    async with Store(folder) as store:
        for run, more in (
            ("20990101-000000-aaaa", {}),
            ("20260101-000000-bbbb", {}),
            ("20250101-000000-cccc", {"imported": True}),
            ("20250101-000000-dddd", {"delegated": True}),
        ):
            await store.save_run(make_run(id=run, created_at=run, **more))
        assert store.load_run().id == "20260101-000000-bbbb"
        assert [summary.id[-4:] for summary in store.runs()] == ["dddd", "cccc", "bbbb", "aaaa"]
        await store.save_run(make_run(id="20990101-000000-aaaa", created_at="20990101-000000-aaaa"), update=True)
        assert store.load_run().id == "20260101-000000-bbbb", "going on with a run makes no new one of it"


async def test_others_figures_are_the_newest_only_where_there_is_nothing_else(folder: Path, make_run: RunMaker) -> None:
    async with Store(folder) as store:
        await store.save_run(make_run(id="20250101-000000-cccc", imported=True))
    assert store.load_run().id == "20250101-000000-cccc"


async def test_a_cost_that_nobody_knows_is_none_and_not_0(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    first, second, third, *_ = plan(run)
    async with Store(folder) as store:
        await store.save_run(run)
        assert (store.runs()[0].cost_usd, store.spent_usd(run.id)) == (0.0, 0.0), "nothing was done"
        await store.save_trial(make_record(first))
        assert (store.runs()[0].cost_usd, store.spent_usd(run.id)) == (None, None)
        await store.save_trial(make_record(second, cost_usd=0.0))
        assert (store.runs()[0].cost_usd, store.spent_usd(run.id)) == (0.0, 0.0)
        await store.save_trial(make_record(third, cost_usd=0.5))
        assert store.spent_usd(run.id) == 0.5


async def test_runs_are_listed_newest_first_with_what_became_of_them(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    old, new = make_run(id="20250101-000000-aaaa", created_at="2025-01-01T00:00:00+00:00"), make_run()
    first, second, third, *_ = plan(new)
    async with Store(folder) as store:
        await store.save_run(old)
        await store.save_run(new)
        await store.save_trial(make_record(first, cost_usd=0.5))
        await store.save_trial(make_record(second))
        await store.save_trial(make_record(third, failure=INTERRUPTED, cost_usd=0.25))
        summaries = store.runs()
    assert [summary.id for summary in summaries] == [new.id, old.id]
    found = summaries[0]
    assert (found.planned, found.stored, found.measured, found.cost_usd) == (8, 3, 2, 0.75)
    assert (found.title, found.agents, found.tasks) == ("Which one reads best?", ("fast", "slow"), ("read", "write"))


async def test_a_run_is_found_by_its_id_by_a_beginning_or_as_the_newest(folder: Path, make_run: RunMaker) -> None:
    ids = ["20250101-000000-aaaa", "20250101-000000-bbbb", "20260101-000000-cccc"]
    async with Store(folder) as store:
        for run in ids:
            await store.save_run(make_run(id=run, created_at=run))
    assert store.load_run().id == ids[2]
    assert store.load_run("2026").id == ids[2]
    assert store.load_run(ids[0]).id == ids[0]
    with pytest.raises(NotFound, match="an empty text names no run"):
        store.load_run("")
    with pytest.raises(NotFound, match=f"2 runs begin with '2025': {ids[1]}, {ids[0]}"):
        store.load_run("2025")
    with pytest.raises(NotFound, match=f"no run '2024'; the latest are: {ids[2]}, "):
        store.load_run("2024")
    with pytest.raises(NotFound, match="no run '%'"):
        store.load_run("%")


async def test_a_trial_is_found_by_its_id_and_a_missing_one_is_told_with_what_there_is(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    record = make_record(TrialPlan(run="20260101-000000-0000", agent="a:b@c", task="täsk 1", repeat=3))
    async with Store(folder) as store:
        await store.save_run(make_run())
        with pytest.raises(NotFound, match="stored in this run: none yet"):
            store.trial(record.id)
        await store.save_trial(record)
    assert store.trial(record.id) == record
    assert store.trial("2026/a:b@c/täsk 1/3") == record
    with pytest.raises(NotFound, match=f"no trial '2026/x/y/1'; stored in this run: {record.id}"):
        store.trial("2026/x/y/1")


async def test_exchanges_are_compressed_when_they_are_stored(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    tape, body = Tape(), b'{"messages":[' + b'{"role":"user","content":"word"},' * 400
    answered, cut = (tape.keep("http://localhost/v1", {}, sent, b"word " * 500) for sent in (body, body + body))
    record = make_record(turns=(Turn(reply=Reply(text="", wire=(answered,))),), unanswered=(cut,))
    async with Store(folder) as store:
        await store.save_run(make_run())
        assert await store.save_trial(record)
        (kept,) = store.trials(record.run)
    wires = [*kept.turns[0].reply.wire, *kept.unanswered]
    assert list(rebuilt(wires)) == list(rebuilt([answered, cut]))
    assert sum(len(wire.sent) + len(wire.received) for wire in wires) < len(body) / 20


async def test_the_first_measured_trial_stays(folder: Path, make_run: RunMaker, make_record: RecordMaker) -> None:
    first = make_record(answer="first", cost_usd=1.0)
    async with Store(folder) as store:
        await store.save_run(make_run())
        assert await store.save_trial(first)
        assert not await store.save_trial(make_record(answer="second"))
        assert not await store.save_trial(make_record(failure=INTERRUPTED))
        assert store.trials(first.run) == (first,)


async def test_two_names_for_one_configuration_are_two_trials(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    async with Store(folder) as store:
        await store.save_run(make_run())
        for agent in ("fast", "fast again"):
            trial = TrialPlan(run=make_run().id, agent=agent, task="read", repeat=1)
            assert await store.save_trial(make_record(trial, agent_fingerprint="same"))
        assert len(store.trials(make_run().id)) == 2


async def test_a_failed_trial_gives_way_to_the_one_done_again_but_its_cost_stays(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    failed = make_record(failure=INTERRUPTED, stop="cancelled", cost_usd=0.5)
    again = make_record(answer="at last", cost_usd=0.25)
    async with Store(folder) as store:
        await store.save_run(make_run())
        assert await store.save_trial(failed)
        assert not await store.save_trial(failed)  # the very same record twice: nothing to do
        assert await store.save_trial(again)
        assert store.trials(again.run) == (again,)
        assert store.trial(again.id) == again
        assert store.spent_usd(again.run) == 0.75
        assert store.runs()[0].stored == 1


async def test_a_trial_of_an_edited_task_takes_the_old_ones_place_and_its_verdicts(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    old = make_record(answer="to the old question", cost_usd=0.5)
    new = make_record(answer="to the new question", task_digest="edited", cost_usd=0.5)
    async with Store(folder) as store:
        await store.save_run(make_run())
        await store.save_trial(old)
        await store.save_verdicts([verdict_on(old)])
        assert await store.save_trial(new)
        assert store.trials(new.run) == (new,)
        assert store.verdicts(new.run) == ()
        assert store.spent_usd(new.run) == 1.25


async def test_a_later_verdict_replaces_the_same_judges_earlier_one(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    record = make_record()
    early, late, other = verdict_on(record), verdict_on(record, reason="better"), verdict_on(record, judge="zealous")
    async with Store(folder) as store:
        await store.save_run(make_run())
        await store.save_verdicts([])
        await store.save_verdicts([early, other])
        await store.save_verdicts([late, late])
        assert store.verdicts(record.run) == (late, other)
        assert store.spent_usd(record.run) == 0.75


async def test_an_id_that_another_run_has_is_refused_unless_it_is_resumed(folder: Path, make_run: RunMaker) -> None:
    run = make_run()
    async with Store(folder) as store:
        await store.save_run(run)
        await store.save_run(run)
        resumed = structs.replace(run, notes=("resumed",))
        with pytest.raises(StoreError, match="another run 20260101-000000-0000"):
            await store.save_run(resumed)
        assert store.load_run() == run
        await store.save_run(resumed, update=True)
        assert store.load_run() == resumed


async def test_a_trial_whose_waiter_was_cancelled_is_stored_nevertheless(
    folder: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    async with Store(folder) as store:
        await store.save_run(make_run())
        task = asyncio.create_task(store.save_trial(make_record()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert store.trials(make_run().id) == (make_record(),)


async def test_a_closed_store_can_be_written_again(folder: Path, make_run: RunMaker, make_record: RecordMaker) -> None:
    store = Store(folder)
    for repeat in (1, 2):
        async with store:
            await store.save_run(make_run())
            await store.save_trial(structs.replace(make_record(), repeat=repeat))
    assert len(store.trials(make_run().id)) == 2
