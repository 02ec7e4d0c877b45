"""A cascade's trial: a step at a time in a fresh workspace, until a check passes; it costs and takes what all did."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from flatfield.records import CascadeStep, Event, Failure, total_usage
from flatfield.runs.routes.checks import StepCheck, check_record, check_workspace, needs_commands
from flatfield.runs.trial import TrialWork
from flatfield.scoring.forecast import total

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import AgentConfig, EventKind, TrialRecord
    from flatfield.runs.routes.checks import CheckDesk
    from flatfield.runs.trial import Assignment
    from flatfield.scoring.protocols import VerifyContext
    from flatfield.vendors.base import Lane


class StepTaken(NamedTuple):
    """A step that was tried: its agent, its record as if it were a trial of its own, and what the check said of it."""

    agent: AgentConfig
    record: TrialRecord
    check: StepCheck | None


async def run_cascade(assignment: Assignment, desk: CheckDesk) -> TrialRecord:
    """Do one trial of a cascade. Whatever ends it early is its record's failure, with all that was used until then.

    Each step has the limits of a trial for itself, in a workspace of its own; what the trial may use at most is
    therefore as much for each step.
    """
    work = _CascadeWork(assignment, desk)
    plan, ground = assignment.plan, desk.ground
    ground.observe(Event(kind="trial_started", agent=plan.agent, task=plan.task, repeat=plan.repeat))
    return await work.run()


class _CascadeWork:
    """The steps of one trial, as far as they were tried."""

    def __init__(self, assignment: Assignment, desk: CheckDesk) -> None:
        self._assignment = assignment
        self._desk = desk
        self._attempt = secrets.token_hex(8)
        self._taken: list[StepTaken] = []
        self._found: StepCheck | None = None

    async def run(self) -> TrialRecord:
        """Try step after step; cancelling it returns what was used until then, once anything was."""
        failure = None
        try:
            await self._all_steps()
        except asyncio.CancelledError:
            if not self._taken:
                raise
            failure = Failure(kind="interrupted", message="stopped between two steps")
        agent = self._assignment.agent
        return joined(agent, self._taken, failure)

    async def _all_steps(self) -> None:
        *early, last = self._assignment.agent.steps
        for step in early:
            record = await self._record_of(step, is_last=False)
            self._taken.append(StepTaken(step, record, None))
            if record.failure is not None:
                return
            check = self._found or await check_record(self._assignment.agent, record, self._desk)
            self._taken[-1] = StepTaken(step, record, check)
            if check.passed:
                return
            self._tell("verifying", f"{step.name} did not pass the check; the next step begins")
        self._taken.append(StepTaken(last, await self._record_of(last, is_last=True), None))

    async def _record_of(self, step: AgentConfig, *, is_last: bool) -> TrialRecord:
        ground = self._desk.ground
        lane = ground.pool.of(step).lane(step)
        self._found = None
        gated = needs_commands(self._assignment.agent) and not is_last
        assignment = replace(
            self._assignment,
            agent=step,
            model_name=self._model_name(step),
            purse_usd=self._purse_usd(),
            gate=partial(self._gate, lane) if gated else None,
            attempt=self._attempt,
        )
        held = ground.lanes.hold_at_work(lane, partial(self._wait, lane)) if ground.lanes else nullcontext(0.0)
        async with held as queue_seconds:
            record = await TrialWork(assignment, ground).run()
        return structs.replace(record, queue_seconds=record.queue_seconds + queue_seconds)

    async def _gate(self, lane: Lane, context: VerifyContext) -> bool:
        files = self._assignment.files
        if files is None:
            raise ValueError(f"task {context.task.id!r} came without a plan of its files")
        agent = self._assignment.agent
        self._found = await check_workspace(agent, context, files, self._desk.ground, lane)
        return self._found.passed

    def _model_name(self, step: AgentConfig) -> str:
        actual = self._desk.run.evaluation.names == "actual"
        return (step.model or step.name) if actual else self._assignment.model_name

    def _purse_usd(self) -> float | None:
        """What is left of the run's dollars for the next step."""
        purse = self._assignment.purse_usd
        if purse is None:
            return None
        spent = total([cost for step in self._taken for cost in (_usd(step.record), _check_usd(step))])
        return purse if spent is None else max(0.0, purse - spent)

    def _wait(self, lane: Lane) -> None:
        self._tell("waiting", f"lane {lane.name}")

    def _tell(self, kind: EventKind, text: str) -> None:
        plan = self._assignment.plan
        self._desk.ground.observe(Event(kind=kind, agent=plan.agent, task=plan.task, repeat=plan.repeat, text=text))


