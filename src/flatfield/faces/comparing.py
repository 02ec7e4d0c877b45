"""Which comparisons somebody asks for: of two agents, of cloud and local, of a run and an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError, NotFound
from flatfield.runs.judging import counted_verdicts
from flatfield.runs.plan import NEWEST
from flatfield.runs.results import earlier_run, load_result
from flatfield.scoring.comparing import Group, against_earlier, asked_for, compare, read_field, side_of
from flatfield.scoring.performance import settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Comparison
    from flatfield.runs.store.store import Store
    from flatfield.scoring.comparing import Field

LAST = "last"


def comparisons(
    store: Store,
    a: str | None,
    b: str | None,
    run: str | None,
    against: str | None,
    called: str = "against",
) -> Sequence[Comparison]:
    """One or more; without `a` and `b` what people usually ask. None for `run`: the newest.

    `called`: what the face calls the other run.

    Raises:
        FlatfieldError: what is asked for is no comparison.
        NotFound: a run or an agent is not there, or nothing was done by both sides.
    """
    if against in NEWEST:
        b, against = b or LAST, None  # the newest run is compared already: against the one before it
    if LAST in (a, b) and against is not None:
        raise FlatfieldError(f"`last` and {called} both name another run: leave one of them out")
    first, second = (None if name == LAST else name for name in (a, b))
    if a is None and against is None:
        result = load_result(store, run)
        return _some((*asked_for(result), *result.earlier), f"run {result.run.id} has nothing to compare yet")
    now = _field(store, run)
    if LAST in (a, b):
        against = earlier_run(store, now.run)
        if against is None:
            raise NotFound(f"no earlier run has an agent and a task of run {now.run.id}: name one with {called}")
    then = now if against is None else _field(store, against)
    if first is None and second is None:
        why = f"runs {now.run.id} and {then.run.id} share no agent that was measured on an unchanged task of both"
        return _some(against_earlier(now, then), why)
    if second is None and against is None:
        meant = side_of(now, first or "")
        others = [agent.name for agent in now.run.agents if agent.name not in meant.agents]
        raise FlatfieldError(f"compare {meant.name} with what? name a second one: {', '.join((*others, *Group, LAST))}")
    return [_pair(now, then, first or second or "", second or first or "", called)]


def _field(store: Store, run: str | None) -> Field:
    found = store.load_run(run)
    return read_field(found, settled(store.trials(found.id)).trials, counted_verdicts(store, found)[0])


def _pair(now: Field, then: Field, first: str, second: str, called: str) -> Comparison:
    sides = side_of(now, first), side_of(then, second)
    if now is then and sides[0].agents == sides[1].agents:
        raise FlatfieldError(f"{first} and {second} are the same here: name another agent, or another run by {called}")
    found = compare(*sides)
    if found is None:
        raise NotFound(
            f"{sides[0].name} and {sides[1].name} were not both measured on any task that is the same for both"
        )
    return found


def _some(found: Sequence[Comparison], otherwise: str) -> Sequence[Comparison]:
    if not found:
        raise NotFound(otherwise)
    return found
