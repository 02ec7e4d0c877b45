"""Adds repeats where the regret of the answer falls, round by round, until its lead is settled on these tasks."""

from __future__ import annotations

import asyncio
import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.records import Event, Round, Run, RunResult, TrialPlan
from flatfield.runs.evaluation.scheduler import Summary
from flatfield.runs.order import how_often, plan, roster
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.judge.judge import is_comparative, rubric_of
from flatfield.scoring.looks import ALIKE, Order, Pair, order_of
from flatfield.scoring.measures.performance import settled
from flatfield.tasks.agents import control_names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from flatfield.runs.store.store import Store

MAX_REPEATS = 30
UNSETTLED = frozenset({"open", "out of reach", "at the most repeats"})
"""How a pair stands that is neither told apart nor shown to be worth no more."""
CAVEAT = (
    "its repeats were added by what was seen: the chance of a wrong order was shared out over all looks, but the other "
    "intervals and probabilities here are as if the repeats had been fixed beforehand, and so a little too sure"
)


class NextStep(Struct, frozen=True, kw_only=True):
    """What follows from a run's trials: the run with its notes, and with repeats that were added, if any were."""

    run: Run
    trials: tuple[TrialPlan, ...] = ()
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rounds:
    """With what rounds are done: `carry` runs and judges some trials of a run; `observe` is told what is decided.

    `max_repeats` None: no rounds are wanted.
    """

    store: Store
    carry: Callable[[Run, Sequence[TrialPlan]], Awaitable[Summary]]
    observe: Callable[[Event], None]
    stop: asyncio.Event
    max_repeats: int | None


async def until_sure(run: str, first: Summary, rounds: Rounds) -> Summary:
    """Go on from the planned trials, whose summary is `first`, round by round; the summary of all.

    Each round is stored with the run before it begins, so that `--resume` finishes it. Ends when nothing is open any
    more, and as soon as trials cannot be done: stopped, not measured in a round, or no budget, which takes what it did
    not pay for out of the plan again.

    Raises:
        StoreError: the run cannot be read or stored.
    """
    summary, last = first, Summary()
    while rounds.max_repeats is not None and not rounds.stop.is_set():
        step = await asyncio.to_thread(_decided, rounds.store, run, rounds.max_repeats, _hindered(summary, last))
        await rounds.store.save_run(step.run, update=True)
        for text in step.said:
            rounds.observe(Event(kind="note", text=text))
        if not step.trials:
            kept = {trial.id for trial in plan(step.run)}
            left = {trial: why for trial, why in summary.not_started.items() if trial in kept}
            return structs.replace(summary, not_started=left)
        for trial in step.trials:
            rounds.observe(Event(kind="planned", agent=trial.agent, task=trial.task, repeat=trial.repeat))
        last = await rounds.carry(step.run, step.trials)
        summary = summary.and_then(last)
    return summary


def _hindered(summary: Summary, last: Summary) -> str:
    """Why there can be no other round; "" where there can."""
    if "budget" in summary.not_started.values():
        return "the budget is spent"
    if "time" in summary.not_started.values():
        return "the time is over"
    return "trials of the last round are not measured" if last.not_measured else ""


def _decided(store: Store, run: str, max_repeats: int, ended: str) -> NextStep:
    found = store.load_run(run)
    trials, (verdicts, _) = settled(store.figures(run)).trials, store.counted_verdicts(found)
    study = study_trials(found, trials, verdicts, found.anchors)
    grading = grade_drawn(found, trials, verdicts, GradingTerms(anchors=found.anchors), study)
    result = RunResult(run=found, trials=trials, verdicts=verdicts, grading=grading, study=study)
    return next_step(result, max_repeats, ended=ended)


def next_step(result: RunResult, max_repeats: int = MAX_REPEATS, *, ended: str = "") -> NextStep:
    """One more round, or the end and what is known by then; with `ended`, the end, for that reason.

    A round brings the leader and the rivals that carry most of the regret to the same repeats of each task, and to the
    next look (`scoring.looks`). Each repeat goes to the task on which one more takes away most of the variance of these
    agents' means.

    Source: dividing trials among strata by their spread: Neyman, Journal of the Royal Statistical Society 97 (1934),
    558.
    """
    run, order = result.run if not ended else _as_far_as_done(result), order_of(result, max_repeats)
    wanted = {} if ended else _wanted(run, order, max_repeats)
    more = _with_repeats(run, wanted)
    known = {trial.id for trial in plan(run)}
    trials = tuple(trial for trial in plan(more) if trial.id not in known)
    if trials:
        return _another_round(more, trials, [pair for pair in order.pairs if pair.standing == "open"])
    said = f"until sure: {'; '.join(_ending(order, max_repeats, ended))}"
    all_said = (said, f"until sure: {CAVEAT}") if run.added else (said,)
    before = tuple(note for note in run.notes if note not in run.rounds_ended)
    return NextStep(run=structs.replace(run, notes=(*before, *all_said), rounds_ended=all_said), said=(said,))


def _another_round(run: Run, trials: tuple[TrialPlan, ...], open_pairs: Sequence[Pair]) -> NextStep:
    """The run with a round of these trials, which are of its plan already."""
    pairs = ", ".join(map(_undecided, open_pairs))
    said = f"round {len(run.rounds) + 1}: {pairs}: {len(trials)} more trials"
    this = Round(trials=len(trials), open_pairs=tuple((pair.first, pair.second) for pair in open_pairs))
    now = structs.replace(run, notes=(*run.notes, said), rounds=(*run.rounds, this))
    return NextStep(run=now, trials=trials, said=(said,))


