"""A decision's sentence, which all faces say, and what has to be said with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.scoring.prices.unknown import unknown_costs
from flatfield.scoring.standing import does_the_job, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Exclusion, Grade, Grading, RunResult, Scorecard


def graded(grade: Grade) -> str:
    """`S (n=5, ≥ C)`: the letter, how many trials it stands on, and the worst letter inside the interval."""
    if grade.letter is None:
        return f"no {grade.lacks}" if grade.lacks else "not measured"
    if grade.n == 1:
        return f"{grade.letter} (one trial)"
    worst = f", ≥ {grade.at_worst}" if grade.at_worst and grade.interval else ""
    return f"{grade.letter} (n={grade.n}{worst})"


def named(card: Scorecard) -> str:
    """`a, overall S (n=5, ≥ C)`."""
    return f"{card.agent}, overall {graded(card.overall)}"


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
    return f"None does the job; the best of them is {named(first)}."


def caveats(result: RunResult, grading: Grading, field: Sequence[Scorecard]) -> tuple[str, ...]:
    """What the answer hides: trials that are still to come or not measured, and costs that are not known."""
    begun = unfinished(result)
    return (
        *((f"Not all is done: {begun}.",) if begun else ()),
        *_gaps(grading, field),
        *without_cost(result, grading),
        *(
            f"{card.agent}: cost known on {card.priced:,} of {card.ran:,} trials."
            for card in field[:2]
            if 0 < card.priced < card.ran and grading.weights.cost > 0.0
        ),
    )


def unfinished(result: RunResult) -> str:
    """Whose trials are not all done yet; failed ones count as done. "" when all are."""
    done = Counter(
        trial.agent for trial in result.trials if trial.failure is None or trial.failure.kind != "interrupted"
    )
    cards = [card for card in result.grading.scorecards if not card.control]
    return ", ".join(
        f"{card.agent} has done {done[card.agent]:,} of {_many(card.trials)}"
        for card in cards
        if done[card.agent] < card.trials
    )


def without_cost(result: RunResult, grading: Grading) -> Iterator[str]:
    """Why cost counts for nobody, and which line would change that; nothing where it counts."""
    if grading.unpriced:
        unpriced = [agent for agent in result.run.agents if agent.name in grading.unpriced]
        for reason in unknown_costs(unpriced, result.trials):
            yield f"Cost is left out for all: {reason}."
    if grading.without_scale:
        yield (
            f"Cost is left out for all: nobody but {', '.join(grading.without_scale)} costs anything, so there is no"
            " price to compare with; targets: {cost_usd: …} in a task would grade it."
        )


def left_out(excluded: Sequence[Exclusion], cards: dict[str, Scorecard]) -> str:
    """Who was left out, grouped by the reason; controls are no contenders and need none."""
    reasons: dict[str, list[str]] = {}
    for exclusion in excluded:
        if not cards[exclusion.agent].control:
            reasons.setdefault(exclusion.reason, []).append(exclusion.agent)
    return "; ".join(f"{', '.join(agents)}: {reason}" for reason, agents in reasons.items())


def _gaps(grading: Grading, field: Sequence[Scorecard]) -> Iterator[str]:
    """Whether the answer changes if all trials of the first that are not measured had failed."""
    if len(field) < 2:
        return
    first, *others = field
    state = known([card.agent for card in grading.scorecards if not card.control], grading.cells)
    least = (first.overall.score or 0.0) * (1.0 - state[first.agent].gap)
    ahead = [card for card in others if does_the_job(card) and _at_least(card, state[card.agent].gap) > least]
    if ahead and state[first.agent].gap > 0.0:
        best = max(ahead, key=lambda card: _at_least(card, state[card.agent].gap))
        missing = _many(first.trials - first.measured)
        yield f"{first.agent} lacks {missing} of {first.trials:,}; had they failed, {best.agent} would be first."


def _at_least(card: Scorecard, gap: float) -> float:
    return (card.overall.score or 0.0) * (1.0 - gap)


def _many(trials: int) -> str:
    return f"{trials:,} trial" if trials == 1 else f"{trials:,} trials"