# ---------------------------------------------------------------------------- the steps' records as one


def joined(cascade: AgentConfig, steps: Sequence[StepTaken], failure: Failure | None = None) -> TrialRecord:
    """One record of all steps that were tried: what they used and took is added up, and so is what checks did.

    Its answer, changes and checks are those of the last of them: the one that passed, or behind which none comes.
    """
    records, checks = [step.record for step in steps], [step.check for step in steps if step.check is not None]
    first, last = records[0], records[-1]
    check_seconds = sum(check.seconds for check in checks)
    costs = [*map(_usd, records), *(check.usd for check in checks)]
    reported = [record.reported_cost_usd for record in records]
    return structs.replace(
        last,
        failure=failure or _failure(steps[-1]),
        started_at=first.started_at,
        first_token_seconds=first.first_token_seconds,
        turns=tuple(turn for record in records for turn in record.turns),
        usage=total_usage(turn.reply.usage for record in records for turn in record.turns),
        cost_usd=total(costs),
        abandoned_cost_usd=total([record.abandoned_cost_usd for record in records]),
        abandoned_usage=tuple(each for record in records for each in record.abandoned_usage),
        unanswered=tuple(wire for record in records for wire in record.unanswered),
        device_cost_usd=_device_usd(cascade, steps),
        reported_cost_usd=total(reported),
        priced=" | ".join(dict.fromkeys(record.priced for record in records if record.priced)),
        wall_seconds=sum(record.wall_seconds for record in records) + check_seconds,
        active_seconds=sum(record.active_seconds for record in records) + check_seconds,
        **{name: sum(getattr(record, name) for record in records) for name in _SUMMED},
        notes=tuple(_notes(steps)),
        steps=tuple(map(_part, steps)),
    )


_SUMMED = (
    "queue_seconds",
    "retry_seconds",
    "load_seconds",
    "model_seconds",
    "tools_seconds",
    "sandbox_seconds",
)


def _notes(steps: Sequence[StepTaken]) -> Iterator[str]:
    for step in steps:
        yield from (f"{step.agent.name}: {note}" for note in step.record.notes)
        if step.check is not None:
            yield said_of(step.agent, step.check)


def said_of(step: AgentConfig, check: StepCheck) -> str:
    """How a step's check ended, in words."""
    return f"{step.name} {'passed' if check.passed else 'did not pass'} the check: {check.reason}"


def _part(step: StepTaken) -> CascadeStep:
    record, check = step.record, step.check
    return CascadeStep(
        agent=step.agent.name,
        turns=len(record.turns),
        stop=record.stop,
        answer=record.answer,
        passed=check.passed if check else None,
        reason=check.reason if check else "",
        active_seconds=record.active_seconds,
        cost_usd=_usd(record),
        check_seconds=check.seconds if check else 0.0,
        check_usd=_check_usd(step),
        priced=record.priced,
    )


def _failure(step: StepTaken) -> Failure | None:
    failure = step.record.failure
    return failure and structs.replace(failure, message=f"{step.agent.name}: {failure.message}")


def _device_usd(cascade: AgentConfig, steps: Sequence[StepTaken]) -> float | None:
    """What the chain costs where a device's hour has a price: steps elsewhere at theirs."""
    if all(member.usd_per_hour is None for member in cascade.members):
        return None
    each = (_usd(step.record) if step.agent.usd_per_hour is None else step.record.device_cost_usd for step in steps)
    return total([*each, *map(_check_usd, steps)])


def _usd(record: TrialRecord) -> float | None:
    """What a step cost; one that asked nothing cost nothing."""
    return record.cost_usd if record.turns or record.abandoned_usage else 0.0


def _check_usd(step: StepTaken) -> float | None:
    return step.check.usd if step.check else 0.0
