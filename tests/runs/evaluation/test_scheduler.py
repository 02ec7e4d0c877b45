"""Trials run side by side within jobs, lanes and budget; whatever happens to one, the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import StoreError
from flatfield.records import Event, Failure, TrialPlan, TrialRecord
from flatfield.runs.budget import Budget, Terms
from flatfield.runs.evaluation.scheduler import Means, run_trials
from flatfield.runs.traffic.lanes import Devices, Lanes
from flatfield.vendors.base import Lane, device_lane

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.clock import Clock
    from flatfield.testing.clocks import FakeClock

DEVICE = Lane(name="device", width=1)
Execute = Callable[[TrialPlan], Awaitable[TrialRecord]]


def trial(agent: str, repeat: int = 1) -> TrialPlan:
    return TrialPlan(run="r", agent=agent, task="t", repeat=repeat)


def record_of(plan: TrialPlan, **fields: Any) -> TrialRecord:
    values: dict[str, Any] = {"task_digest": "d", "agent_fingerprint": "f", "stop": "answered"}
    return TrialRecord(run=plan.run, agent=plan.agent, task=plan.task, repeat=plan.repeat, **(values | fields))


def unmeasured(plan: TrialPlan, failure: Failure) -> TrialRecord:
    return record_of(plan, failure=failure, stop="error")


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


class Memory:
    """A store that keeps trials in a list; from `full_after` on it has no room."""

    def __init__(self, full_after: int = 1000) -> None:
        self.stored: list[TrialRecord] = []
        self._full_after = full_after

    async def save_trial(self, record: TrialRecord) -> bool:
        await asyncio.sleep(0)
        if len(self.stored) >= self._full_after:
            raise StoreError("the disk is full")
        if any(record.id == other.id for other in self.stored):
            return False
        self.stored.append(record)
        return True


class Stage:
    """Executes trials that end when told to, and says which are running."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.started: list[str] = []
        self._ends: dict[str, asyncio.Future[TrialRecord]] = {}

    async def execute(self, plan: TrialPlan) -> TrialRecord:
        self.running.append(plan.id)
        self.started.append(plan.id)
        self._ends[plan.id] = asyncio.get_running_loop().create_future()
        try:
            return await self._ends[plan.id]
        finally:
            self.running.remove(plan.id)

    async def end(self, plan: TrialPlan, **fields: Any) -> None:
        self._ends[plan.id].set_result(record_of(plan, **fields))
        await settle()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def means(clock: Clock, memory: Memory) -> Callable[..., Means]:
    def make(execute: Execute, **fields: Any) -> Means:
        values: dict[str, Any] = {
            "unmeasured": unmeasured,
            "lane_of": lambda plan: DEVICE if plan.agent.startswith("local") else Lane(name="api", width=100),
            "lanes": Lanes(clock),
            "store": memory,
            "budget": Budget(None),
            "observe": lambda _: None,
            "jobs": 3,
        }
        return Means(execute=execute, **(values | fields))

    return make


async def at_once(plan: TrialPlan) -> TrialRecord:
    await asyncio.sleep(0)
    return record_of(plan, cost_usd=0.1)


async def test_all_trials_are_done_stored_and_accounted_for(means: Callable[..., Means], memory: Memory) -> None:
    plans = [trial("a", n) for n in range(20)]
    events: list[Event] = []
    summary = await run_trials(plans, means(at_once, observe=events.append), asyncio.Event())
    assert sorted(summary.measured) == sorted(plan.id for plan in plans)
    assert {record.id for record in memory.stored} == set(summary.measured)
    assert [event.record for event in events if event.kind == "trial_finished"] == memory.stored
    assert (summary.not_measured, summary.cancelled, summary.not_started, summary.notes) == ({}, (), {}, ())


async def test_no_more_run_at_once_than_jobs_and_in_the_plans_order(means: Callable[..., Means]) -> None:
    stage = Stage()
    plans = [trial("a", n) for n in range(6)]
    work = asyncio.create_task(run_trials(plans, means(stage.execute), asyncio.Event()))
    await settle()
    for n, plan in enumerate(plans):
        assert stage.running == [other.id for other in plans[n : n + 3]]
        await stage.end(plan)
    await work
    assert stage.started == [plan.id for plan in plans]


