"""One trial from start to record: workspace, conversation, loop, changes, checks. Every way to fail is a record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from flatfield.agent.confined import ConfinedFiles
from flatfield.agent.copying import copy
from flatfield.agent.loop import NanoAgent, Outcome
from flatfield.agent.protocols import Opening, SandboxLimits
from flatfield.agent.removing import discard
from flatfield.agent.system_prompt import system_prompt
from flatfield.agent.toolbox import FILE_TOOLS, open_tools
from flatfield.agent.workspace import SANDBOX_ROOT, Workspace, adopt, changes, snapshot
from flatfield.errors import FlatfieldError, NotReady, ProviderError
from flatfield.records import Event, Failure, Limits, TrialRecord, Turn, Usage
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from flatfield.agent.clock import Clock
    from flatfield.agent.copying import CopyPlan
    from flatfield.agent.protocols import Sandbox
    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.agent.toolbox import Toolbox
    from flatfield.agent.workspace import Snapshot
    from flatfield.records import AgentConfig, Evaluation, FileChange, Task, TrialPlan
    from flatfield.scoring.pricing import Prices


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What all trials of a run stand on; the same for every agent.

    `scratch` is the folder that workspaces are made in; `sandbox` None: commands cannot run, `sandbox_reason` says why.
    """

    pool: ProviderPool
    prices: Prices
    clock: Clock
    scratch: Path
    sandbox: Sandbox | None
    sandbox_reason: str
    observe: Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """One trial's own: who does what, under which name and limits, from which files."""

    plan: TrialPlan
    agent: AgentConfig
    fingerprint: str
    task: Task
    limits: Limits
    model_name: str
    files: CopyPlan | None = None


def limits_for(task: Task, evaluation: Evaluation) -> Limits:
    """The task's limits, with those that the HOP sets in their place: a HOP says how all its tasks are run."""
    known = {name: value for name, value in evaluation.limits.items() if name in Limits.__struct_fields__}
    return msgspec.structs.replace(task.limits, **known)


def tool_names(agent: AgentConfig, task: Task) -> tuple[str, ...]:
    """The task's tools (by default the five file tools), less those that the agent goes without."""
    offered = FILE_TOOLS if task.tools is None else task.tools
    return offered if agent.tools is None else tuple(name for name in offered if name in agent.tools)


async def run_trial(assignment: Assignment, ground: Ground) -> TrialRecord:
    """Do one trial. A failure of the harness is in the record's `failure`; nothing that was used is lost."""
    plan = assignment.plan
    ground.observe(Event(kind="trial_started", agent=plan.agent, task=plan.task, repeat=plan.repeat))
    return await TrialWork(assignment, ground).run()


