"""Which agent to use: the best overall within the user's limits, why, how sure that is, and who was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Decision, Exclusion, Letter, Weights
from flatfield.scoring.grading import grade
from flatfield.scoring.scales import BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Grade, Grading, RunResult, Scorecard


class Constraints(Struct, frozen=True, kw_only=True):
    """What the user asks for; None means "no such limit".

    `weights` regrade the run; `max_seconds` is of mean active seconds, `max_cost_usd` of mean dollars per trial.
    """

    weights: Weights | None = None
    min_performance: Letter | None = None
    max_seconds: float | None = None
    max_cost_usd: float | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """An agent with its scorecard and its means per trial (dollars None: not all are known).

    `missing` are the tasks on which it was not measured, though others were.
    """

    card: Scorecard
    missing: tuple[str, ...]
    seconds: float | None
    usd: float | None


def decide(result: RunResult, constraints: Constraints) -> Decision:
    """The recommendation for one run.

    Ranked by overall score, then performance, then name. The Pareto front is of the agents that were not excluded, over
    the scores that have a weight.
    """
    grading = result.grading
    if constraints.weights is not None:
        grading = grade(
            result.run, result.trials, result.verdicts, weights=constraints.weights, anchors=grading.anchors
        )
    excluded, field = [], []
    for card in grading.scorecards:
        candidate = _candidate(card, result)
        reason = _against(candidate, constraints, grading.weights)
        if reason:
            excluded.append(Exclusion(agent=card.agent, reason=reason))
        else:
            field.append(candidate)
    field.sort(key=lambda one: (-(one.card.overall.score or 0.0), -(one.card.performance.score or 0.0), one.card.agent))
    first, second = (field[0] if field else None), (field[1] if len(field) > 1 else None)
    return Decision(
        run=result.run.id,
        recommended=first.card.agent if first else None,
        runner_up=second.card.agent if second else None,
        reasons=_reasons(field, grading, result),
        confidence=_confidence(field),
        front=_front(field, grading.weights),
        excluded=tuple(excluded),
    )


def _candidate(card: Scorecard, result: RunResult) -> Candidate:
    ran = [trial for trial in result.trials if trial.agent == card.agent and trial.failure is None]
    priced = card.device_cost_usd if card.device_cost_usd is not None else card.cost_usd
    cells = result.grading.cells
    mine = {cell.task for cell in cells if cell.agent == card.agent and cell.n}
    others = dict.fromkeys(cell.task for cell in cells if cell.n and cell.agent not in result.run.controls)
    return Candidate(
        card=card,
        missing=tuple(task for task in others if task not in mine),
        seconds=card.active_seconds / len(ran) if card.active_seconds is not None and ran else None,
        usd=priced / len(ran) if priced is not None and ran else None,
    )


def _against(candidate: Candidate, constraints: Constraints, weights: Weights) -> str:
    """Why an agent is left out; "" when it is not."""
    card = candidate.card
    if card.control:
        return "a control, not a contender"
    if card.performance.score is None:
        return card.performance.note or "not measured"
    if candidate.missing:
        return f"not measured on {', '.join(candidate.missing)}: its averages do not compare with the others'"
    least = dict(BANDS)[constraints.min_performance] if constraints.min_performance else 0.0
    if card.performance.score < least:
        return f"performance {_score(card.performance)} is below {constraints.min_performance}"
    beyond = _too_slow(candidate, constraints.max_seconds) or _too_dear(candidate, constraints.max_cost_usd, weights)
    return beyond or (f"no overall: {card.overall.note}" if card.overall.score is None else "")


def _too_slow(candidate: Candidate, limit: float | None) -> str:
    if limit is None or (candidate.seconds is not None and candidate.seconds <= limit):
        return ""
    if candidate.seconds is None:
        return "not timed"
    return f"too slow: {candidate.seconds:.1f} active seconds per trial on average, the limit is {limit:g}"


def _too_dear(candidate: Candidate, limit: float | None, weights: Weights) -> str:
    if candidate.usd is None:
        unknown = "no price known: weigh cost with 0 to compare without it"
        return unknown if limit is not None or weights.cost > 0 else ""
    if limit is None or candidate.usd <= limit:
        return ""
    return f"too dear: ${candidate.usd:.4g} per trial on average, the limit is ${limit:g}"


def _reasons(field: Sequence[Candidate], grading: Grading, result: RunResult) -> tuple[str, ...]:
    if not field:
        if all(card.control for card in grading.scorecards):
            return ("only controls took part",)
        return ("no agent is left: relax a limit, or measure more",)
    first = field[0]
    weights = grading.weights
    total = weights.performance + weights.speed + weights.cost
    shares = "/".join(f"{share / total:.0%}" for share in (weights.performance, weights.speed, weights.cost))
    weighted = f"performance/speed/cost weighted {shares}"
    best = f"{first.card.agent} has the best overall score of {len(field)}: {_score(first.card.overall)}, {weighted}"
    lines = [best, _figures(first)]
    if len(field) > 1:
        lines.append(f"next is {field[1].card.agent}, overall {_score(field[1].card.overall)}; {_figures(field[1])}")
        lines += _tradeoffs(field)
    if any(trial.imported for trial in result.trials):
        lines.append("these are published figures, not measured here")
    return tuple(lines)


def _figures(one: Candidate) -> str:
    card = one.card
    usd = "no price known" if one.usd is None else f"${one.usd:.4g} per trial"
    seconds = "not timed" if one.seconds is None else f"{one.seconds:.1f} active seconds per trial"
    return (
        f"{card.agent}: performance {_score(card.performance)}, speed {_score(card.speed)} ({seconds}), "
        f"cost {_score(card.cost)} ({usd})"
    )


def _tradeoffs(field: Sequence[Candidate]) -> list[str]:
    """Who is best at one thing, where that is not the recommended agent."""
    first = field[0].card
    lines = []
    for name in ("performance", "speed", "cost"):
        best = max(field, key=lambda one: getattr(one.card, name).score or 0.0).card
        mine, other = getattr(first, name), getattr(best, name)
        if other.score is not None and other.score > (mine.score or 0.0):
            lines.append(f"{best.agent} is better on {name}: {_score(other)} against {_score(mine)}")
    return lines


def _confidence(field: Sequence[Candidate]) -> str:
    """How sure the first place is: sure only against agents whose rank ranges do not touch."""
    if not field:
        return "none: there is nothing to recommend"
    first = field[0].card
    if len(field) == 1:
        return f"no comparison: {first.agent} is the only agent left (n={first.overall.n})"
    if first.overall.interval is None:
        return f"not separable with n={first.overall.n}: too few tasks and repeats for an interval"
    open_names = [one.card.agent for one in field[1:] if _may_be_ahead(one.card, first)]
    low, high = first.overall.interval.low, first.overall.interval.high
    said = f"overall {first.overall.score or 0.0:.2f}, 95% interval {low:.2f} to {high:.2f}, n={first.overall.n}"
    if not open_names:
        return f"separable: no other agent's rank range reaches {first.agent}'s ({said})"
    return f"not separable with n={first.overall.n} from {', '.join(open_names)} ({said})"


def _may_be_ahead(card: Scorecard, first: Scorecard) -> bool:
    return card.rank is None or first.rank is None or card.rank[0] <= first.rank[1]


def _front(field: Sequence[Candidate], weights: Weights) -> tuple[str, ...]:
    """Agents that no other one matches on every weighted score and beats on one."""
    parts = [
        name
        for name, weight in (("performance", weights.performance), ("speed", weights.speed), ("cost", weights.cost))
        if weight > 0
    ]
    points = {one.card.agent: [getattr(one.card, name).score for name in parts] for one in field}

    def beaten(mine: list[float], other: list[float]) -> bool:
        return other != mine and all(theirs >= own for theirs, own in zip(other, mine, strict=True))

    return tuple(agent for agent, mine in points.items() if not any(beaten(mine, other) for other in points.values()))


def _score(found: Grade) -> str:
    if found.score is None:
        return found.note or "not measured"
    return f"{found.letter} ({found.score:.2f})"
