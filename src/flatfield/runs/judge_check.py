"""Has a judge grade the labelled set, one by one and in lists; what it said is kept at once and not asked twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct, structs

from flatfield import json_text
from flatfield.errors import FlatfieldError
from flatfield.records import Evaluation, Run
from flatfield.runs.judging import in_lane
from flatfield.scoring.judge.fitness import (
    LISTS_SEED,
    RUN,
    Case,
    Fitness,
    Graded,
    LabelledSet,
    ListFitness,
    fitness,
    is_hopeless,
    is_hopeless_at_lists,
    labelled_set,
    list_fitness,
    outcome,
)
from flatfield.scoring.judge.judge import judge
from flatfield.scoring.judge.request import CONCURRENT_REQUESTS
from flatfield.tasks.agents import fingerprint
from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from flatfield.records import AgentConfig, Reply
    from flatfield.runs.world import World


class Examination(Struct, frozen=True, kw_only=True):
    """What is kept of one judge and one labelled set: `checked_at` is when the last outcome came.

    `outcomes` are of trials that were asked about one by one; `listed` of the same trials in lists, whose prompts and
    orders `lists_digest` stands for, `lists_total` how many trials the lists hold.
    """

    agent: str
    fingerprint: str
    set_digest: str
    total: int
    checked_at: str = ""
    outcomes: tuple[Graded, ...] = ()
    listed: tuple[Graded, ...] = ()
    lists_digest: str = ""
    lists_total: int = 0

    @property
    def fitness(self) -> Fitness | None:
        """The figures of judging one by one; None while there is no outcome."""
        return fitness(self.outcomes, self.total)

    @property
    def list_fitness(self) -> ListFitness | None:
        """The figures of judging lists; None while there is no outcome."""
        return list_fitness(self.listed, self.lists_total)

    @property
    def passed(self) -> bool | None:
        """Whether it passed both ways; None: not known yet of one, and the other did not fail."""
        ways = [found.passed if found else None for found in (self.fitness, self.list_fitness)]
        return False if False in ways else None if None in ways else True


@dataclass(frozen=True, kw_only=True, slots=True)
class ExaminationDesk:
    """What a judge is examined with. `stop` set means: ask nothing more; `tell` hears of each outcome.

    `whole`: go on also when the judge cannot pass any more.
    """

    world: World
    folder: Path
    stop: asyncio.Event
    tell: Callable[[Graded], None]
    whole: bool = False


def examination(agent: AgentConfig, folder: Path, cases: LabelledSet | None = None) -> Examination:
    """What is kept of this agent on the set that ships, without anything when there is nothing or it is unreadable.

    It is the agent's by all that changes what it does, whatever it is called. What it said of other lists is left out.
    """
    chosen = cases or labelled_set()
    print_ = fingerprint(agent)
    blank = Examination(
        agent=agent.name,
        fingerprint=print_,
        set_digest=chosen.digest,
        total=len(chosen.cases),
        lists_digest=chosen.lists_digest,
        lists_total=sum(map(len, chosen.lists)),
    )
    try:
        kept: Examination = json_text.decoded(_path(blank, folder).read_bytes(), Examination)
    except (OSError, ValueError):
        return blank
    listed = kept.listed if kept.lists_digest == blank.lists_digest else ()
    return structs.replace(blank, checked_at=kept.checked_at, outcomes=kept.outcomes, listed=listed)


async def examine(agent: AgentConfig, cases: Sequence[Case], kept: Examination, desk: ExaminationDesk) -> Examination:
    """Have the agent judge, one by one, those of the cases that are not in `kept`; all outcomes, as they came.

    An outcome that is no measurement (the judge could not be asked) is returned, but not kept for later.

    Raises:
        FlatfieldError: an outcome cannot be written.
    """
    done = {each.case for each in kept.outcomes}
    groups = [(case,) for case in cases if case.id not in done]
    return await _examined(agent, groups, kept, desk, _ONE_BY_ONE)


async def examine_lists(
    agent: AgentConfig, lists: Sequence[tuple[Case, ...]], kept: Examination, desk: ExaminationDesk
) -> Examination:
    """The same with lists: each is asked about in two orders, as a run does by a rubric that compares.

    Raises:
        FlatfieldError: an outcome cannot be written.
    """
    done = {each.case for each in kept.listed}
    groups = [group for group in lists if any(case.id not in done for case in group)]
    return await _examined(agent, groups, kept, desk, _IN_LISTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """One way of asking: how, where its outcomes are kept, and when it is lost."""

    mode: Literal["item", "list"]
    outcomes: Callable[[Examination], tuple[Graded, ...]]
    with_outcomes: Callable[[Examination, tuple[Graded, ...]], Examination]
    is_lost: Callable[[Examination], bool]


_ONE_BY_ONE = _Way(
    mode="item",
    outcomes=lambda found: found.outcomes,
    with_outcomes=lambda found, outcomes: structs.replace(found, outcomes=outcomes),
    is_lost=lambda found: is_hopeless(found.outcomes, found.total),
)
_IN_LISTS = _Way(
    mode="list",
    outcomes=lambda found: found.listed,
    with_outcomes=lambda found, outcomes: structs.replace(found, listed=outcomes),
    is_lost=lambda found: is_hopeless_at_lists(found.listed, found.lists_total),
)


async def _examined(
    agent: AgentConfig, groups: Sequence[tuple[Case, ...]], kept: Examination, desk: ExaminationDesk, way: _Way
) -> Examination:
    gate = asyncio.Semaphore(CONCURRENT_REQUESTS)
    stopped = asyncio.ensure_future(desk.stop.wait())
    asked = {asyncio.ensure_future(_judged(agent, group, desk, gate, way.mode)) for group in groups}
    now = kept
    failed: list[Graded] = []
    try:
        while asked and not stopped.done() and (desk.whole or not way.is_lost(now)):
            ready, _ = await asyncio.wait({*asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in asked & ready:
                found = task.result()
                if all(each.measured for each in found):
                    stamp = desk.world.outside.clock.utc().isoformat(timespec="seconds")
                    now = structs.replace(way.with_outcomes(now, (*way.outcomes(now), *found)), checked_at=stamp)
                    _write(now, desk.folder)
                else:
                    failed += found
                for one in found:
                    desk.tell(one)
            asked -= ready
    finally:
        stopped.cancel()
        for each in asked:
            each.cancel()
        await asyncio.gather(stopped, *asked, return_exceptions=True)
    return way.with_outcomes(now, (*way.outcomes(now), *failed))


async def _judged(
    agent: AgentConfig,
    group: tuple[Case, ...],
    desk: ExaminationDesk,
    gate: asyncio.Semaphore,
    mode: Literal["item", "list"],
) -> tuple[Graded, ...]:
    """What became of the cases of one task, whose requests' seconds are shared alike."""
    on_device = desk.world.pool.of(agent).on_device(agent)

    def price(reply: Reply) -> float | None:
        return desk.world.outside.prices.usd(agent, reply.usage, on_device, sent=reply.request)

    run = Run(
        id=RUN, created_at="", evaluation=Evaluation(seed=LISTS_SEED), tasks=(group[0].task,), agents=(), repeats={}
    )
    seconds = 0.0

    def count(reply: Reply) -> None:
        nonlocal seconds
        seconds += reply.model_seconds

    async with gate:
        converse = in_lane(desk.world.pool, desk.world.lanes, agent, count)
        verdicts = await judge(run, [case.trial for case in group], agent, converse, price, mode)
    share = seconds / len(group)
    found = (outcome(case, verdict, share) for case, verdict in zip(group, verdicts, strict=True))
    return tuple(map(desk.world.pool.secrets.masked, found))


def _path(found: Examination, folder: Path) -> Path:
    return folder / "judges" / f"{found.fingerprint}-{found.set_digest}.json"


def _write(found: Examination, folder: Path) -> None:
    path = _path(found, folder)
    try:
        replace_whole(path, msgspec.json.encode(found))
    except OSError as error:
        raise FlatfieldError(f"{path} cannot be written: {error.strerror}; make room or set FLATFIELD_CACHE") from None
