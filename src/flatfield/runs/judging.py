"""Has trials judged: those of a run as they end, and those of a stored run again; every verdict is stored at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from flatfield.errors import FlatfieldError, NotReady
from flatfield.records import Event
from flatfield.runs.budget import Budget
from flatfield.runs.scratch import claimed
from flatfield.runs.traffic.lanes import limit_agents
from flatfield.runs.world import open_world
from flatfield.scoring.forecast import total
from flatfield.scoring.judge.judge import is_comparative, judge, rubric_of
from flatfield.scoring.judge.request import CONCURRENT_REQUESTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.records import AgentConfig, Reply, Run, Task, ToolResult, TrialRecord, TurnBudget, Verdict
    from flatfield.runs.store.store import Store
    from flatfield.runs.store.tables import TrialRow
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.runs.world import Outside, World
    from flatfield.vendors.base import Conversation, Lane, Opening

    Group = tuple[TrialRecord, ...]


# What files held before agents changed them, so that a judge can be shown what was changed.


MOST_BYTES = 64 * 1024


def with_originals(run: Run, trials: Sequence[TrialRecord]) -> Run:
    """The run, whose tasks' `files` hold also what modified files of their workspace folders were before.

    Files that are no UTF-8 text or larger than MOST_BYTES are left out, and so are folders that are gone: where the
    text before is not known, a judge sees the file as it is now. Reads files; raises nothing.
    """
    changed: dict[str, set[str]] = {}
    for trial in trials:
        changed.setdefault(trial.task, set()).update(each.path for each in trial.changes if each.kind == "modified")
    return structs.replace(run, tasks=tuple(_with_originals(task, changed.get(task.id, set())) for task in run.tasks))


def _with_originals(task: Task, paths: set[str]) -> Task:
    if task.workspace is None:
        return task
    return structs.replace(task, files=dict(_texts(Path(task.workspace).resolve(), paths)) | task.files)


def _texts(folder: Path, paths: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(paths):
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file() and path.stat().st_size <= MOST_BYTES:
                yield name, path.read_text(encoding="utf-8")
        except (OSError, ValueError):  # ValueError: a name with a NUL, or no UTF-8
            continue


# Has judges grade the trials that they have not graded yet; each verdict is stored as soon as it is there.


Judged = TypeVar("Judged", "TrialRecord", "TrialRow")


@dataclass(frozen=True, slots=True)
class Court:
    """What judges are asked with: the trials' own lanes, so that a device serves one at a time, and their budget.

    `stop` set means: ask nothing more; what has been answered is stored.
    """

    world: World
    budget: Budget
    store: Store
    observe: Callable[[Event], None]
    stop: asyncio.Event


async def judge_missing(
    run: Run, judges: Sequence[AgentConfig], court: Court, *, again: bool = False
) -> tuple[str, ...]:
    """Each judge in turn grades what it has not graded yet; what it could not grade is said in the notes returned.

    With `again`, it grades everything anew: its latest letter for a trial counts, the earlier ones stay stored.

    Raises:
        StoreError: a verdict could not be stored; the message says where it was kept instead.
    """
    notes: list[str] = []
    verdicts = () if again else court.store.verdicts(run.id)
    if not _is_any_open(run, judges, court.store.rows(run.id), verdicts):
        return ()
    trials = court.store.trials(run.id)
    shown = await asyncio.to_thread(with_originals, run, trials)
    for agent in judges:
        groups = open_groups(run, trials, _of(agent, verdicts))
        if not groups or court.stop.is_set():
            continue
        count = sum(map(len, groups))
        court.observe(Event(kind="judging", agent=agent.name, text=f"{count} {'trial' if count == 1 else 'trials'}"))
        found = await _sit(shown, agent, groups, court)
        notes += _notes(agent, groups, found, court)
        if run.panel and not again and agent.name not in run.panel:
            run = structs.replace(run, panel=(*run.panel, agent.name))
            await court.store.save_run(run, update=True)
    return tuple(notes)


def _is_any_open(
    run: Run, judges: Sequence[AgentConfig], rows: Sequence[TrialRow], verdicts: Sequence[Verdict]
) -> bool:
    """Whether a judge has anything to grade; what the columns say is enough to know it."""
    return any(open_groups(run, rows, _of(agent, verdicts)) for agent in judges)


def _of(judge: AgentConfig, verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.judge == judge.name]


def open_groups(run: Run, trials: Sequence[Judged], verdicts: Sequence[Verdict]) -> tuple[tuple[Judged, ...], ...]:
    """The trials that lack one judge's letter, grouped as they are judged.

    A rubric that compares is judged over all trials of a task and repeat at once: where one letter is missing, or an
    answer is new, all of them are asked for again, because letters of different comparisons do not compare.
    """
    done = {(verdict.agent, verdict.task, verdict.repeat) for verdict in verdicts if verdict.letter is not None}
    groups: list[tuple[Judged, ...]] = []
    for task in run.tasks:
        rubric = rubric_of(task)
        if not rubric:
            continue
        there = [trial for trial in trials if trial.task == task.id and not trial.failure and not trial.imported]
        together = is_comparative(rubric)
        keys = dict.fromkeys((trial.repeat, "" if together else trial.agent) for trial in there)
        for repeat, agent in keys:
            group = tuple(t for t in there if t.repeat == repeat and agent in {"", t.agent})
            if any((trial.agent, trial.task, trial.repeat) not in done for trial in group):
                groups.append(group)
    return tuple(groups)


def purse_of(judge: str) -> str:
    """Under which name the budget counts a judge: what it costs to judge tells nothing of the same agent's trials."""
    return f"judge {judge}"


