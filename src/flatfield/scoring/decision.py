"""Which agent to use: the best overall within the user's limits, why, how sure that is, and who was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.records import Decision, Exclusion, Letter, RunResult, Weights
from flatfield.saying import dollars, few, seconds, written
from flatfield.scoring.answer import answer, caveats, scored_higher
from flatfield.scoring.certainty.door import study_run
from flatfield.scoring.grading import Terms, grade_drawn
from flatfield.scoring.scales import BANDS
from flatfield.scoring.standing import does_the_job, known

SHOWN = 3
"""So many agents or tasks are named where some are missing."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Grade, Grading, Scorecard


class Constraints(Struct, frozen=True, kw_only=True):
    """What the user asks for; None means "no such limit".

    `weights` regrade the run; `max_seconds` is of mean active seconds, `max_cost_usd` of mean dollars per trial.
    """

    weights: Weights | None = None
    min_performance: Letter | None = None
    max_seconds: float | None = None
    max_cost_usd: float | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """An agent with its scorecard and its means per trial; dollars over the trials of known price (None: none has one).

    `missing` are the tasks on which it was not measured, though others were.
    """

    card: Scorecard
    missing: tuple[str, ...]
    seconds: float | None
    usd: float | None


def decide(result: RunResult, constraints: Constraints) -> Decision:
    """The recommendation for one run, regraded as `within` does.

    Ranked as `standing.best_first` does: nobody is left out for what is not known of him, except where a limit asks for
    it. The Pareto front is of the agents that were not excluded, over the scores that have a weight. Nobody who does
    not do the job is recommended where the limits left out somebody who does.
    """
    result = within(result, constraints)
    grading = result.grading
    candidates = _candidates(grading)
    reasons = {one.card.agent: _against(one, constraints) for one in candidates}
    excluded = tuple(Exclusion(agent=agent, reason=reason) for agent, reason in reasons.items() if reason)
    by_name = {one.card.agent: one for one in candidates}
    field = [by_name[agent] for agent in grading.order if not reasons[agent]]
    cards = [one.card for one in field]
    why = _reasons(field, grading, result)
    barred = any(reasons[one.card.agent] and not one.card.control and does_the_job(one.card) for one in candidates)
    chosen = [] if cards and not does_the_job(cards[0]) and barred else cards
    return Decision(
        run=result.run.id,
        recommended=chosen[0].agent if chosen else None,
        runner_up=chosen[1].agent if len(chosen) > 1 else None,
        reasons=why,
        confidence=_confidence(field),
        front=_front(field, grading.weights),
        excluded=excluded,
        answer=answer(result, cards, excluded, why[0]),
        caveats=caveats(result, cards),
    )


def within(result: RunResult, constraints: Constraints) -> RunResult:
    """The run as a decision sees it: by the weights asked for, and over those agents alone that the limits leave.

    Who is left out takes cost from nobody and stands before nobody. The scales stay those of the run, so that a letter
    of performance, speed or cost is the same with limits and without.
    """
    asked = constraints.weights or result.grading.asked or result.grading.weights
    if constraints.weights is not None:
        result = _regraded(result, asked, None)
    contenders = [one for one in _candidates(result.grading) if not one.card.control]
    left = [one.card.agent for one in contenders if not _beyond(one, constraints)]
    return _regraded(result, asked, left) if len(left) < len(contenders) else result


def _regraded(result: RunResult, weights: Weights, among: Sequence[str] | None) -> RunResult:
    terms = Terms(weights=weights, anchors=result.grading.anchors, among=None if among is None else frozenset(among))
    study = study_run(result, result.run.anchors)
    found = grade_drawn(result.run, result.trials, result.verdicts, terms, study)
    return structs.replace(result, grading=structs.replace(found, notes=result.grading.notes))


def _candidates(grading: Grading) -> list[Candidate]:
    state = known([card.agent for card in grading.scorecards if not card.control], grading.cells)
    return [
        Candidate(
            card=card,
            missing=() if card.control else state[card.agent].tasks,
            seconds=card.active_seconds / card.ran if card.active_seconds is not None and card.ran else None,
            usd=card.known_usd / card.priced if card.known_usd is not None and card.priced else None,
        )
        for card in grading.scorecards
    ]


def _against(candidate: Candidate, constraints: Constraints) -> str:
    """Why an agent is left out; "" when it is not."""
    card = candidate.card
    if card.control:
        return "a control, not a contender"
    if card.performance.score is None:
        return card.performance.note or "not measured"
    beyond = _beyond(candidate, constraints)
    return beyond or (f"no overall: {card.overall.note}" if card.overall.score is None else "")


def _beyond(candidate: Candidate, constraints: Constraints) -> str:
    """Which limit a measured agent does not keep to; "" when it keeps to all."""
    performance = candidate.card.performance
    if performance.score is None:
        return ""
    least = dict(BANDS)[constraints.min_performance] if constraints.min_performance else 0.0
    if performance.score < least:
        return f"performance {_score(performance)} is below {constraints.min_performance}"
    return _too_slow(candidate, constraints.max_seconds) or _too_dear(candidate, constraints.max_cost_usd)


