"""Runs many trials at once: bounded by jobs, lanes and a budget; every finished trial is stored at once."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from msgspec import Struct, structs

from flatfield.errors import StoreError
from flatfield.records import Event, Failure, TrialPlan, TrialRecord
from flatfield.runs.budget import UNKNOWN_TERMS, Terms
from flatfield.saying import dollars

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from flatfield.runs.budget import Budget
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.vendors.base import Lane


T = TypeVar("T")
JOBS = 8
NotStarted = Literal["budget", "time", "interrupted", "store"]


class TrialStore(Protocol):
    """Where finished trials go."""

    async def save_trial(self, record: TrialRecord) -> bool:
        """Store it durably; False when it was there already."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What trials are run with: at most `jobs` of them at once.

    `execute` does one trial; when it is cancelled it may return a record with stop "cancelled", so that what was used
    until then is not lost, or let the cancellation pass. `unmeasured` makes the record of a trial that failed in the
    harness. `lane_of` says which lane it needs, None for none; `terms` what it may cost and take. `observe` is told of
    waiting and finished trials.
    """

    execute: Callable[[TrialPlan], Awaitable[TrialRecord]]
    unmeasured: Callable[[TrialPlan, Failure], TrialRecord]
    lane_of: Callable[[TrialPlan], Lane | None]
    lanes: Lanes
    store: TrialStore
    budget: Budget
    observe: Callable[[Event], None]
    jobs: int = JOBS
    terms: Callable[[TrialPlan], Terms] = lambda _: UNKNOWN_TERMS


class Summary(Struct, frozen=True, kw_only=True):
    """What became of each planned trial, by id: every one is in exactly one of these.

    `not_measured` says why; `cancelled` were running when the run was stopped (stored as "interrupted" if they left a
    record); `not_started` says what stood in the way. All but `measured` are done by a resumed run. `notes` are for
    the user.
    """

    measured: tuple[str, ...] = ()
    not_measured: dict[str, Failure] = {}
    cancelled: tuple[str, ...] = ()
    not_started: dict[str, NotStarted] = {}
    notes: tuple[str, ...] = ()

    def and_then(self, later: Summary) -> Summary:
        """What became of these trials and of those that ran after them."""
        return Summary(
            measured=(*self.measured, *later.measured),
            not_measured=self.not_measured | later.not_measured,
            cancelled=(*self.cancelled, *later.cancelled),
            not_started=self.not_started | later.not_started,
            notes=(*self.notes, *later.notes),
        )


async def run_trials(plans: Sequence[TrialPlan], means: Means, stop: asyncio.Event) -> Summary:
    """Run the trials in their order, as far as jobs, lanes and the budget allow.

    Where there is a budget of dollars, the first trial of each agent that may cost anything comes before the others,
    one at a time, so that it is known what they cost before more is spent.

    A trial that waits for its lane takes no job, nor does one that waits out a refusal: a slow or a busy model does not
    hold up the others, and for a moment one more may be at work when it goes on. The waiting for its lane is added
    to its record's `queue_seconds`, counted from the moment when its turn had come but its lane was taken. When `stop`
    is set, or this coroutine is cancelled, no trial starts any more, the running ones are cancelled, and what they
    return is stored, marked "interrupted". An exception in `execute` makes that trial "not measured"; it ends no other.

    Raises:
        StoreError: a record could not be stored. From then on no trial starts; the running ones are let finish, as
            they are paid for. The message says where the records are.
        asyncio.CancelledError: it was cancelled; what had finished is stored.
    """
    session = _RunningTrials(means)
    if stop.is_set():
        return session.summary(plans)
    work = asyncio.create_task(session.run(plans))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not work.done():
            session.stopping = True
            work.cancel()
            await asyncio.wait({work})
        if session.store_error is not None:
            raise session.store_error
    if not work.cancelled():
        work.result()
    return session.summary(plans)


class _RunningTrials:
    """One call of `run_trials`: what is shared between its trials."""

    def __init__(self, means: Means) -> None:
        self.means = means
        if means.jobs < 1:
            message = f"jobs is {means.jobs}; it must be at least 1"
            raise ValueError(message)
        self.stopping = False
        self.store_error: StoreError | None = None
        self._slots = means.lanes.jobs(means.jobs)
        self._observe: Callable[[Event], None] | None = means.observe
        self._measured: list[str] = []
        self._not_measured: dict[str, Failure] = {}
        self._cancelled: list[str] = []
        self._not_started: dict[str, NotStarted] = {}
        self._notes: list[str] = []

    async def run(self, plans: Sequence[TrialPlan]) -> None:
        piloted = set[str]()
        while (pilot := self._pilot(plans, piloted)) is not None:
            piloted.add(pilot.id)
            await self._trial(pilot, asyncio.Event())
        async with asyncio.TaskGroup() as group:
            for plan in (plan for plan in plans if plan.id not in piloted):
                async with self._slots:  # there is room, so this plan's turn has come
                    pass
                placed = asyncio.Event()
                group.create_task(self._trial(plan, placed))
                await placed.wait()

    def _pilot(self, plans: Sequence[TrialPlan], piloted: set[str]) -> TrialPlan | None:
        """The next trial that has to tell what an agent costs; another one where that did not come to cost anything."""
        budget, terms = self.means.budget, self.means.terms
        if budget.closed or self.store_error is not None:
            return None
        asked = (plan for plan in plans if plan.id not in piloted)
        return next((plan for plan in asked if budget.needs_pilot(plan.agent, terms(plan))), None)

    def summary(self, plans: Sequence[TrialPlan]) -> Summary:
        known = {*self._measured, *self._not_measured, *self._cancelled, *self._not_started}
        never: dict[str, NotStarted] = {plan.id: "interrupted" for plan in plans if plan.id not in known}
        return Summary(
            measured=tuple(self._measured),
            not_measured=self._not_measured,
            cancelled=tuple(self._cancelled),
            not_started=self._not_started | never,
            notes=tuple(self._notes),
        )

    async def _trial(self, plan: TrialPlan, placed: asyncio.Event) -> None:
        """One trial, from its lane to its record; `placed` tells that it runs or waits for its lane."""

        def wait() -> None:
            self._tell("waiting", plan, text=f"lane {lane.name}" if lane else "")
            placed.set()

        try:
            lane = self.means.lane_of(plan)
            held = self.means.lanes.hold(lane, wait) if lane else nullcontext(0.0)
            async with held as queue_seconds, self._slots:
                placed.set()
                await self._start(plan, lane, queue_seconds)
        except asyncio.CancelledError:
            if not self.stopping:
                raise
        except Exception as error:  # noqa: BLE001 - one trial's bug must not end the others
            await self._keep(plan, self.means.unmeasured(plan, _bug(error)))
        finally:
            placed.set()

    async def _start(self, plan: TrialPlan, lane: Lane | None, queue_seconds: float) -> None:
        if self.store_error is not None:
            self._not_started[plan.id] = "store"
            return
        budget, terms = self.means.budget, self.means.terms(plan)
        if not await budget.admit(plan.id, plan.agent, terms):
            self._note_budget(plan)
            return
        record: TrialRecord | None = None
        in_time = True
        try:
            # The device is taken last: whoever has it waits for nothing that others hold.
            async with self.means.lanes.alone(lane) if lane else nullcontext(0.0) as device_seconds:
                queue_seconds += device_seconds
                in_time = budget.ends_in_time(plan.agent, plan.task, terms)
                record = await self._execute(plan) if in_time else None
        finally:
            self._settle(plan, record)
        if not in_time:
            self._note_time(plan, terms)
            return
        if record is None:
            self._cancelled.append(plan.id)
            return
        await self._keep(plan, structs.replace(record, queue_seconds=record.queue_seconds + queue_seconds))

    def _settle(self, plan: TrialPlan, record: TrialRecord | None) -> None:
        budget = self.means.budget
        if record is None:
            budget.settle(plan.id, None, measured=False, used=False)
            return
        budget.took(record)
        used = bool(record.turns) or record.failure is None
        cut = record.stop == "cancelled" and budget.purse_usd(plan.id) is not None and not self.stopping
        budget.settle(plan.id, record.cost_usd, measured=record.failure is None, used=used, cut=cut)

    async def _execute(self, plan: TrialPlan) -> TrialRecord | None:
        """The trial's record; None when it was cancelled and left none."""
        try:
            record = await self.means.execute(plan)
        except asyncio.CancelledError:
            if self.stopping:
                return None
            message = "the trial was cancelled from within, though nobody asked for it"
            return self.means.unmeasured(plan, Failure(kind="harness", message=message))
        except Exception as error:  # noqa: BLE001 - one trial's bug must not end the others
            return self.means.unmeasured(plan, _bug(error))
        if record.stop == "cancelled" and record.failure is None:
            message = "stopped before it was finished; --resume does it again"
            return structs.replace(record, failure=Failure(kind="interrupted", message=message))
        return record

    async def _keep(self, plan: TrialPlan, record: TrialRecord) -> None:
        try:
            if not await _undisturbed(self.means.store.save_trial(record)):
                self._notes.append(f"{plan.id} was stored by another process first: that record counts")
        except StoreError as error:
            self.store_error = error
        if record.failure is None:
            self._measured.append(plan.id)
        elif record.failure.kind == "interrupted":
            self._cancelled.append(plan.id)
        else:
            self._not_measured[plan.id] = record.failure
        self._tell("trial_finished", plan, record=record)

    def _note_budget(self, plan: TrialPlan) -> None:
        budget = self.means.budget
        if not budget.unknown_agents:
            spent = f"{dollars(budget.spent_usd)} of the budget of {dollars(budget.limit_usd)} are spent"
            self._note_once("budget", plan, f"no more trials start: {spent}")
        self._not_started[plan.id] = "budget"

    def _note_time(self, plan: TrialPlan, terms: Terms) -> None:
        budget = self.means.budget
        seconds = budget.expected_seconds(plan.agent, plan.task, terms)
        said = f"{budget.seconds:.0f} s of the budget of {budget.limit_seconds:.0f} s are over"
        likely = f"{plan.agent} will take about {seconds:.{0 if seconds >= 10 else 1}f} s"
        text = f"trials that would not end in time do not start: {said}, and {likely}"
        self._note_once("time", plan, f"{text} for {plan.task}")
        self._not_started[plan.id] = "time"

    def _note_once(self, why: NotStarted, plan: TrialPlan, text: str) -> None:
        if why not in self._not_started.values():
            self._notes.append(text)
            self._tell("note", plan, text=text)

    def _tell(
        self,
        kind: Literal["waiting", "trial_finished", "note"],
        plan: TrialPlan,
        *,
        text: str = "",
        record: TrialRecord | None = None,
    ) -> None:
        if self._observe is None:
            return
        cost_usd = record.cost_usd if record else None
        event = Event(
            kind=kind, agent=plan.agent, task=plan.task, repeat=plan.repeat, text=text, cost_usd=cost_usd, record=record
        )
        try:
            self._observe(event)
        except Exception as error:  # noqa: BLE001 - a display must not cost a trial
            self._observe = None
            self._notes.append(f"progress is no longer shown: {_bug(error).message}")


def _bug(error: Exception) -> Failure:
    """A failure that says what was raised and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    message = f"{type(error).__name__}: {error} (in {Path(place.filename).name}:{place.lineno}, {place.name})"
    return Failure(kind="harness", message=message)


async def _undisturbed(work: Coroutine[None, None, T]) -> T:
    """The work's result; a cancellation meanwhile is dropped, so only for work that ends soon and is the last."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()