async def test_trials_that_wait_for_the_device_do_not_hold_up_the_others(
    means: Callable[..., Means], memory: Memory, clock: Clock
) -> None:
    stage, events = Stage(), list[Event]()
    local = [trial("local", n) for n in range(5)]
    api = [trial("api", n) for n in range(4)]
    work = asyncio.create_task(run_trials([*local, *api], means(stage.execute, observe=events.append), asyncio.Event()))
    await settle()
    assert stage.running == [local[0].id, api[0].id, api[1].id]
    assert [event.repeat for event in events if event.kind == "waiting"] == [1, 2, 3, 4]
    for plan in api:
        await stage.end(plan)
    assert stage.running == [local[0].id]
    for plan in local:
        await clock.sleep(10)
        await stage.end(plan, queue_seconds=1.0)
    await work
    queued = {record.id: record.queue_seconds for record in memory.stored}
    assert [queued[plan.id] for plan in local] == [1, 11, 21, 31, 41]
    assert [queued[plan.id] for plan in api] == [0, 0, 0, 0]


async def test_an_agent_without_a_lane_runs_beside_all(means: Callable[..., Means]) -> None:
    summary = await run_trials([trial("a"), trial("b")], means(at_once, lane_of=lambda _: None), asyncio.Event())
    assert len(summary.measured) == 2


async def test_a_bug_in_one_trial_is_its_own_record_and_ends_no_other(
    means: Callable[..., Means], memory: Memory
) -> None:
    async def execute(plan: TrialPlan) -> TrialRecord:
        if plan.agent == "raises":
            raise KeyError("nobody")
        if plan.agent == "cancels itself":
            raise asyncio.CancelledError
        return await at_once(plan)

    def lane_of(plan: TrialPlan) -> Lane:
        return Lane(name="x", width=0 if plan.agent == "no width" else 5)

    agents = ["raises", "cancels itself", "no width", "fine"]
    summary = await run_trials([trial(agent) for agent in agents], means(execute, lane_of=lane_of), asyncio.Event())
    assert summary.measured == ("r/fine/t/1",)
    assert len(memory.stored) == 4
    assert {failure.kind for failure in summary.not_measured.values()} == {"harness"}
    told = summary.not_measured["r/raises/t/1"].message
    assert "KeyError: 'nobody'" in told
    assert "test_scheduler.py:" in told


async def test_failures_that_a_trial_reports_are_not_measured(means: Callable[..., Means], memory: Memory) -> None:
    async def execute(plan: TrialPlan) -> TrialRecord:
        return unmeasured(plan, Failure(kind="provider", message="503"))

    summary = await run_trials([trial("a")], means(execute), asyncio.Event())
    assert summary.not_measured == {"r/a/t/1": Failure(kind="provider", message="503")}
    assert memory.stored[0].failure is not None


async def leaves_a_record(plan: TrialPlan) -> TrialRecord:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return record_of(plan, stop="cancelled", cost_usd=0.5)
    raise AssertionError


@pytest.mark.parametrize("by", ["stop", "cancel"])
async def test_stopping_stores_what_ran_until_then_and_what_it_cost(
    means: Callable[..., Means], memory: Memory, by: str
) -> None:
    async def execute(plan: TrialPlan) -> TrialRecord:
        if plan.agent == "done":
            return record_of(plan)
        if plan.agent == "leaves":
            return await leaves_a_record(plan)
        return await asyncio.Event().wait() and record_of(plan)

    stop = asyncio.Event()
    budget = Budget(None)
    plans = [trial("done"), trial("leaves"), trial("local"), trial("local", 2), trial("gone"), trial("late")]
    work = asyncio.create_task(run_trials(plans, means(execute, budget=budget, jobs=3), stop))
    await settle()
    if by == "cancel":
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    else:
        stop.set()
        summary = await work
        assert summary.measured == ("r/done/t/1",)
        assert set(summary.cancelled) == {"r/leaves/t/1", "r/local/t/1", "r/gone/t/1"}
        assert summary.not_started == {"r/local/t/2": "interrupted", "r/late/t/1": "interrupted"}
    stored = {record.agent: record for record in memory.stored}
    assert set(stored) == {"done", "leaves"}
    assert stored["leaves"].failure is not None
    assert stored["leaves"].failure.kind == "interrupted"
    assert stored["leaves"].cost_usd == 0.5
    assert budget.spent_usd == 0.5


async def test_a_trial_that_is_being_stored_when_the_run_is_stopped_counts_as_measured(
    means: Callable[..., Means],
) -> None:
    class Slow(Memory):
        def __init__(self) -> None:
            super().__init__()
            self.commit = asyncio.Event()

        async def save_trial(self, record: TrialRecord) -> bool:
            await self.commit.wait()
            return await super().save_trial(record)

    store, stop = Slow(), asyncio.Event()
    work = asyncio.create_task(run_trials([trial("a")], means(at_once, store=store), stop))
    await settle()
    stop.set()
    await settle()
    store.commit.set()
    assert (await work).measured == ("r/a/t/1",)
    assert len(store.stored) == 1