class TrialWork:
    """The steps of one trial, and what they leave for the record."""

    def __init__(self, assignment: Assignment, ground: Ground) -> None:
        self._assignment = assignment
        self._ground = ground
        self._started = ground.clock.now()
        self._started_at = ground.clock.utc().isoformat(timespec="seconds")
        self._system_prompt = system_prompt(assignment.agent, assignment.task, assignment.model_name)

    def _tell(self, kind: str, text: str = "") -> None:
        plan = self._assignment.plan
        self._ground.observe(
            Event(kind=kind, agent=plan.agent, task=plan.task, repeat=plan.repeat, text=text)  # type: ignore[arg-type]
        )

    async def run(self) -> TrialRecord:
        """Make the workspace, work in it, and take it away again, whatever happens."""
        sandbox, task, source = self._ground.sandbox, self._assignment.task, self._assignment.files
        if "run_command" in tool_names(self._assignment.agent, task) and sandbox is None:
            return self._record(_failed("sandbox", self._ground.sandbox_reason))
        if source is None:
            raise ValueError(f"task {task.id!r} came without a plan of its files")
        root: Path | None = None
        try:
            root = await asyncio.to_thread(copy, source, self._ground.scratch)
            if sandbox is not None and sandbox.user is not None:
                await asyncio.to_thread(adopt, root, sandbox.user)
            with ConfinedFiles(
                root, names=(SANDBOX_ROOT,) if sandbox else (), owner=sandbox.user if sandbox else None
            ) as files:
                return await self.work(root, files)
        except (FlatfieldError, OSError) as error:
            return self._record(_failed("workspace", f"the workspace could not be made: {error}"))
        except asyncio.CancelledError:
            return self._record(_failed("interrupted", "stopped before the agent began", stop="cancelled"))
        finally:
            if root is not None:
                await asyncio.to_thread(discard, root)

    async def work(self, root: Path, files: ConfinedFiles) -> TrialRecord:
        """The agent's part in a workspace that stands, then the verifiers'."""
        before = await asyncio.to_thread(snapshot, files)
        workspace = Workspace(root=root, files=files, sandbox=self._ground.sandbox, command_limits=SandboxLimits())
        tools = open_tools(tool_names(self._assignment.agent, self._assignment.task), workspace, self._ground.clock)
        ended = await self._converse(tools)
        changed = await asyncio.to_thread(changes, before, files)
        record = self._record(ended, changed)
        if record.failure is not None:
            return record
        self._tell("verifying")
        return await self._verified(record, files, root, before)

    async def _converse(self, tools: Toolbox) -> _Ended:
        assignment, pool = self._assignment, self._ground.pool
        opening = Opening(
            agent=assignment.agent,
            system_prompt=self._system_prompt,
            prompt=assignment.task.prompt,
            tools=tools.specs,
            task=assignment.task,
        )
        try:
            conversation = await pool.converse(opening)
        except (NotReady, ProviderError) as error:
            return _failed("not_ready" if isinstance(error, NotReady) else "provider", str(error))
        on_device = pool.of(assignment.agent).on_device(assignment.agent)
        agent = NanoAgent(
            conversation,
            tools,
            assignment.limits,
            price=lambda usage: self._ground.prices.usd(assignment.agent, usage, on_device),
            observe=self._show,
        )
        outcome = await agent.run()
        if outcome.stop == "error":
            return _Ended(outcome=outcome, failure=Failure(kind=outcome.failed, message=outcome.problem))
        if outcome.stop == "cancelled":
            return _Ended(outcome=outcome, failure=Failure(kind="interrupted", message="stopped while it was running"))
        return _Ended(outcome=outcome)

    def _show(self, turn: Turn) -> None:
        for call, result in zip(turn.reply.calls, turn.results, strict=False):
            self._tell("tool", f"{call.name} {call.arguments[:80]}{'' if result.ok else ' → error'}")
        self._tell("turn", turn.reply.text[:80])

    async def _verified(self, record: TrialRecord, files: ConfinedFiles, root: Path, before: Snapshot) -> TrialRecord:
        context = VerifyContext(
            trial=record,
            task=self._assignment.task,
            files=files,
            root=root,
            before=before,
            sandbox=self._ground.sandbox,
            sandbox_reason=self._ground.sandbox_reason,
        )
        try:
            checks = await verify(self._assignment.task, context)
        except asyncio.CancelledError:
            failure = Failure(kind="interrupted", message="stopped while it was verified")
            return msgspec.structs.replace(record, failure=failure)
        return msgspec.structs.replace(record, checks=checks)

    def _record(self, ended: _Ended, changed: Sequence[FileChange] = ()) -> TrialRecord:
        assignment, outcome = self._assignment, ended.outcome
        turns = outcome.turns
        model_seconds = sum(turn.reply.model_seconds for turn in turns)
        tools_seconds = sum(turn.tools_seconds for turn in turns)
        per_hour = assignment.agent.usd_per_hour
        active_seconds = model_seconds + tools_seconds
        return TrialRecord(
            run=assignment.plan.run,
            agent=assignment.plan.agent,
            task=assignment.plan.task,
            repeat=assignment.plan.repeat,
            task_digest=assignment.task.digest,
            agent_fingerprint=assignment.fingerprint,
            stop=outcome.stop,
            answer=outcome.answer,
            system_prompt=self._system_prompt,
            prompt=assignment.task.prompt,
            turns=turns,
            usage=_total_usage(turns),
            cost_usd=_total_cost(turns),
            device_cost_usd=None if per_hour is None else active_seconds / 3600 * per_hour,
            started_at=self._started_at,
            retry_seconds=sum(turn.reply.retry_seconds for turn in turns) + outcome.retry_seconds,
            load_seconds=sum(turn.reply.load_seconds for turn in turns),
            first_token_seconds=turns[0].reply.first_token_seconds if turns else None,
            model_seconds=model_seconds,
            tools_seconds=tools_seconds,
            wall_seconds=self._ground.clock.now() - self._started,
            active_seconds=active_seconds,
            changes=tuple(changed),
            failure=ended.failure,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """How the agent's part ended; `failure` when it was the harness that failed."""

    outcome: Outcome
    failure: Failure | None = None


def _failed(kind: str, message: str, stop: str = "error") -> _Ended:
    failure = Failure(kind=kind, message=message)  # type: ignore[arg-type]
    return _Ended(outcome=Outcome(stop=stop, turns=(), problem=message), failure=failure)  # type: ignore[arg-type]


def _total_usage(turns: Sequence[Turn]) -> Usage | None:
    """The sum over all turns; None when any turn's is unknown, because a sum of the rest would be too small."""
    reported = [turn.reply.usage for turn in turns]
    if not reported or any(usage is None for usage in reported):
        return None
    known = [usage for usage in reported if usage is not None]
    return Usage(**{name: sum(getattr(usage, name) for usage in known) for name in Usage.__struct_fields__})


def _total_cost(turns: Sequence[Turn]) -> float | None:
    """Dollars over all turns; None when any turn's price is unknown."""
    costs = [turn.cost_usd for turn in turns]
    if not costs or any(cost is None for cost in costs):
        return None
    return sum(cost for cost in costs if cost is not None)
