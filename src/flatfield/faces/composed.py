"""Cascades composed from trials that exist, and routes beside the best single agent, as every face says it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN
from flatfield.saying import dollars, few, likely, many, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult
    from flatfield.runs.routes.auto import BesideSingle
    from flatfield.runs.routes.composing import Composed, Composition, Single

NOTHING = (
    "No cascade can be composed here: that takes two agents that were measured on the same tasks, and a check whose "
    "verdicts on the first one's trials are on record"
)

EVEN = 0.5


def cascades(found: Composition, result: RunResult) -> Section:
    """The best cascade as a heading, then all that were looked at, and how to run the best real one."""
    if found.best is None or not found.cascades:
        return Section(title=NOTHING, points=found.left_out)
    real = next((one for one in found.cascades if not one.upper_bound), None)
    points = (*_assumed(found), *_for_real(real, result), *(f"{text[0].upper()}{text[1:]}." for text in found.left_out))
    return Section(title=sentence(real or found.cascades[0], found.best), points=points, tables=(_table(found),))


def sentence(one: Composed, best: Single) -> str:
    """What the best cascade does beside the best single agent."""
    whose = ", if its check knew all that is hidden" if one.upper_bound else f", checked by {one.check}"
    price = ""
    if one.usd is not None and best.usd:
        price = f" at {one.usd / best.usd:.2f} times its price ({dollars(one.usd)} a trial, {dollars(best.usd)})"
    verdict = "" if one.better > EVEN else f"No cascade is likely to beat {best.agent} here: "
    return (
        f"{verdict}{one.name}{whose}, would do {one.performance:.2f} where the best single agent, {best.agent}, "
        f"does {best.performance:.2f}{price}; all in all it is better with probability {likely(one.better)}"
    )


def _table(found: Composition) -> Table:
    rows = []
    for one in found.cascades:
        mark = " (upper bound)" if one.upper_bound else ""
        figures = (_share(one.performance), _share(one.later), seconds(one.seconds), dollars(one.usd))
        rows.append((one.name, f"{one.check}{mark}", likely(one.better), *figures))
    best = found.best
    if best is not None:
        figures = (_share(best.performance), UNKNOWN, seconds(best.seconds), dollars(best.usd))
        rows.append((best.agent, "single", UNKNOWN, *figures))
    columns = ("cascade", "check", "better", "performance", "goes on", "s/trial", "$/trial")
    return Table(
        columns=columns,
        rows=tuple(rows),
        right=frozenset(columns[2:]),
        fold=frozenset({"cascade", "check"}),
        drop=("goes on", "s/trial"),
    )


def _share(value: float) -> str:
    return f"{value:.2f}"


def _assumed(found: Composition) -> Iterator[str]:
    """What each kind of check takes for granted, each once."""
    for check, assumes in dict.fromkeys((one.check, one.assumes) for one in found.cascades):
        yield f"{check}: {assumes}."
    yield "Composed from trials of the steps alone, every trial of one with every trial of the next; nothing was spent."


def _for_real(one: Composed | None, result: RunResult) -> Iterator[str]:
    """What to write and to type so that the best one that is no upper bound is measured."""
    if one is None:
        yield "None of these has a check that one can have while working: give tasks a visible command, or a judge."
        return
    cost = "at a price that nobody knows" if one.real_usd is None else f"about {dollars(one.real_usd)}"
    yield (
        f"To run it for real takes {many(one.real_trials, 'trial')}, {cost} and {seconds(one.real_seconds)} of work: "
        f'write into flatfield.toml [agents.{name_of(one)}] provider = "cascade", '
        f"steps = {json.dumps(list(one.steps), ensure_ascii=False)}, check = {json.dumps(one.check)}, and then: "
        f"flatfield eval --extend {result.run.id} --agents {name_of(one)}"
    )


def name_of(one: Composed) -> str:
    """What it could be called: its steps' names in a row, as a table's name that needs no quotes."""
    return "-then-".join(re.sub(r"[^A-Za-z0-9_-]+", "-", step) for step in one.steps)


# Routes.


def routed(result: RunResult) -> tuple[str, ...]:
    """What choosing by the kind of task brought: a sentence for each route of a run."""
    if not any(agent.route is not None for agent in result.run.agents):
        return ()
    from flatfield.runs.routes.auto import beside_single

    return tuple(map(_beside, beside_single(result)))


def _beside(one: BesideSingle) -> str:
    """A route's line: it beside the best single agent, which was chosen the same way."""
    from flatfield.runs.routes.auto import LEAST_TASKS

    named = few(f"{agent} on {count}" if len(one.singles) > 1 else agent for agent, count in one.singles.items())
    way = "chosen the same way, by other tasks alone"
    if one.same == one.tasks and one.tasks <= LEAST_TASKS:
        return (
            f"{one.route} is the best single agent here ({named}), {way}: fewer than {LEAST_TASKS} other tasks tell no"
            " kinds apart"
        )
    if one.same == one.tasks:
        return f"{one.route} took the best single agent ({named}), {way}, on all {one.tasks} tasks"
    own, theirs = _took(one.seconds, one.usd), _took(one.single_seconds, one.single_usd)
    return (
        f"{one.route} did {_share(one.score)}{own} where the best single agent ({named}), {way}, did "
        f"{_share(one.single_score)}{theirs}; on {one.tasks - one.same} of {many(one.tasks, 'task')} it took another"
        f" one; all in all it is better with probability {likely(one.better)}"
    )


def _took(time: float | None, usd: float | None) -> str:
    parts = ([] if time is None else [seconds(time)]) + ([] if usd is None else [dollars(usd)])
    return f" ({', '.join(parts)} a trial)" if parts else ""