async def test_when_stopped_before_the_start_nothing_is_spent(means: Callable[..., Means], memory: Memory) -> None:
    stop = asyncio.Event()
    stop.set()
    summary = await run_trials([trial("a")], means(at_once), stop)
    assert summary.not_started == {"r/a/t/1": "interrupted"}
    assert memory.stored == []


async def test_when_the_budget_is_spent_the_rest_is_not_started_and_said_once(
    means: Callable[..., Means], memory: Memory
) -> None:
    plans = [trial("a", n) for n in range(10)]
    events: list[Event] = []
    given = means(at_once, budget=Budget(0.35), jobs=1, observe=events.append)
    summary = await run_trials(plans, given, asyncio.Event())
    assert len(summary.measured) == len(memory.stored) == 3
    assert summary.not_started == {plan.id: "budget" for plan in plans[3:]}
    assert len(summary.notes) == 1
    assert "$0.300 of the budget of $0.350" in summary.notes[0]
    assert [event.text for event in events if event.kind == "note"] == list(summary.notes)


async def test_a_full_disk_starts_no_more_trials_but_lets_the_running_finish(means: Callable[..., Means]) -> None:
    stage, store = Stage(), Memory(full_after=1)
    plans = [trial("a", n) for n in range(6)]
    work = asyncio.create_task(run_trials(plans, means(stage.execute, store=store), asyncio.Event()))
    await settle()
    for plan in plans[:4]:
        await stage.end(plan)
    with pytest.raises(StoreError, match="disk is full"):
        await work
    assert stage.started == [plan.id for plan in plans[:4]]


async def test_a_record_that_another_process_stored_first_is_said(means: Callable[..., Means], memory: Memory) -> None:
    memory.stored.append(record_of(trial("a"), answer="theirs"))
    summary = await run_trials([trial("a")], means(at_once), asyncio.Event())
    assert [record.answer for record in memory.stored] == ["theirs"]
    assert "r/a/t/1 was stored by another process first" in summary.notes[0]


async def test_a_broken_display_costs_no_trial(means: Callable[..., Means], memory: Memory) -> None:
    def observe(event: Event) -> None:
        raise BrokenPipeError(f"no terminal for {event.kind}")

    plans = [trial("a", n) for n in range(3)]
    summary = await run_trials(plans, means(at_once, observe=observe), asyncio.Event())
    assert len(summary.measured) == len(memory.stored) == 3
    assert len(summary.notes) == 1
    assert "progress is no longer shown" in summary.notes[0]


async def test_runs_that_share_lanes_share_the_device(means: Callable[..., Means], clock: Clock) -> None:
    stage, lanes = Stage(), Lanes(clock)
    first, second = trial("local", 1), trial("local", 2)
    works = [
        asyncio.create_task(run_trials([plan], means(stage.execute, lanes=lanes), asyncio.Event()))
        for plan in (first, second)
    ]
    await settle()
    assert stage.running == [first.id]
    await stage.end(first)
    assert stage.running == [second.id]
    await stage.end(second)
    await asyncio.gather(*works)


async def test_no_jobs_at_all_is_refused(means: Callable[..., Means]) -> None:
    with pytest.raises(ValueError, match="jobs is 0"):
        await run_trials([], means(at_once, jobs=0), asyncio.Event())


async def test_the_device_is_waited_for_last_and_the_waiting_is_the_trials_queue(
    means: Callable[..., Means], memory: Memory, clock: FakeClock, tmp_path: Path
) -> None:
    """Trials that hold all jobs may wait for the device themselves, to be verified: nobody waits in a circle."""
    lanes, lane = Lanes(clock, Devices(tmp_path, clock, lambda _: None)), device_lane()

    async def execute(plan: TrialPlan) -> TrialRecord:
        started = clock.now()
        if plan.agent == "local":
            await clock.sleep(5)
            return record_of(plan, active_seconds=clock.now() - started)
        async with lanes.beside():
            await clock.sleep(2)
        return record_of(plan)

    plans = [trial("api", n) for n in range(6)]
    plans[2:2] = [trial("local", n) for n in range(3)]
    work = means(execute, lanes=lanes, lane_of=lambda plan: lane if plan.agent == "local" else None, jobs=2)
    async with asyncio.timeout(60):
        summary = await run_trials(plans, work, asyncio.Event())
    assert len(summary.measured) == len(plans)
    local = [record for record in memory.stored if record.agent == "local"]
    assert any(record.queue_seconds > 0 for record in local)


