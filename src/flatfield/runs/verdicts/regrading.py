"""Grades a stored run again from its records: judges are asked, agents are not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.errors import FlatfieldError
from flatfield.records import Event
from flatfield.runs.budget import Budget
from flatfield.runs.claim import claimed
from flatfield.runs.verdicts.courtroom import Bar, courtroom
from flatfield.runs.verdicts.judging import Court, judge_missing, open_groups
from flatfield.scoring.judge.judge import rubric_of
from flatfield.tasks.access import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flatfield.clock import Clock
    from flatfield.records import AgentConfig, LaneLimits, Run
    from flatfield.runs.store.store import Store
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.tasks.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrial:
    """How a run is judged again: `missing`, only where these judges gave no letter; `budget_usd`, of this sitting.

    `lanes` are the limits that the user sets to servers, by host or provider; `access` decides whether judges may be
    run and be sent keys.
    """

    judges: tuple[AgentConfig, ...]
    clock: Clock
    environ: Mapping[str, str]
    prices: Prices
    observe: Callable[[Event], None]
    stop: asyncio.Event
    missing: bool = False
    budget_usd: float | None = None
    lanes: Mapping[str, LaneLimits] = field(default_factory=dict)
    access: Access = field(default_factory=nobody)


async def judge_again(run: Run, store: Store, retrial: Retrial) -> tuple[str, ...]:
    """Have the judges grade all that was measured, and make them the panel that counts; notes for the user.

    Each verdict is stored as soon as it is there. Earlier ones stay in the store; of one judge the latest counts, and
    of other judges none once every trial has a letter of each of these. Until then, the panel is as it was.

    Raises:
        FlatfieldError: the run is imported, or no task of it has a rubric.
        NotReady: judges cannot be asked; nothing was spent.
        StoreError: the store cannot be written.
    """
    if run.imported:
        raise FlatfieldError(f"run {run.id} is imported from {run.origin}: its letters stay as they are")
    if not any(rubric_of(task) for task in run.tasks):
        raise FlatfieldError(f"no task of run {run.id} has a rubric: there is nothing to judge by")

    def tell(text: str) -> None:
        retrial.observe(Event(kind="note", text=text))

    with claimed(run.id, store.path.parent):
        bar = Bar(clock=retrial.clock, environ=retrial.environ, limits=retrial.lanes, access=retrial.access)
        async with courtroom(retrial.judges, bar, tell) as (pool, lanes):
            await asyncio.to_thread(retrial.prices.prepare)
            budget = Budget(retrial.budget_usd)
            court = Court(pool, retrial.prices, lanes, budget, retrial.clock, store, retrial.observe, retrial.stop)
            notes = await judge_missing(run, retrial.judges, court, again=not retrial.missing)
        return (*notes, *await _new_panel(run, store, retrial))


async def _new_panel(run: Run, store: Store, retrial: Retrial) -> tuple[str, ...]:
    names = tuple(agent.name for agent in retrial.judges)
    trials, verdicts = store.trials(run.id), store.verdicts(run.id)
    open_ = {
        name: sum(map(len, open_groups(run, trials, [verdict for verdict in verdicts if verdict.judge == name])))
        for name in names
    }
    left = {name: count for name, count in open_.items() if count}
    others = sorted({verdict.judge for verdict in verdicts} - set(names))
    if left:
        missing = ", ".join(f"{name}: {count}" for name, count in left.items())
        counting = f"; until then {', '.join(others)} count beside them" if others and not run.panel else ""
        return (f"trials without a letter ({missing}): regrade --missing asks for them{counting}",)
    await store.save_run(structs.replace(run, panel=names), update=True)
    if others:
        return (f"the letters of {', '.join(names)} count now; those of {', '.join(others)} are kept and do not",)
    return ()
