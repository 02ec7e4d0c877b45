"""Has a judge grade the labelled set, and keeps each outcome at once, so that nothing is asked twice."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from flatfield import json_text
from flatfield.errors import FlatfieldError
from flatfield.records import Evaluation, Run
from flatfield.runs.verdicts.judging import in_lane
from flatfield.scoring.judge.fitness import Fitness, Outcome, fitness, is_hopeless, outcome
from flatfield.scoring.judge.judge import judge
from flatfield.scoring.judge.labelled_set import RUN, Case, LabelledSet, labelled_set
from flatfield.scoring.judge.request import CONCURRENT_REQUESTS
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.clock import Clock
    from flatfield.records import AgentConfig, Reply
    from flatfield.runs.traffic.lanes import Lanes
    from flatfield.scoring.prices.pricing import Prices


class Examination(Struct, frozen=True, kw_only=True):
    """What is kept of one judge and one labelled set: `checked_at` is when the last outcome came."""

    agent: str
    fingerprint: str
    set_digest: str
    total: int
    checked_at: str = ""
    outcomes: tuple[Outcome, ...] = ()

    @property
    def fitness(self) -> Fitness | None:
        """The figures; None while there is no outcome."""
        return fitness(self.outcomes, self.total)


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What a judge is examined with. `stop` set means: ask nothing more; `tell` hears of each outcome.

    `whole`: go on also when the judge cannot pass any more.
    """

    pool: ProviderPool
    lanes: Lanes
    prices: Prices
    clock: Clock
    folder: Path
    stop: asyncio.Event
    tell: Callable[[Outcome], None]
    whole: bool = False


def examination(agent: AgentConfig, folder: Path, cases: LabelledSet | None = None) -> Examination:
    """What is kept of this agent on the set that ships, without anything when there is nothing or it is unreadable.

    It is the agent's by all that changes what it does, whatever it is called.
    """
    chosen = cases or labelled_set()
    print_ = fingerprint(agent)
    blank = Examination(agent=agent.name, fingerprint=print_, set_digest=chosen.digest, total=len(chosen.cases))
    try:
        kept: Examination = json_text.decoded(_path(blank, folder).read_bytes(), Examination)
    except (OSError, ValueError):
        return blank
    return structs.replace(kept, agent=agent.name, total=blank.total)


async def examine(agent: AgentConfig, cases: Sequence[Case], kept: Examination, desk: Desk) -> Examination:
    """Have the agent judge those of the cases that are not in `kept`; all outcomes, in the order in which they came.

    An outcome that is no measurement (the judge could not be asked) is returned, but not kept for later.

    Raises:
        FlatfieldError: an outcome cannot be written.
    """
    done = {each.case for each in kept.outcomes}
    gate = asyncio.Semaphore(CONCURRENT_REQUESTS)
    stopped = asyncio.ensure_future(desk.stop.wait())
    asked = {asyncio.ensure_future(_judged(agent, case, desk, gate)) for case in cases if case.id not in done}
    now, failed = kept, []
    try:
        while asked and not stopped.done() and (desk.whole or not is_hopeless(now.outcomes, kept.total)):
            ready, _ = await asyncio.wait({*asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in asked & ready:
                found = task.result()
                if found.measured:
                    stamp = desk.clock.utc().isoformat(timespec="seconds")
                    now = structs.replace(now, outcomes=(*now.outcomes, found), checked_at=stamp)
                    _write(now, desk.folder)
                else:
                    failed.append(found)
                desk.tell(found)
            asked -= ready
    finally:
        stopped.cancel()
        for each in asked:
            each.cancel()
        await asyncio.gather(stopped, *asked, return_exceptions=True)
    return structs.replace(now, outcomes=(*now.outcomes, *failed))


async def _judged(agent: AgentConfig, case: Case, desk: Desk, gate: asyncio.Semaphore) -> Outcome:
    on_device = desk.pool.of(agent).on_device(agent)

    def price(reply: Reply) -> float | None:
        return desk.prices.usd(agent, reply.usage, on_device, sent=reply.request)

    run = Run(id=RUN, created_at="", evaluation=Evaluation(), tasks=(case.task,), agents=(), repeats={})
    seconds = 0.0

    def count(reply: Reply) -> None:
        nonlocal seconds
        seconds += reply.model_seconds

    async with gate:
        converse = in_lane(desk.pool, desk.lanes, agent, count)
        (verdict,) = await judge(run, (case.trial,), agent, converse, price, 0)
    return desk.pool.secrets.masked(outcome(case, verdict, seconds))


def _path(found: Examination, folder: Path) -> Path:
    return folder / "judges" / f"{found.fingerprint}-{found.set_digest}.json"


def _write(found: Examination, folder: Path) -> None:
    """Replace the file as a whole: a reader or a crash never meets half of it."""
    path = _path(found, folder)
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(found))
        Path(name).replace(path)
    except OSError as error:
        if name:
            with suppress(OSError):
                Path(name).unlink()
        raise FlatfieldError(f"{path} cannot be written: {error.strerror}; make room or set FLATFIELD_CACHE") from None
