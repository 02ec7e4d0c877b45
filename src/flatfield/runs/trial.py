"""One trial from start to record: workspace, conversation, loop, changes, checks. Every way to fail is a record."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from flatfield import plugins
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.copying import copy
from flatfield.agent.files.openat import discard
from flatfield.agent.loop import NanoAgent, Outcome, described
from flatfield.agent.recalling import Resumed, resumed
from flatfield.agent.system_prompt import system_prompt
from flatfield.agent.toolbox import failed_in_short, open_tools
from flatfield.agent.workspace import SANDBOX_ROOT, Snapshot, Workspace, changes, snapshot
from flatfield.errors import FlatfieldError, NotFound, NotReady, ProviderError
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.interpreter import with_packages
from flatfield.machine.sandbox.ownership import adopt
from flatfield.records import Event, Failure, Limits, TrialRecord, Turn
from flatfield.runs.store.totals import queue_seconds, with_sums
from flatfield.runs.store.underway import LOST, Begun
from flatfield.runs.store.writer import to_the_end, whatever_comes
from flatfield.runs.traffic.lanes import verify_quietly
from flatfield.runs.witness import with_testimony
from flatfield.scoring.fairness.conditions import turn_conditions
from flatfield.scoring.fairness.received import oddity
from flatfield.scoring.prices.pricing import tier_context
from flatfield.scoring.protocols import VerifyContext
from flatfield.tasks.access import nobody
from flatfield.vendors import oracle
from flatfield.vendors.base import THIS_DEVICE, Opening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from flatfield.agent.files.copying import CopyPlan
    from flatfield.agent.lag import LagMeter
    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.agent.toolbox import Toolbox
    from flatfield.clock import Clock
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import AgentConfig, Check, EventKind, FileChange, Task, TrialPlan
    from flatfield.runs.store.underway import Underway
    from flatfield.runs.store.writer import Hands, InTurns
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.runs.witness import Witness
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.tasks.access import Access
    from flatfield.vendors.base import Lane


SHOWN_CHARACTERS, SHOWN_FROM_CHARACTERS = 80, 2000
SMALL_FILES, SMALL_CHARACTERS, SMALL_CALLS = 16, 128 * 1024, 64
"""A workspace of no more at first, where no more was called for, is gone through in about a millisecond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What all trials of a run stand on; the same for every agent.

    `scratch` is the folder that workspaces are made in; `sandbox` None: commands cannot run, `sandbox_reason` says why;
    `access` decides whether a task's own code may run. `underway` keeps what finished turns used until the trial's
    record is stored, None: nobody stores it. `witness` is asked about checks that have trouble of their own. `workers`:
    the threads that make workspaces and take them away, None: the event loop's own; `turns` does that for small ones,
    None: the threads do.
    """

    pool: ProviderPool
    prices: Prices
    clock: Clock
    scratch: Path
    sandbox: Sandbox | None
    sandbox_reason: str
    observe: Callable[[Event], None]
    lag: LagMeter | None = None
    lanes: Lanes | None = None
    access: Access = field(default_factory=nobody)
    underway: Underway | None = None
    witness: Witness | None = None
    workers: Executor | None = None
    turns: InTurns | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """One trial's own: who does what, under which name and limits, from which files.

    `purse_usd`: what is left of the run's dollars for it, where that is less than its limits allow; one that would use
    more is ended, and not measured. `earlier`: the trials whose conversation it goes on with, oldest first. `gate` is
    shown what the agent left before it is verified, and says whether it is to be. `attempt` "": one of its own.
    """

    plan: TrialPlan
    agent: AgentConfig
    fingerprint: str
    task: Task
    limits: Limits
    model_name: str
    files: CopyPlan | None = None
    purse_usd: float | None = None
    earlier: tuple[TrialRecord, ...] = ()
    gate: Callable[[VerifyContext], Awaitable[bool]] | None = None
    attempt: str = ""


def _unheard(event: Event) -> None:
    """Nobody is told."""


class Unseen(Protocol):
    """Is told when an agent begins to work in a folder as it is, and when it has ended."""

    def begins(self) -> None:
        """It will write now."""
        ...

    def ended(self) -> None:
        """It writes no more."""
        ...


def tool_names(agent: AgentConfig, task: Task) -> tuple[str, ...]:
    """The task's tools (by default the five file tools), less those that the agent goes without."""
    offered = plugins.default_tools() if task.tools is None else task.tools
    return offered if agent.tools is None else tuple(name for name in offered if name in agent.tools)


