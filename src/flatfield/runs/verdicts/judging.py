"""Has judges grade the trials that they have not graded yet; each verdict is stored as soon as it is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import Event
from flatfield.runs.verdicts.originals import with_originals
from flatfield.scoring.forecast import total
from flatfield.scoring.judge.judge import is_comparative, judge, rubric_of
from flatfield.scoring.judge.request import CONCURRENT_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.clock import Clock
    from flatfield.records import AgentConfig, Reply, Run, ToolResult, TrialRecord, TurnBudget, Verdict
    from flatfield.runs.budget import Budget
    from flatfield.runs.store.store import Store
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.vendors.base import Conversation, Lane, Opening

    Group = tuple[TrialRecord, ...]


@dataclass(frozen=True, slots=True)
class Court:
    """What judges are asked with: the trials' own lanes, so that a device serves one at a time, and their budget.

    `stop` set means: ask nothing more; what has been answered is stored.
    """

    pool: ProviderPool
    prices: Prices
    lanes: Lanes
    budget: Budget
    clock: Clock
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
    shown = await asyncio.to_thread(with_originals, run, court.store.trials(run.id))
    for agent in judges:
        trials, verdicts = court.store.trials(run.id), court.store.verdicts(run.id)
        done = () if again else [verdict for verdict in verdicts if verdict.judge == agent.name]
        groups = open_groups(run, trials, done)
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


def open_groups(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]) -> tuple[Group, ...]:
    """The trials that lack one judge's letter, grouped as they are judged.

    A rubric that compares is judged over all trials of a task and repeat at once: where one letter is missing, or an
    answer is new, all of them are asked for again, because letters of different comparisons do not compare.
    """
    done = {(verdict.agent, verdict.task, verdict.repeat) for verdict in verdicts if verdict.letter is not None}
    groups: list[Group] = []
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
    on_device = court.pool.of(agent).on_device(agent)
    converse = in_lane(court.pool, court.lanes, agent)

    def price(reply: Reply) -> float | None:
        return court.prices.usd(agent, reply.usage, on_device, sent=reply.request)

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
            now = court.clock.utc().isoformat()
            stamped = (structs.replace(verdict, judged_at=now) for verdict in verdicts)
            return tuple(map(court.pool.secrets.masked, stamped))

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
