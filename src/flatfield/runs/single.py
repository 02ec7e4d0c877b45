"""One nano agent in a directory as it is: no copy, no verifiers; what stores it is the caller's choice."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield import plugins
from flatfield.agent.destinations import runs_code
from flatfield.agent.files.changed import Changed
from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.files.guarding import Protection, check_workspace
from flatfield.agent.files.searching import remember_all
from flatfield.agent.files.shielding import alone
from flatfield.agent.files.stamping import Looks
from flatfield.agent.tools.run_command import run_shielded
from flatfield.agent.workspace import SANDBOX_ROOT
from flatfield.errors import FlatfieldError, NotReady
from flatfield.machine.hardware import versions
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.ownership import journal_of, settle
from flatfield.records import Evaluation, Event, Run, Task, TrialPlan
from flatfield.runs.order import new_run_id
from flatfield.runs.probing import Probing, with_protocol
from flatfield.runs.traffic.lanes import limit_agents
from flatfield.runs.trial import Assignment, Ground, TrialWork, needs_sandbox, tool_names
from flatfield.runs.world import open_world
from flatfield.tasks.access import is_code
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from flatfield.agent.files.changed import Beside, CodeWitness
    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.http.services import Kept
    from flatfield.machine.protocols import Sandbox
    from flatfield.records import AgentConfig, Limits, TrialRecord
    from flatfield.runs.store.underway import Underway
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.runs.traffic.servers import Gate
    from flatfield.runs.world import Outside
    from flatfield.tasks.ledger import Ledger


# Remembers the code that an agent writes in a user's own folder, in the ledger of trust, before anybody can run it.


OWN = ".flatfield"
"""What we write ourselves while an agent works in a project's own folder."""