async def test_stopping_while_the_device_is_waited_for_ends_at_once(
    means: Callable[..., Means], memory: Memory, clock: FakeClock, tmp_path: Path
) -> None:
    devices, stop = Devices(tmp_path, clock, lambda _: None), asyncio.Event()
    lanes, lane = Lanes(clock, Devices(tmp_path, clock, lambda _: None)), device_lane()
    async with devices.hold("local", shared=False):
        running = asyncio.create_task(
            run_trials([trial("local")], means(at_once, lanes=lanes, lane_of=lambda _: lane), stop)
        )
        while not clock.slept:  # noqa: ASYNC110 - the clock under test is what is waited for
            await asyncio.sleep(0)
        stop.set()
        async with asyncio.timeout(60):
            summary = await running
    assert summary.measured == ()
    assert memory.stored == []
    async with devices.hold("local", shared=False) as seconds:
        assert seconds == 0


async def test_what_nobody_knows_the_cost_of_is_tried_first_and_one_at_a_time(means: Callable[..., Means]) -> None:
    stage = Stage()
    plans = [trial("known", 1), trial("a", 1), trial("known", 2), trial("b", 1), trial("a", 2), trial("b", 2)]
    known = Terms(most_usd=0.1, priced=True, can_be_held=True)
    given = means(
        stage.execute, budget=Budget(9.0), terms=lambda plan: known if plan.agent == "known" else Terms(), jobs=8
    )
    work = asyncio.create_task(run_trials(plans, given, asyncio.Event()))
    await settle()
    assert stage.running == ["r/a/t/1"]
    await stage.end(plans[1], cost_usd=0.1)
    assert stage.running == ["r/b/t/1"]
    await stage.end(plans[3], cost_usd=0.1)
    assert stage.running == ["r/known/t/1", "r/known/t/2", "r/a/t/2", "r/b/t/2"]
    for plan in (plans[0], plans[2], plans[4], plans[5]):
        await stage.end(plan, cost_usd=0.1)
    assert len((await work).measured) == 6


async def test_after_first_trials_of_unknown_cost_nothing_starts(means: Callable[..., Means], memory: Memory) -> None:
    async def execute(plan: TrialPlan) -> TrialRecord:
        return record_of(plan)

    budget = Budget(1.0)
    plans = [trial(agent, n) for n in (1, 2) for agent in ("known", "a", "b")]
    known = Terms(most_usd=0.1, priced=True, can_be_held=True)
    given = means(execute, budget=budget, terms=lambda plan: known if plan.agent == "known" else Terms())
    summary = await run_trials(plans, given, asyncio.Event())
    assert [record.id for record in memory.stored] == ["r/a/t/1", "r/b/t/1"]
    assert set(summary.not_started.values()) == {"budget"}
    assert (budget.unknown_agents, summary.notes) == (["a", "b"], ())


async def test_a_first_trial_that_came_to_nothing_is_followed_by_another_one(means: Callable[..., Means]) -> None:
    stage = Stage()
    plans = [trial("a", n) for n in range(3)]
    work = asyncio.create_task(run_trials(plans, means(stage.execute, budget=Budget(1.0)), asyncio.Event()))
    await settle()
    await stage.end(plans[0], stop="error", failure=Failure(kind="provider", message="503"))
    assert stage.running == ["r/a/t/1"]
    await stage.end(plans[1], cost_usd=0.1)
    await stage.end(plans[2], cost_usd=0.1)
    assert len((await work).measured) == 2


async def test_what_would_not_end_in_time_is_not_started_and_said_once(
    means: Callable[..., Means], memory: Memory, clock: Clock
) -> None:
    async def execute(plan: TrialPlan) -> TrialRecord:
        await clock.sleep(10)
        return record_of(plan, wall_seconds=10.0)

    budget = Budget(None, limit_seconds=65.0, clock=clock)
    plans = [trial("a", n) for n in range(8)]
    given = means(execute, budget=budget, jobs=1, terms=lambda _: Terms(most_seconds=60.0))
    summary = await run_trials(plans, given, asyncio.Event())
    assert len(memory.stored) == len(summary.measured) == 6
    assert summary.not_started == {plan.id: "time" for plan in plans[6:]}
    (said,) = summary.notes
    assert said.startswith("trials that would not end in time do not start: 60 s of the budget of 65 s are over")
    assert said.endswith("and a will take about 10 s for t")