def _too_slow(candidate: Candidate, limit: float | None) -> str:
    if limit is None or (candidate.seconds is not None and candidate.seconds <= limit):
        return ""
    if candidate.seconds is None:
        return "not timed"
    return f"too slow: {seconds(candidate.seconds)} active per trial on average, the limit is {written(limit)} s"


def _too_dear(candidate: Candidate, limit: float | None) -> str:
    if limit is None or (candidate.usd is not None and candidate.usd <= limit):
        return ""
    if candidate.usd is None:
        return f"no price known, so nobody can tell whether it keeps to ${written(limit)} per trial"
    return f"too dear: {dollars(candidate.usd)} per trial on average, the limit is ${written(limit)}"


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
    higher = scored_higher([one.card for one in field])
    place = "stands first" if higher else "has the best overall score"
    best = f"{first.card.agent} {place} of {len(field)}: {_score(first.card.overall)}, {weighted}"
    lines = [best, _figures(first), *_wrong_claims(first.card)]
    if len(field) > 1:
        lines.append(f"next is {field[1].card.agent}, overall {_score(field[1].card.overall)}; {_figures(field[1])}")
        lines += [*_wrong_claims(field[1].card), *_tradeoffs(field)]
    lines += _incomplete(field)
    if result.run.imported:
        lines.append(f"imported from {result.run.origin}, not measured here")
    return tuple(lines)


def _wrong_claims(card: Scorecard) -> list[str]:
    if not card.wrong_claims:
        return []
    often = f"{card.wrong_claims:,} of {card.claims:,} trials"
    return [f"{card.agent} took for done what checks say was not in {often}"]


def _figures(one: Candidate) -> str:
    card = one.card
    usd = "" if one.usd is None else f"{dollars(one.usd)} per trial"
    if 0 < card.priced < card.ran:
        usd += f", known on {card.priced:,} of {card.ran:,}"
    cost = f"{_score(card.cost)} ({usd})" if usd else _score(card.cost)
    active = "not timed" if one.seconds is None else f"{seconds(one.seconds)} active per trial"
    return f"{card.agent}: performance {_score(card.performance)}, speed {_score(card.speed)} ({active}), cost {cost}"


def _incomplete(field: Sequence[Candidate]) -> list[str]:
    """Who was not measured on which tasks, those with most missing first."""
    lacking = sorted((one for one in field if one.missing), key=lambda one: -len(one.missing))
    lines = [f"{one.card.agent} was not measured on {few(one.missing, SHOWN)}" for one in lacking[:SHOWN]]
    return [*lines, f"{len(lacking) - SHOWN} more were not measured on some tasks"] if len(lacking) > SHOWN else lines


def _tradeoffs(field: Sequence[Candidate]) -> list[str]:
    """Who is best at one thing, where that is not the recommended agent."""
    first = field[0].card
    lines = []
    for name in ("performance", "speed", "cost"):
        best = max(field, key=lambda one: getattr(one.card, name).score or 0.0).card
        mine, other = getattr(first, name), getattr(best, name)
        if mine.score is not None and other.score is not None and other.score > mine.score:
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
        return f"not separable with n={first.overall.n}: nothing is known of chance"
    open_names = [one.card.agent for one in field[1:] if _may_be_ahead(one.card, first)]
    low, high = first.overall.interval.low, first.overall.interval.high
    said = f"overall {first.overall.score or 0.0:.2f}, 95% interval {low:.2f} to {high:.2f}, n={first.overall.n}"
    if not open_names:
        return f"separable: no other agent's rank range reaches {first.agent}'s ({said})"
    return f"not separable with n={first.overall.n} from {few(open_names)} ({said})"


def _may_be_ahead(card: Scorecard, first: Scorecard) -> bool:
    return card.rank is None or first.rank is None or card.rank[0] <= first.rank[1]


def _front(field: Sequence[Candidate], weights: Weights) -> tuple[str, ...]:
    """Agents that no other one matches on every weighted score and beats on one; what is not known counts 0."""
    parts = [
        name
        for name, weight in (("performance", weights.performance), ("speed", weights.speed), ("cost", weights.cost))
        if weight > 0
    ]
    points = {one.card.agent: [getattr(one.card, name).score or 0.0 for name in parts] for one in field}

    def beaten(mine: list[float], other: list[float]) -> bool:
        return other != mine and all(theirs >= own for theirs, own in zip(other, mine, strict=True))

    return tuple(agent for agent, mine in points.items() if not any(beaten(mine, other) for other in points.values()))


def _score(found: Grade) -> str:
    if found.score is None:
        return found.note or "not measured"
    return f"{found.letter} ({found.score:.2f})"
