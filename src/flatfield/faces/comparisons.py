"""Which comparisons somebody asks for, and each in one plain sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.wording import dollars, likely, many, seconds, times, wrong_but_confident
from flatfield.runs.results import earlier_run, load_result
from flatfield.runs.store.store import NEWEST
from flatfield.scoring.comparing import Group, against_earlier, asked_for, compare, read_field, side_of
from flatfield.scoring.performance import settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Comparison
    from flatfield.runs.store.store import Store
    from flatfield.scoring.comparing import Field


# Which comparisons somebody asks for: of two agents, of cloud and local, of a run and an earlier one.


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
    return read_field(found, settled(store.figures(found.id)).trials, store.counted_verdicts(found)[0])


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


# ---------------------------------------------------------------------------- one plain sentence


CLOSE = "Too close to call: "
LIKELY = 0.9
"""From this probability on a difference that is not sure is called likely."""
ALIKE = 1.05
"""Amounts whose ratio is closer to 1 are called the same."""


def sentence(found: Comparison) -> str:
    """Who did more of the work, by how much and how surely that is, and at what cost and time."""
    names = found.first, found.second
    if found.kind == "runs":
        now, then = found.first_run, found.second_run
        names = (
            f"{found.first} in run {now}",
            f"{'' if found.first == found.second else f'{found.second} '}in run {then}",
        )
    done = f"{names[0]} did {_much(found.difference)} the work {_than(found.difference)} {names[1]} {_how_sure(found)}"
    opening = _opening(found) if found.verdict == "too close to call" else ""
    return f"{opening}{done}{_amounts(found)}."


def _opening(found: Comparison) -> str:
    """How close it is, where the two are not told apart."""
    return "Likely, not sure: " if max(found.these.probability, 1.0 - found.these.probability) >= LIKELY else CLOSE


def tells_apart(found: Comparison) -> bool:
    """Whether one side is better, and not by chance."""
    return found.verdict in {"first", "second"}


def no_difference(run: str, agents: int) -> str:
    """What is said of so many agents that did as well in an earlier run."""
    return f"No difference to run {run} that could be told from chance for {many(agents, 'agent')}."


def points(share: float) -> str:
    """`12`, `0.4`: a difference of scores in percentage points."""
    value = share * 100
    return f"{value:.1f}" if 0.05 <= abs(value) < 0.95 else f"{round(value) + 0}"


def _much(difference: float) -> str:
    shown = points(abs(difference))
    return "as much of" if shown == "0" else f"{shown} points {'more' if difference > 0 else 'less'} of"


def _than(difference: float) -> str:
    return "as" if points(abs(difference)) == "0" else "than"


def _how_sure(found: Comparison) -> str:
    """`(on these tasks 62 to 88 with 95%, better with probability >0.99; on the next like these 0.97; …)`."""
    ends = f"{points(found.these.low)} to {points(found.these.high)}"
    down, up = found.left_open
    checks = f", give or take {points(max(down, up))} for checks that were not measured" if down or up else ""
    p = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.2g}"
    return (
        f"(on these tasks {ends} with 95%{checks}, better with probability {likely(found.these.probability)};"
        f" on the next task like these with {likely(found.next.probability)}; permutation test {p}; {_sample(found)})"
    )


def _sample(found: Comparison) -> str:
    """`8 tasks × 5` where both sides did every task equally often."""
    tasks = len(found.tasks)
    first, second = found.trials
    often = first // tasks
    if first == second == often * tasks:
        return f"{many(tasks, 'task')} × {often}"
    return f"{many(tasks, 'task')}, {first} trials against {second}"


def _amounts(found: Comparison) -> str:
    cost = _dollars(found.first_usd, found.second_usd)
    time = _ratio(found.first_seconds, found.second_seconds, "time")
    said = [each for each in (cost, time) if each]
    return f" {' and '.join(said)}" if said else ""


def _dollars(first: float | None, second: float | None) -> str:
    if first is None or second is None:
        return "at a cost that is not known for both"
    if first == 0.0 or second == 0.0:
        return "both at no cost" if first == second else f"at {dollars(first)} a trial against {dollars(second)}"
    return _ratio(first, second, "cost")


def _ratio(first: float | None, second: float | None, what: str) -> str:
    if first is None or second is None or not (first > 0.0 and second > 0.0):
        return ""
    ratio = first / second
    if 1 / ALIKE < ratio < ALIKE:
        return f"at the same {what}" if what == "cost" else "in the same time"
    preposition = "at" if what == "cost" else "in"
    shown = times(ratio) if ratio >= 1.0 else f"{ratio:.2g}×"
    return f"{preposition} {shown} the {what}"


def claims(found: Comparison) -> str:
    """How often either side took for done what was not; "" where neither claimed to be done."""
    return wrong_but_confident(zip(_sides(found), found.wrong_claims, found.claims, strict=True))


def _sides(found: Comparison) -> tuple[str, str]:
    if found.kind == "runs":
        return f"{found.first} ({found.first_run})", f"{found.second} ({found.second_run})"
    return found.first, found.second


def side_by_side(found: Comparison) -> tuple[tuple[str, ...], ...]:
    """Performance, seconds and dollars per trial of both sides, as rows of a table."""
    names = _sides(found)
    scores = (found.first_score, found.second_score)
    active = (found.first_seconds, found.second_seconds)
    usd = (found.first_usd, found.second_usd)
    return tuple(
        (names[side], f"{scores[side]:.3f}", seconds(active[side]), dollars(usd[side]), str(found.trials[side]))
        for side in (0, 1)
    )