def _wanted(run: Run, order: Order, max_repeats: int) -> dict[tuple[str, str], int]:
    """The repeats of each (task, agent) of which there are to be more."""
    now, agents = how_often(run), order.buying
    tasks = [task for task in order.tasks if all((task, agent) in order.noise for agent in agents)]
    if not agents or not tasks:
        return {}
    levels = {task: min(now[task, agent] for agent in agents) for task in tasks}
    reached = sum(levels.values()) / len(tasks)
    look = next((look for look in order.looks if look > reached + 1e-9), order.looks[-1])
    noise = {task: math.fsum(order.noise[task, agent] for agent in agents) for task in tasks}
    wanted = {
        (task, agent): level
        for task, level in _shared_out(levels, noise, look, max_repeats).items()
        for agent in _together(run, task, agents)
    }
    return {key: level for key, level in wanted.items() if level > now[key]}


def _shared_out(levels: dict[str, int], noise: dict[str, float], look: float, most: int) -> dict[str, int]:
    """The repeats of each task with which their mean reaches the look: never fewer than now, `most` at most."""
    levels = dict(levels)
    left = math.ceil(look * len(levels) - 1e-9) - sum(levels.values())
    # One more repeat takes noise / n - noise / (n + 1) away.
    gains = [(-noise[task] / (n * (n + 1)), task) for task, n in levels.items() if n < most]
    heapq.heapify(gains)
    while left > 0 and gains:
        task = gains[0][1]
        levels[task] += 1
        left -= 1
        n = levels[task]
        if n < most:
            heapq.heapreplace(gains, (-noise[task] / (n * (n + 1)), task))
        else:
            heapq.heappop(gains)
    return levels


def _together(run: Run, task: str, agents: Sequence[str]) -> Sequence[str]:
    """Who does a repeat: these agents, or all that are compared where a judge's letter depends on who is."""
    found = next(each for each in run.tasks if each.id == task)
    if not (run.evaluation.judge and is_comparative(rubric_of(found))):
        return agents
    controls = control_names(run)
    return [agent for agent in roster(run, task) if agent not in controls]


def _as_far_as_done(result: RunResult) -> Run:
    """The run without the added repeats that were not even begun."""
    run = result.run
    added: dict[str, dict[str, int]] = {}
    for trial in result.trials:
        more = min(trial.repeat - run.repeats.get(trial.task, 1), run.added_to(trial.task, trial.agent))
        if more > 0:
            of_task = added.setdefault(trial.task, {})
            of_task[trial.agent] = max(more, of_task.get(trial.agent, 0))
    return structs.replace(run, added=added)


def _with_repeats(run: Run, wanted: dict[tuple[str, str], int]) -> Run:
    now = how_often(run)
    added = {task: dict(agents) for task, agents in run.added.items()}
    for (task, agent), level in wanted.items():
        of_task = added.setdefault(task, {})
        of_task[agent] = of_task.get(agent, 0) + level - now[task, agent]
    return structs.replace(run, added=added)


def _undecided(pair: Pair) -> str:
    return f"{pair.first} and {pair.second} are not told apart yet{_sure(pair)}"


def _sure(pair: Pair) -> str:
    if pair.standing == "apart":
        return f" (p = {_p(pair.probability)})"
    return f" (p = {_p(pair.probability)}, {_p(pair.asked)} needed; being wrong would cost {_lost(pair.regret)})"


def _ending(order: Order, max_repeats: int, ended: str) -> Iterator[str]:
    """What is known in the end, pair by pair, those that are not settled first."""
    if len(order.agents) < 2:
        yield f"{order.agents[0]} has nobody to be told apart from" if order.agents else "no agent has an overall score"
        return
    these = "this task" if len(order.tasks) == 1 else f"these {len(order.tasks)} tasks"
    unsettled = [pair for pair in order.pairs if pair.standing in UNSETTLED]
    yield ended or (f"the lead is not settled on {these}" if unsettled else f"the lead is settled on {these}")
    for pair in unsettled:
        yield _known(pair, max_repeats)
    for pair in order.pairs:
        if pair.standing == "alike":
            yield f"{pair.first} and {pair.second} are alike: whichever is chosen loses less than {ALIKE:g} on average"
        elif pair.standing == "worth no more":
            lead = f"{pair.first} leads {pair.second} (p = {_p(pair.probability)})"
            yield f"{lead}, and being wrong would cost next to nothing"
    behind = [pair for pair in order.pairs if pair.standing == "apart"]
    if behind:
        yield f"{behind[0].first} is ahead of {', '.join(f'{pair.second}{_sure(pair)}' for pair in behind)}"
    if not unsettled and order.ahead > ALIKE:
        yield f"on the next tasks like these it may lose {_lost(order.ahead)} on average: more tasks tell, no repeats"


def _known(pair: Pair, max_repeats: int) -> str:
    if pair.standing == "at the most repeats":
        both = f"{pair.first} and {pair.second} are not told apart{_sure(pair)}"
        return f"{both} after {max_repeats} repeats, the most that were asked for"
    if pair.standing == "out of reach":
        both = f"{pair.first} and {pair.second} are not told apart{_sure(pair)}"
        return f"{both}, and {max_repeats} repeats would hardly do it"
    return _undecided(pair)


def _lost(regret: float) -> str:
    """Of overall, on average: `0.012`."""
    return f"{regret:.1g}" if regret < 0.01 else f"{regret:.2f}"


def _p(probability: float) -> str:
    """Two digits of what is missing to 1, and of the probability itself; never 1."""
    missing = 1.0 - probability
    return f"{probability:.{max(2, 1 - math.floor(math.log10(missing)))}f}" if missing >= 0.0001 else ">0.9999"