async def _sit(run: Run, agent: AgentConfig, groups: Sequence[Group], court: Court) -> tuple[Verdict, ...]:
    """The verdicts that were given until all was judged, the budget spent, or the run stopped."""
    gate = asyncio.Semaphore(CONCURRENT_REQUESTS)
    purse = purse_of(agent.name)
    on_device = court.world.pool.of(agent).on_device(agent)
    converse = in_lane(court.world.pool, court.world.lanes, agent)

    def price(reply: Reply) -> float | None:
        return court.world.outside.prices.usd(agent, reply.usage, on_device, sent=reply.request)

    async def grade(group: Group) -> tuple[Verdict, ...]:
        async with gate:
            if not await court.budget.admit(group[0].id, purse):
                return ()
            verdicts: tuple[Verdict, ...] = ()
            try:
                verdicts = await judge(run, group, agent, converse, price)
            finally:
                asked = [verdict for verdict in verdicts if verdict.usage is not None or verdict.letter is not None]
                court.budget.settle(group[0].id, total([verdict.cost_usd for verdict in asked]))
            now = court.world.outside.clock.utc().isoformat()
            stamped = (structs.replace(verdict, judged_at=now) for verdict in verdicts)
            return tuple(map(court.world.pool.secrets.masked, stamped))

    found: list[Verdict] = []
    told = 0
    stopped = asyncio.ensure_future(court.stop.wait())
    asked = {asyncio.ensure_future(grade(group)) for group in groups}
    try:
        while asked and not stopped.done():
            ready, _ = await asyncio.wait({*asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for each in asked & ready:
                await court.store.save_verdicts(each.result())
                found += each.result()
            asked -= ready
            told = _told(agent, len(found), sum(map(len, groups)), told, court)
    finally:
        stopped.cancel()
        for each in asked:
            each.cancel()
        await asyncio.gather(stopped, *asked, return_exceptions=True)
    return tuple(found)


def _told(agent: AgentConfig, done: int, planned: int, told: int, court: Court) -> int:
    """How many tenths are told of: a judge may take as long as the trials did, and has no table of its own."""
    tenths = done * 10 // planned
    if tenths > told and done < planned:
        court.observe(Event(kind="judging", agent=agent.name, text=f"{done} of {planned} judged"))
    return tenths


def _notes(agent: AgentConfig, groups: Sequence[Group], found: Sequence[Verdict], court: Court) -> Iterator[str]:
    failed = [verdict for verdict in found if verdict.letter is None]
    if failed:
        yield f"judge {agent.name} gave no letter to {len(failed)} of {len(found)} trials: {failed[0].reason}"
    missing = sum(map(len, groups)) - len(found)
    if missing and purse_of(agent.name) in court.budget.unknown_agents:
        yield (
            f"judge {agent.name} was not asked about {missing} trials: what it costs is not known, so no budget can be "
            "kept; set its price in flatfield.toml, or go on without a budget: "
            f"flatfield regrade --judge {agent.name} --missing"
        )
    elif missing and court.budget.unknown_agents:
        unknown = ", ".join(court.budget.unknown_agents)
        yield f"judge {agent.name} was not asked about {missing} trials: what {unknown} costs is not known"
    elif missing and court.budget.closed:
        yield f"judge {agent.name} was not asked about {missing} trials: the budget is spent"


def in_lane(
    pool: ProviderPool, lanes: Lanes, agent: AgentConfig, heard: Callable[[Reply], None] = lambda _reply: None
) -> Callable[[Opening], Awaitable[Conversation]]:
    """Conversations with the agent whose turns wait for its lane; `heard` is told of each reply."""
    lane = pool.of(agent).lane(agent)

    async def converse(opening: Opening) -> Conversation:
        async with lanes.hold(lane), lanes.alone(lane):
            return _InLane(await pool.converse(opening), lanes, lane, heard)

    return converse


class _InLane:
    """A conversation each of whose turns waits for its lane."""

    def __init__(self, conversation: Conversation, lanes: Lanes, lane: Lane, heard: Callable[[Reply], None]) -> None:
        self._conversation = conversation
        self._lanes = lanes
        self._lane = lane
        self._heard = heard

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        async with self._lanes.hold(self._lane), self._lanes.alone(self._lane):
            reply = await self._conversation.turn(results, budget)
        self._heard(reply)
        return reply


# Opens the world for judges, where no trials are run.


@asynccontextmanager
async def courtroom(
    judges: Sequence[AgentConfig], outside: Outside, tell: Callable[[str], None]
) -> AsyncIterator[World]:
    """The world that judges are asked in, when all of them can be asked.

    A judge on a device takes turns with the runs of other processes there, which `tell` is told of.

    Raises:
        NotReady: judges are not ready, all of them in one message; nothing was spent.
    """
    async with open_world(outside, tell) as world:
        reasons = await asyncio.gather(*(_reason(world.pool, agent) for agent in judges))
        if any(reasons):
            raise NotReady("\n  ".join(dict.fromkeys(filter(None, reasons))))
        limit_agents(world.lanes, world.pool, judges, outside.lane_limits)
        yield world


async def _reason(pool: ProviderPool, agent: AgentConfig) -> str:
    try:
        await pool.check(agent)
    except FlatfieldError as error:
        return f"judge {agent.name!r}: {error}"
    return ""


# Grades a stored run again from its records: judges are asked, agents are not.


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrial:
    """How a run is judged again: `missing`, only where these judges gave no letter; `budget_usd`, of this sitting."""

    judges: tuple[AgentConfig, ...]
    outside: Outside
    observe: Callable[[Event], None]
    stop: asyncio.Event
    missing: bool = False
    budget_usd: float | None = None


class Regraded(Struct, frozen=True, kw_only=True):
    """What judging a run again came to: notes for the user, and how many letters the judges have not given yet."""

    notes: tuple[str, ...]
    letters_left: int = 0


async def judge_again(run: Run, store: Store, retrial: Retrial) -> Regraded:
    """Have the judges grade all that was measured, and make them the panel that counts.

    Each verdict is stored as soon as it is there. Earlier ones stay in the store; of one judge the latest counts, and
    of other judges none once every trial has a letter of each of these. Until then, the panel is as it was.

    Raises:
        FlatfieldError: the run's figures are others', without what they stand on, or no task of it has a rubric.
        NotReady: judges cannot be asked; nothing was spent.
        StoreError: the store cannot be written.
    """
    if run.imported and all(trial.imported for trial in store.figures(run.id)):
        raise FlatfieldError(f"run {run.id} is imported from {run.origin}: its letters stay as they are")
    if not any(rubric_of(task) for task in run.tasks):
        raise FlatfieldError(f"no task of run {run.id} has a rubric: there is nothing to judge by")

    def tell(text: str) -> None:
        retrial.observe(Event(kind="note", text=text))

    with claimed(run.id, store.path.parent):
        async with courtroom(retrial.judges, retrial.outside, tell) as world:
            await asyncio.to_thread(retrial.outside.prices.prepare, retrial.judges)
            court = Court(world, Budget(retrial.budget_usd), store, retrial.observe, retrial.stop)
            notes = await judge_missing(run, retrial.judges, court, again=not retrial.missing)
        panel = await _new_panel(run, store, retrial)
        return structs.replace(panel, notes=(*notes, *panel.notes))


async def _new_panel(run: Run, store: Store, retrial: Retrial) -> Regraded:
    names = tuple(agent.name for agent in retrial.judges)
    trials, verdicts = store.rows(run.id), store.verdicts(run.id)
    open_ = {
        name: sum(map(len, open_groups(run, trials, [verdict for verdict in verdicts if verdict.judge == name])))
        for name in names
    }
    left = {name: count for name, count in open_.items() if count}
    others = sorted({verdict.judge for verdict in verdicts} - set(names))
    if left:
        missing = ", ".join(f"{name}: {count}" for name, count in left.items())
        counting = f"; until then {', '.join(others)} count beside them" if others and not run.panel else ""
        said = f"trials without a letter ({missing}): regrade --missing asks for them{counting}"
        return Regraded(notes=(said,), letters_left=sum(left.values()))
    await store.save_run(structs.replace(run, panel=names), update=True)
    if not others:
        return Regraded(notes=())
    said = f"the letters of {', '.join(names)} count now; those of {', '.join(others)} are kept and do not"
    return Regraded(notes=(said,))
