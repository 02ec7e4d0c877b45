"""A decision's sentence, which all faces say, and what has to be said with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.saying import few, many
from flatfield.scoring.performance import places
from flatfield.scoring.prices.pricing import unknown_costs
from flatfield.scoring.standing import does_the_job, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Exclusion, Grade, Grading, RunResult, Scorecard
    from flatfield.scoring.performance import Place

SHOWN = 3
"""So many checks or agents are named where there are more."""
LONGEST = 60
"""Characters of a check's label that a sentence has room for."""


def graded(grade: Grade) -> str:
    """`A (B–S)`: the letter and its range on these tasks; `A (one trial)`."""
    if grade.letter is None:
        return f"no {grade.lacks}" if grade.lacks else "not measured"
    if grade.n == 1:
        return f"{grade.letter} (one trial)"
    if grade.at_worst == grade.at_best:
        return grade.letter
    return f"{grade.letter} ({grade.at_worst}–{grade.at_best})"


def named(card: Scorecard) -> str:
    """`a, overall A (B–S, 15 trials)`."""
    said = graded(card.overall)
    if card.overall.letter is None or card.overall.n == 1:
        return f"{card.agent}, overall {said}"
    trials = many(card.overall.n, "trial")
    said = f"{said[:-1]}, {trials})" if said.endswith(")") else f"{said} ({trials})"
    return f"{card.agent}, overall {said}"


def answer(result: RunResult, field: Sequence[Scorecard], excluded: Sequence[Exclusion], otherwise: str) -> str:
    """Which agent to use, in one sentence; `field`: who may be chosen, best first.

    Where nobody may be, who was left out for what, or `otherwise`.
    """
    cards = {card.agent: card for card in result.grading.scorecards}
    if not field:
        return f"No agent to recommend: {left_out(excluded, cards) or otherwise}."
    first = field[0]
    if does_the_job(first):
        return f"So far, use {named(first)}." if unfinished(result) else f"Use {named(first)}."
    able = [one for one in excluded if not cards[one.agent].control and does_the_job(cards[one.agent])]
    if able:
        return f"No agent within the limits does the job; left out: {left_out(able, cards)}."
    does = "is known to do" if any(map(does_the_job, field)) else "does"
    return f"None {does} the job; the best of them is {named(first)}."


def caveats(result: RunResult, field: Sequence[Scorecard]) -> tuple[str, ...]:
    """What the answer hides: trials and checks that are still to come or not measured, and costs that are not known."""
    begun, grading = unfinished(result), result.grading
    return (
        *((f"Not all is done: {begun}.",) if begun else ()),
        *_gaps(result, field),
        *_higher(field),
        *unchecked(result),
        *without_cost(result, grading),
        *(
            f"{card.agent}: cost known on {card.priced:,} of {card.ran:,} trials."
            for card in field[:2]
            if 0 < card.priced < card.ran and grading.weights.cost > 0.0
        ),
    )


def unfinished(result: RunResult) -> str:
    """Whose trials are not all done yet; failed ones count as done. "" when all are."""
    waiting = _still_to_come(result)
    return few(
        f"{card.agent} has done {card.trials - waiting[card.agent]:,} of {many(card.trials, 'trial')}"
        for card in result.grading.scorecards
        if card.agent in waiting
    )


def _still_to_come(result: RunResult) -> dict[str, int]:
    """How many trials are not done yet, by the agents of which there are any."""
    done = Counter(
        trial.agent for trial in result.trials if trial.failure is None or trial.failure.kind != "interrupted"
    )
    cards = [card for card in result.grading.scorecards if not card.control]
    return {card.agent: card.trials - done[card.agent] for card in cards if done[card.agent] < card.trials}


def without_cost(result: RunResult, grading: Grading) -> Iterator[str]:
    """Why cost counts for nobody, and which line would change that; nothing where it counts."""
    if grading.unpriced:
        unpriced = [agent for agent in result.run.agents if agent.name in grading.unpriced]
        for reason in unknown_costs(unpriced, result.trials):
            yield f"Cost is left out for all: {reason}."
    if grading.without_scale:
        yield (
            f"Cost is left out for all: nobody but {few(grading.without_scale)} costs anything, so there is no"
            " price to compare with; targets: {cost_usd: …} in a task would grade it."
        )


