"""A comparison in one plain sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.wording import dollars, many, seconds, times, wrong_but_confident

if TYPE_CHECKING:
    from flatfield.records import Comparison

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
    opening = "Too close to call: " if found.verdict == "too close to call" else ""
    closing = "; that is too little to say which is better" if found.verdict == "too few to say" else ""
    return f"{opening}{done}{_amounts(found)}{closing}."


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
    if found.interval is None:
        down, up = found.left_open
        ends = f"{points(found.difference - down)} to {points(found.difference + up)}"
        return (
            f"({ends} by the checks that were not measured; {_sample(found)})" if down or up else f"({_sample(found)})"
        )
    ends = f"{points(found.interval.low)} to {points(found.interval.high)}"
    if found.probability is None:
        return f"(95 %: {ends}, with what checks leave that were not measured; {_sample(found)})"
    likely = min(max(found.probability, 0.01), 0.99)
    mark = ">" if found.probability > likely else "<" if found.probability < likely else ""
    return f"(95 %: {ends}; better with probability {mark}{likely:.2f}; {_sample(found)})"


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