def needs_sandbox(tool: str) -> bool:
    """Whether a tool runs commands."""
    return plugins.tool_traits(tool).needs_sandbox


def needs_commands(task: Task) -> bool:
    """Whether a task runs commands: as a verifier, or as a tool."""
    if any(plugins.verifier_traits(spec.kind).needs_sandbox for spec in task.verifiers):
        return True
    return any(map(needs_sandbox, task.tools or ()))


async def run_trial(assignment: Assignment, ground: Ground) -> TrialRecord:
    """Do one trial. A failure of the harness is in the record's `failure`; nothing that was used is lost."""
    plan = assignment.plan
    ground.observe(Event(kind="trial_started", agent=plan.agent, task=plan.task, repeat=plan.repeat))
    return await TrialWork(assignment, ground).run()


class TrialWork:
    """The steps of one trial, and what they leave for the record, however far they came."""

    def __init__(self, assignment: Assignment, ground: Ground) -> None:
        self._assignment = assignment
        self._ground = ground
        self._attempt = assignment.attempt or secrets.token_hex(8)
        self._started = ground.clock.now()
        self._started_at = ground.clock.utc().isoformat(timespec="seconds")
        self._system_prompt = system_prompt(assignment.agent, assignment.task, assignment.model_name)
        self._doing = "its workspace was made"
        self._sandbox = ground.sandbox
        self._owner: int | None = None
        self._outcome: Outcome | None = None
        self._wall_seconds: float | None = None
        self._changes: tuple[FileChange, ...] = ()
        self._checks: tuple[Check, ...] = ()
        self._unchecked: TrialRecord | None = None
        self._notes: tuple[str, ...] = ()

    async def run(self) -> TrialRecord:
        """Make the workspace, work in it, and take it away again, whatever happens."""
        sandbox, task, source = self._ground.sandbox, self._assignment.task, self._assignment.files
        if sandbox is None and any(map(needs_sandbox, tool_names(self._assignment.agent, task))):
            return self._record(Failure(kind="sandbox", message=self._ground.sandbox_reason))
        if source is None:
            raise ValueError(f"task {task.id!r} came without a plan of its files")
        home = self._ground.scratch / secrets.token_hex(8)
        failure = await self._ended(self._in_copy(source, home))
        record = self._record(failure)
        if notes := await whatever_comes(self._hands(), self._put_away, home):
            record = msgspec.structs.replace(record, notes=(*record.notes, *notes))
        return await self._masked(record)

    def _hands(self) -> Hands:
        """Who makes the workspace, looks through it, and takes it away."""
        calls = sum(len(turn.reply.calls) for turn in self._outcome.turns) if self._outcome else 0
        return self._ground.turns if self._is_small and calls <= SMALL_CALLS else self._ground.workers

    @cached_property
    def _is_small(self) -> bool:
        """Whether the workspace is small, and nothing but file tools, one call after the other, can make it larger."""
        agent, task, plan = self._assignment.agent, self._assignment.task, self._assignment.files
        if self._ground.turns is None or plan is None or plan.source or task.packages:
            return False
        if plugins.traits_or_usual(agent.provider).is_scaffold or needs_commands(task):
            return False
        small = len(plan.inline) <= SMALL_FILES and sum(map(len, plan.inline.values())) <= SMALL_CHARACTERS
        return small and not any(map(needs_sandbox, tool_names(agent, task)))

    def _put_away(self, home: Path) -> tuple[str, ...]:
        """Take the workspace away; notes on what could not be."""
        try:
            discard(home)
        except OSError as error:
            return (f"the workspace could not be removed: {error}",)
        return ()

    async def _masked(self, record: TrialRecord) -> TrialRecord:
        """The record without keys. The trial is over, so that it counts, whatever comes meanwhile.

        In a thread: a large record would hold up what others measure.
        """
        masks = self._ground.pool.secrets
        return await whatever_comes(self._ground.workers, masks.masked, record) if masks.keys else record

    async def work(self, root: Path, files: ConfinedFiles, unseen: Unseen | None = None) -> TrialRecord:
        """The agent's part in a folder as it is. Its changes are what `files` collected of its own calls.

        `unseen` is told when the agent itself, being a program, begins to work there, and when it has ended.
        """
        failure = await self._ended(self._in_place(root, files, unseen))
        return await self._masked(self._record(failure))

    async def _ended(self, steps: Coroutine[None, None, Failure | None]) -> Failure | None:
        """Take the steps; what ends them early is the record's failure, beside all that was used until then."""
        try:
            return await steps
        except asyncio.CancelledError:
            return self._interrupted()
        except (FlatfieldError, OSError) as error:
            return Failure(kind="workspace", message=f"failed while {self._doing}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the trial's tokens were used and must be counted
            return Failure(kind="harness", message=f"failed while {self._doing}: {described(error)}")

    def _interrupted(self) -> Failure:
        return Failure(kind="interrupted", message=f"stopped while {self._doing}")

    async def _in_copy(self, source: CopyPlan, home: Path) -> Failure | None:
        with ExitStack() as opened:
            root, files, before = await to_the_end(self._hands(), self._laid_out, source, home, opened)
            failure = await self._worked(root, files)
            if failure is None:
                self._doing = "it was looked at what the agent changed"
            files, self._changes = await to_the_end(self._hands(), self._looked_at, files, before, opened)
            if failure is None and await self._is_let_through(self._context(files, root, before)):
                await self._verify(self._context(files, root, before))
            return failure

    async def _is_let_through(self, context: VerifyContext) -> bool:
        self._doing = "it was checked whether its work is good enough"
        return self._assignment.gate is None or await self._assignment.gate(context)

    def _laid_out(self, source: CopyPlan, home: Path, opened: ExitStack) -> tuple[Path, ConfinedFiles, Snapshot]:
        """A fresh workspace in a new folder `home`, given to the sandbox's user where that is another one."""
        sandbox = self._ground.sandbox
        self._owner = sandbox.user if sandbox else None
        home.mkdir()
        home.chmod(0o711)
        root = copy(source, home)
        if self._owner is not None:
            adopt(root, self._owner)
        self._sandbox = with_packages(sandbox, self._assignment.task.packages, home)
        files = opened.enter_context(self._door(root))
        return root, files, snapshot(files, source.digests)

    def _looked_at(
        self, files: ConfinedFiles, before: Snapshot, opened: ExitStack
    ) -> tuple[ConfinedFiles, tuple[FileChange, ...]]:
        """What the agent changed; one that is a program may have taken the folder away, or put another one there."""
        if not files.is_in_place():
            _there_again(files.root, self._owner)
            files = opened.enter_context(self._door(files.root))
        return files, changes(before, files, only_looked=self._only_looked())

    def _only_looked(self) -> bool:
        """Whether the agent did nothing but call tools that leave nothing behind."""
        if self._outcome is None or plugins.traits_or_usual(self._assignment.agent.provider).is_scaffold:
            return False
        called = {call.name for turn in self._outcome.turns for call in turn.reply.calls}
        known = tool_names(self._assignment.agent, self._assignment.task)
        return all(plugins.tool_traits(name).looks_only for name in called.intersection(known))

    def _door(self, root: Path) -> ConfinedFiles:
        names = (SANDBOX_ROOT,) if self._ground.sandbox else ()
        return ConfinedFiles(root, names=names, owner=self._owner)

    async def _in_place(self, root: Path, files: ConfinedFiles, unseen: Unseen | None) -> Failure | None:
        try:
            failure = await self._worked(root, files, unseen)
        finally:
            self._changes = files.changed.listed() if files.changed else ()
        if failure is None:
            await self._verify(self._context(files, root, Snapshot(files={})))
        return failure

    async def _worked(self, root: Path, files: ConfinedFiles, unseen: Unseen | None = None) -> Failure | None:
        workspace = Workspace(root=root, files=files, sandbox=self._sandbox, command_limits=SandboxLimits())
        tools = open_tools(tool_names(self._assignment.agent, self._assignment.task), workspace, self._ground.clock)
        self._doing = "the agent was working"
        failure = await self._converse(tools, root, unseen)
        self._wall_seconds = self._ground.clock.now() - self._started - queue_seconds(self._outcome)
        return failure

    async def _verify(self, context: VerifyContext) -> None:
        self._doing = "it was verified"
        self._tell("verifying")
        lane = self._ground.pool.of(self._assignment.agent).lane(self._assignment.agent)
        witness, task = self._ground.witness, self._assignment.task
        plays_it = self._assignment.agent.provider == oracle.AGENT.provider
        if witness is None or not task.solution or plays_it:
            self._checks = await verify_quietly(context, lane, self._ground.lanes)
            return
        play = partial(self._solution, lane)
        seconds = partial(witness.seconds, task.digest, play)
        self._checks = await verify_quietly(context, lane, self._ground.lanes, seconds)
        if any(check.trouble for check in self._checks):
            self._checks = with_testimony(self._checks, await witness.checks(task.digest, play))

    async def _solution(self, lane: Lane) -> TrialRecord:
        """The task's solution, played in a workspace of its own; it is no trial of the run.

        A device that this trial has is not waited for.
        """
        task = self._assignment.task
        plan = msgspec.structs.replace(self._assignment.plan, agent=oracle.AGENT.name)
        its = replace(
            self._assignment, plan=plan, agent=oracle.AGENT, limits=task.limits, purse_usd=None, gate=None, attempt=""
        )
        ground = self._ground
        lanes = None if lane.device == THIS_DEVICE else ground.lanes
        return await TrialWork(its, replace(ground, observe=_unheard, underway=None, witness=None, lanes=lanes)).run()

    async def _converse(self, tools: Toolbox, root: Path, unseen: Unseen | None) -> Failure | None:
        """Let the agent work; what it returns is how the harness failed it."""
        assignment, pool = self._assignment, self._ground.pool
        opening = Opening(
            agent=assignment.agent,
            system_prompt=self._system_prompt,
            prompt=assignment.task.prompt,
            tools=tools.specs,
            task=assignment.task,
            workspace=str(root),
            workspace_user=self._owner,
        )
        try:
            begun = await self._begun_conversation(opening)
        except (NotReady, NotFound) as error:
            return Failure(kind="not_ready", message=str(error))
        except ProviderError as error:
            return Failure(kind="provider", message=str(error))
        on_device = pool.of(assignment.agent).on_device(assignment.agent)
        agent = NanoAgent(
            begun.conversation,
            tools,
            assignment.limits,
            price=lambda reply: self._ground.prices.usd(assignment.agent, reply.usage, on_device, sent=reply.request),
            observe=self._show,
            lag=self._ground.lag,
            purse_usd=assignment.purse_usd,
        )
        if unseen is not None:
            await to_the_end(self._ground.workers, unseen.begins)
        try:
            self._outcome = await agent.run(begun.results)
        finally:
            if unseen is not None:
                await to_the_end(self._ground.workers, unseen.ended)
        if self._outcome.stop == "error":
            return Failure(kind=self._outcome.failed, message=self._outcome.problem)
        if self._outcome.stop != "cancelled":
            return None
        cut = self._outcome.problem
        return Failure(kind="interrupted", message=cut) if cut else self._interrupted()

    async def _begun_conversation(self, opening: Opening) -> Resumed:
        """A new conversation, or one that is where its earlier trials left it."""
        earlier, pool = self._assignment.earlier, self._ground.pool
        if not earlier:
            return Resumed(conversation=await pool.converse(opening), results=(), note="")
        begun = await resumed(opening, earlier, pool.converse)
        self._notes = (begun.note,)
        return begun

    def _tell(self, kind: EventKind, text: str = "") -> None:
        plan = self._assignment.plan
        self._ground.observe(Event(kind=kind, agent=plan.agent, task=plan.task, repeat=plan.repeat, text=text))

    def _show(self, turn: Turn) -> None:
        if self._ground.underway is not None:
            self._ground.underway.add(self._attempt, self._begun, turn)
        for call, result in zip(turn.reply.calls, turn.results, strict=False):
            arguments = self._shown(call.arguments)
            self._tell("tool", self._ground.pool.secrets.text(f"{call.name} {arguments}{failed_in_short(result)}"))
        self._tell("turn", self._shown(turn.reply.text))

    def _shown(self, text: str) -> str:
        """The beginning of a text without keys; one that is cut through would not be known for one."""
        return self._ground.pool.secrets.text(text[:SHOWN_FROM_CHARACTERS])[:SHOWN_CHARACTERS]

    def _begun(self) -> Begun:
        lost = Failure(kind="interrupted", message=LOST)
        return Begun(trial=self._record(lost), usd_per_hour=self._assignment.agent.usd_per_hour)

    def _context(self, files: ConfinedFiles, root: Path, before: Snapshot) -> VerifyContext:
        self._unchecked = self._record(None)
        return VerifyContext(
            trial=self._unchecked,
            task=self._assignment.task,
            files=files,
            root=root,
            before=before,
            sandbox=self._sandbox,
            sandbox_reason=self._ground.sandbox_reason,
            access=self._ground.access,
            source=self._assignment.files.source if self._assignment.files else "",
        )

    def _record(self, failure: Failure | None) -> TrialRecord:
        """What is known by now; once it was verified, only the checks and a failure are new."""
        if self._unchecked is not None:
            return msgspec.structs.replace(self._unchecked, checks=self._checks, failure=failure)
        assignment = self._assignment
        outcome = self._outcome or Outcome(stop="cancelled" if failure and failure.kind == "interrupted" else "error")
        wall_seconds = self._ground.clock.now() - self._started if self._wall_seconds is None else self._wall_seconds
        record = TrialRecord(
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
            started_at=self._started_at,
            wall_seconds=wall_seconds,
            changes=self._changes,
            checks=self._checks,
            failure=failure,
            notes=(*self._notes, *_notes(outcome)),
            priced=self._ground.prices.described_turns(assignment.agent, outcome.turns),
            attempt=self._attempt,
            continues=assignment.earlier[-1].id if assignment.earlier else "",
        )
        return with_sums(record, outcome, assignment.agent.usd_per_hour)


def _notes(outcome: Outcome) -> Iterator[str]:
    if outcome.stop == "context_limit":
        yield outcome.problem
    yield from turn_conditions(outcome.turns)
    if odd := oddity(outcome.turns):
        yield odd
    for scaffold in dict.fromkeys(turn.reply.scaffold.name for turn in outcome.turns if turn.reply.scaffold):
        yield f"{scaffold} was held to the limit of seconds alone: it cannot be told those of turns, tokens and dollars"
    works = (turn.reply.scaffold for turn in outcome.turns if turn.reply.scaffold and turn.reply.scaffold.obeys)
    yield from dict.fromkeys(f"{work.name} was not kept from all that a workspace says: {work.obeys}" for work in works)
    tiers = (turn.reply.request.service_tier for turn in outcome.turns)
    for tier in dict.fromkeys(tier for tier in tiers if tier_context(tier)):
        priced = all(turn.cost_usd is not None for turn in outcome.turns)
        yield f"served at the service tier {tier!r}: {'priced at its rates' if priced else 'no price known for it'}"


def _there_again(root: Path, user: int | None) -> None:
    """A workspace that its agent removed, or put something else in the place of, is one that is empty: it is graded."""
    if root.is_dir() and not root.is_symlink():
        return
    root.unlink(missing_ok=True)
    root.mkdir(parents=True)
    root.chmod(0o755)
    if user is not None:
        adopt(root, user)