class Remembering:
    """A witness that tells the ledger; where it cannot be written, that is said once, and the work goes on."""

    def __init__(self, root: Path, ledger: Ledger, observe: Callable[[Event], None]) -> None:
        self._root = root
        self._ledger = ledger
        self._observe = observe
        self._said = False

    def writes(self, path: str, data: bytes) -> None:
        """A file is about to be written; `path` is relative to the workspace."""
        if is_code(Path(path), data):
            self._try(lambda: self._ledger.wrote(self._whole((path,))))

    def begins(self) -> str:
        """A command, or a program, is about to write unseen; the mark to settle."""
        marks: list[str] = []
        self._try(lambda: marks.append(self._ledger.begins(str(self._root))))
        return "".join(marks)

    def settle(self, mark: str, paths: Collection[str]) -> None:
        """All that was written under a mark is known: these files."""
        self._try(lambda: self._ledger.settle(mark, self._whole(paths)))

    def _whole(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            place = self._root / path
            yield str(place.parent.resolve() / place.name)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except FlatfieldError as error:
            if not self._said:
                text = f"the code that is written here is not remembered: {error}"
                self._observe(Event(kind="note", text=text))
            self._said = True


class ProgramAtWork:
    """An agent that is a program, and writes with its own hands: what it changed shows in the folder's stat stamps."""

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files
        self._looks = Looks(files.root, (OWN,))
        self._witness: CodeWitness | None = files.changed.witness if files.changed else None
        self._mark = ""
        self._since = 0

    def begins(self) -> None:
        """It will write now."""
        self._mark = self._witness.begins() if self._witness else ""
        self._since = self._files.changed.moment if self._files.changed else 0
        self._looks()

    def ended(self) -> None:
        """It writes no more."""
        self._looks()
        self._files.settle_unseen(self._looks, self._mark, self._since)


PROMPT = "prompt"
"""The id of the task that a bare prompt is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a single agent is run with, who is told, and the run that it is of.

    `outside.access` also remembers the code that the agent writes. `traffic` is what agents of one event loop ask
    servers through together, None: this one is alone. `allow` are paths and globs that the user opened, relative to the
    workspace or absolute; `config` is the flatfield.toml in force, `homes` are the folders beside whose `agents/`
    agents are read. `underway` keeps what finished turns used, where the record is to be stored. `kept` is what may go
    on running for later prompts of this process. `places` are for those who work at once (`Lanes.jobs` of `traffic`):
    who waits for a lane takes none; None: there is no end of them. `beside` tells agents that work in one folder apart.
    `attempt` and `whole`: this is one step of a trial, of that attempt at it, by the agent of that name.
    """

    outside: Outside
    observe: Callable[[Event], None]
    run: str = ""
    traffic: Lanes | None = None
    allow: tuple[str, ...] = ()
    config: Path | None = None
    homes: tuple[Path, ...] = ()
    underway: Underway | None = None
    kept: Kept | None = None
    places: Gate | None = None
    beside: Beside | None = None
    attempt: str = ""
    whole: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderWork:
    """What is to be done where and by whom; `why` this agent, where a route chose it.

    `check`: the command that says whether it is good; "": there is none, and the folder itself is worked in.
    """

    prompt: str
    agent: AgentConfig
    folder: Path
    limits: Limits
    check: str = ""
    why: str = ""


def prompt_task(prompt: str, limits: Limits, agent: AgentConfig) -> Task:
    """The task that a bare prompt is: its tools are the agent's own, by default the file tools."""
    return Task(id=PROMPT, title=PROMPT, prompt=prompt, limits=limits, tools=agent.tools)


def delegated_run(task: Task, agent: AgentConfig, now: datetime, folder: Path) -> Run:
    """The run that one prompt is, handed to one agent in `folder`; its only trial is `RUN/agent/prompt/1`."""
    return Run(
        id=new_run_id(now, random.SystemRandom()),
        created_at=now.isoformat(timespec="seconds"),
        evaluation=Evaluation(title="delegated prompt"),
        tasks=(task,),
        agents=(agent,),
        repeats={task.id: 1},
        versions=versions(),
        source=str(folder),
        delegated=True,
    )


async def run_here(work: FolderWork, around: Surroundings, earlier: tuple[TrialRecord, ...] = ()) -> TrialRecord:
    """One agent's work in the folder itself, confined to it; cancelling it returns the record of what was done.

    `earlier`: the trials whose conversation it goes on with, oldest first.

    What others execute or obey there is not written, and where secrets lie is not read; `run_command`, where the agent
    has it, is kept from both.

    Raises:
        NotFound: the agent's provider does not exist.
        NotReady: a key, a server, a model or the sandbox for commands is missing; or the agent is a cascade.
        FlatfieldError: the folder is protected itself.
    """
    agent, folder = work.agent, work.folder
    if agent.steps:
        raise NotReady(
            f"{agent.name} is a cascade, which goes on where a check fails: name a check, a command such as pytest -q, "
            f"or one of its steps ({', '.join(step.name for step in agent.steps)})"
        )
    check_workspace(folder, around.allow)
    protection = _protection(folder, around)

    def tell(text: str) -> None:
        around.observe(Event(kind="note", text=text))

    async with open_world(around.outside, tell, traffic=around.traffic, kept=around.kept) as world:
        lanes, pool = world.lanes, world.pool
        said = await pool.check(agent)
        limit_agents(lanes, pool, (agent,), around.outside.lane_limits)
        agent, _ = await with_protocol(agent, Probing(pool=pool, lanes=lanes, tell=tell))
        assignment = replace(_assignment(work.prompt, agent, work.limits, around), earlier=earlier)
        commanding = tuple(filter(needs_sandbox, tool_names(agent, assignment.task)))
        sandbox = await _sandbox(protection, commanding) if commanding else None
        trial = TrialWork(assignment, _ground(pool, folder, sandbox, around))
        lane = pool.of(agent).lane(agent)

        def wait() -> None:
            around.observe(Event(kind="waiting", text=f"waiting: others are at work on {lane.name}"))

        async with (
            lanes.hold(lane, wait) as lane_seconds,
            _place(around) as place_seconds,
            lanes.alone_at_work(lane) as device_seconds,
        ):
            record = await _worked(trial, protection, assignment, sandbox, around)
        waited = record.queue_seconds + lane_seconds + place_seconds + device_seconds
        return structs.replace(
            record, queue_seconds=waited, notes=(*record.notes, *filter(None, (said,)), *opened(protection))
        )


@asynccontextmanager
async def _place(around: Surroundings) -> AsyncIterator[float]:
    """Hold a place among those who work at once; the value is the seconds that were waited for it."""
    if around.places is None:
        yield 0.0
        return
    asked = around.outside.clock.now()
    text = "waiting: as many agents are at work as may be at once"
    await around.places.enter(lambda: around.observe(Event(kind="waiting", text=text)))
    try:
        yield around.outside.clock.now() - asked
    finally:
        around.places.leave()


def _protection(folder: Path, around: Surroundings) -> Protection:
    protection = Protection(folder, allow=around.allow, config=around.config, homes=around.homes)
    ledger = around.outside.access.ledger
    if ledger.path is not None:
        protection.claim_place(ledger.path.parent, "it is flatfield's own: it says what you trust")
    return protection


def _assignment(prompt: str, agent: AgentConfig, limits: Limits, around: Surroundings) -> Assignment:
    task = prompt_task(prompt, limits, agent)
    return Assignment(
        plan=TrialPlan(run=around.run, agent=around.whole or agent.name, task=task.id, repeat=1),
        attempt=around.attempt,
        agent=agent,
        fingerprint=fingerprint(agent),
        task=task,
        limits=limits,
        model_name=agent.model or agent.name,
    )


def _ground(pool: ProviderPool, folder: Path, sandbox: Sandbox | None, around: Surroundings) -> Ground:
    return Ground(
        pool=pool,
        prices=around.outside.prices,
        clock=around.outside.clock,
        scratch=folder,
        sandbox=sandbox,
        sandbox_reason="",
        observe=around.observe,
        access=around.outside.access,
        underway=around.underway,
    )


async def _worked(
    work: TrialWork, protection: Protection, assignment: Assignment, sandbox: Sandbox | None, around: Surroundings
) -> TrialRecord:
    """The agent's work in the folder, with all that it writes collected, and the code among it remembered."""
    await asyncio.to_thread(_look, protection)
    root = protection.root
    changed = Changed(Remembering(root, around.outside.access.ledger, around.observe), around.beside, str(root))
    names = (SANDBOX_ROOT,) if sandbox else ()
    with ConfinedFiles(root, names=names, protection=protection, changed=changed) as files:
        unseen = ProgramAtWork(files) if runs_code(assignment.agent) else None
        return await work.work(root, files, unseen)


def _look(protection: Protection) -> None:
    """See what is protected, and give back what a killed process had lent to its sandbox's user."""
    journal = journal_of(protection.root, os.environ)
    if journal.exists():
        with alone(protection) as is_alone:
            if is_alone:
                settle(protection.root, journal)
    remember_all(protection)


def opened(protection: Protection) -> tuple[str, ...]:
    """Notes on what a user opened to an agent, and on what was open anyway."""
    notes = [f"opened by the user: {', '.join(protection.allow)}"] if protection.allow else []
    nothing = [pattern for pattern in protection.allow if protection.opens_nothing(pattern)]
    notes += [f"{pattern} needs no opening: nothing protects that very name" for pattern in nothing]
    return tuple(notes)


async def _sandbox(protection: Protection, tools: Sequence[str]) -> Sandbox:
    """The sandbox for the commands of tools, once it has run one in this very folder.

    Raises:
        NotReady: there is none that is safe, or it or a tool cannot keep commands from what is protected here.
    """
    unsafe = next((tool for tool in tools if not plugins.tool_traits(tool).shields_folder), None)
    if unsafe:
        raise NotReady(
            f"the agent's tools name {unsafe}, which does not keep its commands from what is protected in this folder; "
            "leave it out of `tools`, or give it to a task, which works in a copy"
        )
    try:
        sandbox = await asyncio.to_thread(find_sandbox, os.environ)
        await run_shielded("true", protection, sandbox, SandboxLimits())
    except NotReady as error:
        raise NotReady(f"the agent's tools name {tools[0]}, and commands cannot be run safely here: {error}") from None
    return sandbox