def left_out(excluded: Sequence[Exclusion], cards: dict[str, Scorecard]) -> str:
    """Who was left out, grouped by the reason; controls are no contenders and need none."""
    reasons: dict[str, list[str]] = {}
    for exclusion in excluded:
        if not cards[exclusion.agent].control:
            reasons.setdefault(exclusion.reason, []).append(exclusion.agent)
    return few((f"{few(agents)}: {reason}" for reason, agents in reasons.items()), between="; ")


def scored_higher(field: Sequence[Scorecard]) -> list[Scorecard]:
    """Whose overall is higher than that of the first: who lacks something, or does not do the job."""
    scores = {card.agent: card.overall.score or 0.0 for card in field}
    higher = [card for card in field[1:] if scores[card.agent] > scores[field[0].agent] + 1e-9]
    return sorted(higher, key=lambda card: -scores[card.agent])


def _higher(field: Sequence[Scorecard]) -> Iterator[str]:
    for card in scored_higher(field)[:SHOWN]:
        if does_the_job(card) < does_the_job(field[0]):
            yield f"{card.agent} has a higher overall, but does not do the job."
        else:
            some = f"on the {card.measured:,} of {many(card.trials, 'trial')} that were measured"
            what = some if card.measured < card.trials else "by the checks that were measured"
            yield f"{card.agent} scored higher {what}; what is missing never helps."


def _gaps(result: RunResult, field: Sequence[Scorecard]) -> Iterator[str]:
    """What is missing of the first two, and whether the answer changes if all of it had failed."""
    waiting, higher = _still_to_come(result), scored_higher(field)[:SHOWN]
    for card in field[:2]:
        lost = card.trials - card.measured
        instead = _would_be_first(result.grading, field) if card is field[0] else ""
        then = f"; had the others failed, {instead} would be first" if instead else ""
        told = card in higher or lost <= waiting.get(card.agent, 0)
        if lost and (then or not told):
            yield f"{card.agent}: {card.measured:,} of {many(card.trials, 'trial')} measured{then}."
        elif instead and not lost:
            yield f"{card.agent}: had the checks failed that were not measured, {instead} would be first."
    if field and not does_the_job(field[0]):
        nothing = [card.agent for card in result.grading.scorecards if not card.control and not card.measured]
        if nothing:
            yield f"Not measured: {few(nothing)}."


def _would_be_first(grading: Grading, field: Sequence[Scorecard]) -> str:
    """Who would, if all that is missing of the first had failed; "" where that changes nothing."""
    first, *others = field
    state = known([card.agent for card in grading.scorecards if not card.control], grading.cells)
    least = _at_least(first, state[first.agent].gap)
    ahead = [card for card in others if does_the_job(card) and _at_least(card, state[card.agent].gap) > least]
    if not ahead or state[first.agent].gap <= 0.0:
        return ""
    return max(ahead, key=lambda card: _at_least(card, state[card.agent].gap)).agent


def unchecked(result: RunResult) -> Iterator[str]:
    """Which checks with a weight came to no score, of the trials that were measured otherwise, and on whose trials."""
    contenders = {card.agent for card in result.grading.scorecards if not card.control}
    found: dict[Place, list[tuple[str, bool]]] = {}
    for trial in result.trials:
        for place, check in places(trial) if trial.failure is None and trial.agent in contenders else ():
            found.setdefault(place, []).append((trial.agent, check.score is not None))
    parts = [_part(place, each) for place, each in found.items() if not all(done for _, done in each)]
    if parts:
        more = f", and {len(parts) - SHOWN:,} more" if len(parts) > SHOWN else ""
        yield f"Checks were not measured: {', '.join(parts[:SHOWN])}{more}."


def _part(place: Place, found: Sequence[tuple[str, bool]]) -> str:
    """`pytest of t on 1 of 2 trials (a)`."""
    task, _, verifier, label = place
    named = label or verifier
    check = f"{named if len(named) <= LONGEST else f'{named[: LONGEST - 1]}…'} of {task}"
    lacking = [agent for agent, done in found if not done]
    if len(lacking) == len(found):
        return f"{check} on any trial"
    agents = list(dict.fromkeys(lacking))
    whose = ", ".join(agents[:SHOWN]) + (" and others" if len(agents) > SHOWN else "")
    return f"{check} on {len(lacking):,} of {many(len(found), 'trial')} ({whose})"


def _at_least(card: Scorecard, gap: float) -> float:
    return (card.overall.score or 0.0) * (1.0 - gap)
