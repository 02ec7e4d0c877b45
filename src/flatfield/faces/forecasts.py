"""A forecast as people read it: what it takes by agent and judge, in all, at most, and what it could tell apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, dollars, few, many, rounded, seconds
from flatfield.scoring.forecast import GUESSED, GUESSED_VERDICT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Run
    from flatfield.runs.evaluation.forecasting import Forecast, Line, Separation

BASES = {"measured": "measured before", "other tasks": "by other tasks", "guess": "a guess", "control": "a control"}


MOST_NAMED = 3
LEAST_USD, LEAST_SECONDS = 0.01, 60.0
"""What is ahead is said where it is more than one of these."""


def is_worth_saying(found: Forecast) -> bool:
    """Whether it will take more than a cent or a minute."""
    return known_usd(found) > LEAST_USD or found.wall_seconds > LEAST_SECONDS


def foretold(found: Forecast) -> str:
    """What it will take, in one sentence without its full stop."""
    unknown = [line.name for line in (*found.agents, *found.judges) if line.usd is None and line.trials]
    known = known_usd(found)
    money = [_amount(known, found.most_usd)] if known or not unknown else []
    money += [f"an unknown price for {few(unknown, MOST_NAMED)}"] if unknown else []
    guess = all(set(line.known) <= {"guess", "control"} for line in found.agents)
    basis = "a guess" if guess else f"by {many(found.past_trials, 'trial')} of {many(found.past_runs, 'earlier run')}"
    ahead = f"{many(found.trials, 'trial')}, {' and '.join(money)}, about {rounded(found.wall_seconds)}"
    return f"forecast: {ahead}; {basis}"


def _amount(usd: float, most_usd: float | None) -> str:
    """What it will probably cost, and what it cannot exceed where that is known and another sum."""
    if usd == 0 and not most_usd:
        return dollars(0.0)
    sure = "" if most_usd is None else f" (never more than {dollars(most_usd)}: each trial's limits end it before)"
    return f"about {dollars(usd)}{sure}"


def known_usd(found: Forecast) -> float:
    """The dollars of all whose price is known, agents and judges."""
    return math.fsum(line.usd for line in (*found.agents, *found.judges) if line.usd is not None)


def sections(found: Forecast, run: Run) -> tuple[Section, ...]:
    """Agents, judges where there are any, the whole, and the comparison."""
    agents = f"{many(len(run.agents), 'agent')} × {many(len(run.tasks), 'task')}"
    first = Section(
        title=f"Plan: {agents}, {many(found.trials, 'trial')}",
        paragraphs=tuple(_paragraphs(found)),
        tables=(_table("agent", found.agents),),
    )
    judges = tuple(line for line in found.judges if line.trials)
    judging = Section(
        title="Judging: the evaluation's overhead, in no agent's cost",
        tables=(_table("judge", judges),),
    )
    comparing = Section(title="Telling two agents apart", points=tuple(separating(found.separation)))
    whole = Section(title="In all", points=tuple(_whole(found)))
    return (first, *((judging,) if judges else ()), whole, comparing)


def _paragraphs(found: Forecast) -> Iterator[str]:
    if found.past_trials:
        yield f"Read: {many(found.past_trials, 'trial')} of {many(found.past_runs, 'earlier run')}."
    if any("guess" in line.known for line in (*found.agents, *found.judges)):
        yield f"{GUESSED[0].upper()}{GUESSED[1:]}."
    if any("guess" in line.known for line in found.judges):
        yield f"Of a verdict, {GUESSED_VERDICT}."


def _table(who: str, lines: Sequence[Line]) -> Table:
    bounded = who == "agent"
    columns = (who, "trials", "cost", "at most", "time", "at most ", "known from")
    rows = tuple(
        (
            line.name,
            f"{line.trials:,}",
            dollars(line.usd),
            _most(line) if bounded else UNKNOWN,
            seconds(line.active_seconds),
            seconds(line.most_seconds),
            _basis(line.known),
        )
        for line in lines
    )
    return Table(
        columns=columns,
        rows=rows,
        right=frozenset(columns[1:6]),
        names=frozenset({who}),
        fold=frozenset({columns[6]}),
        drop=("at most ", columns[6], "time"),
    )


def _most(line: Line) -> str:
    return dollars(line.most_usd) if line.usd is None or line.most_usd is not None else "no bound"


def _basis(known: dict[str, int]) -> str:
    """`measured before`, or, where tasks differ, how many are from where."""
    if len(known) < 2:
        return next((BASES[kind] for kind in known), UNKNOWN)
    return ", ".join(f"{BASES[kind]} ({many(count, 'task')})" for kind, count in known.items())


def _whole(found: Forecast) -> Iterator[str]:
    known = [line.usd for line in found.agents if line.usd is not None]
    unknown = [line.name for line in found.agents if line.usd is None]
    told = [f"about {dollars(sum(known))}" if any(known) else dollars(0.0)] if known else []
    told += [f"not known of {few(unknown)}, for want of a price"] if unknown else []
    yield f"cost: {'; '.join(told)}"
    unbounded = [line.name for line in found.agents if line.most_usd is None]
    if found.most_usd:
        yield f"it cannot cost more than {dollars(found.most_usd)}: the limits of each trial end it before"
    elif unbounded:
        yield (
            f"what it can cost at most is not known of {few(unbounded)}: set a price where none is known, and"
            " `cost_usd` in the limits of the tasks or the HOP"
        )
    if found.judges and not any(line.trials for line in found.judges):
        yield "no task has a rubric: there is nothing to judge"
    elif found.judges:
        yield f"judging beside it: {dollars(found.judges_usd)}"
    yield from _budget(found, sum(known))
    yield (
        f"time: about {rounded(found.wall_seconds)}, with as many trials side by side as there may be; at most"
        f" {rounded(found.most_wall_seconds)}, and what waiting for servers and retries takes"
    )
    if found.budget_seconds is not None:
        yield from _minutes(found, found.budget_seconds)
    yield from found.notes


def _minutes(found: Forecast, budget_seconds: float) -> Iterator[str]:
    if found.wall_seconds > budget_seconds:
        share = budget_seconds / found.wall_seconds
        yield f"the budget of {seconds(budget_seconds)} would end it after about {share:.0%} of it"
    else:
        yield f"within the budget of {seconds(budget_seconds)}"


def _budget(found: Forecast, usd: float) -> Iterator[str]:
    if found.budget_usd is None:
        return
    usd += found.judges_usd or 0.0
    is_known = found.usd is not None and found.judges_usd is not None
    if usd > found.budget_usd:
        share = found.budget_usd / usd
        yield f"the budget of {dollars(found.budget_usd)} would end it after about {share:.0%} of it"
    else:
        what = "" if is_known else "what has a price is "
        yield f"{what}within the budget of {dollars(found.budget_usd)}"


def separating(found: Separation) -> Iterator[str]:
    """What earlier trials say, what the plan could tell apart, what it takes to tell more; the assumptions last."""
    these = "this task" if found.tasks == 1 else f"these {found.tasks} tasks"
    before = found.before
    if before is not None:
        yield (
            f"by {many(before.trials, 'earlier trial')} {before.best} is the best in performance"
            f" (P = {before.probability:.2f}; being wrong would lose {before.regret:.3f} on average); the planned ones"
            f" would tell it from {before.runner_up} on {these} with probability {before.power:.2f}"
        )
    yield (
        f"the plan as it is finds {_size(found.these)} in performance on {these}, and {_size(found.following)} on the"
        " next tasks like these (power 80%, told apart with 99%)"
    )
    goal = f"to find a difference of {found.difference:g}"
    if found.repeats_needed is not None:
        yield f"{goal} on {these}: {many(found.repeats_needed, 'repeat')}, planned {found.repeats}"
    if found.tasks_needed is not None:
        each = many(found.repeats, "repeat")
        yield f"{goal} on the next tasks like these: {many(found.tasks_needed, 'task')} with {each} each"
    yield (
        f"around a pass rate of {found.rate:.2f}, tasks making {found.rho:.0%} of a trial's variance"
        f" ({found.known_from})"
    )


def _size(difference: float) -> str:
    return f"a difference of {difference:.2f}" if difference < 1.0 else "no difference at all"
