"""A decision in words: whole for `pick`, in two lines for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import count, dollars, few, letter, many, seconds
from flatfield.runs.until_sure import ENDED
from flatfield.scoring.answer import left_out, named
from flatfield.scoring.decision import Constraints, decide

if TYPE_CHECKING:
    from flatfield.records import Decision, RunResult, Scorecard


def in_short(result: RunResult) -> tuple[str, ...]:
    """Which agent to use, what has to be said with it, and how sure that is."""
    decision = decide(result, Constraints())
    cards = {card.agent: card for card in result.grading.scorecards}
    if decision.recommended is None:
        return (decision.answer, *decision.caveats)
    first = decision.answer
    if decision.runner_up is not None:
        first += f" Runner-up: {named(cards[decision.runner_up])}."
    ended = [note for note in result.run.notes if note.startswith(ENDED)]
    return (
        first,
        *decision.caveats,
        f"Confidence: {decision.confidence}.",
        *(f"{note[0].upper()}{note[1:]}." for note in ended[:1]),
    )


def advice(decision: Decision, result: RunResult) -> Section:
    """The decision as `pick` prints it."""
    cards = {card.agent: card for card in result.grading.scorecards}
    points = list(decision.reasons)
    if decision.recommended is not None:
        points = [f"runner-up: {decision.runner_up or 'none'}", f"confidence: {decision.confidence}", *points]
    if len(decision.front) > 1:
        points.append(f"beaten on everything by none: {few(decision.front)}")
    excluded = left_out(decision.excluded, cards)
    points += [f"left out: {excluded}"] if excluded else []
    return Section(title=decision.answer, points=(*decision.caveats, *points))


def candidates(decision: Decision, result: RunResult) -> Section:
    """The agents that could be chosen, side by side."""
    out = {exclusion.agent for exclusion in decision.excluded}
    named_cards = {card.agent: card for card in result.grading.scorecards}
    cards = [named_cards[agent] for agent in result.grading.order if agent not in out]
    columns = ("agent", "n", "overall", "performance", "speed", "cost", "s/trial", "$/trial")
    rows = tuple(
        (
            card.agent,
            count(card.measured),
            letter(card.overall),
            letter(card.performance),
            card.speed.letter or "–",
            card.cost.letter or "–",
            seconds(per_trial(card.active_seconds, card, result)),
            dollars(card.known_usd / card.priced if card.known_usd is not None and card.priced else None),
        )
        for card in cards
    )
    table = Table(columns=columns, rows=rows, right=frozenset({"n", *columns[-2:]}), names=frozenset({"agent"}))
    return Section(title=f"Candidates in run {result.run.id}: {result.run.evaluation.title}", tables=(table,))


def per_trial(total: float | None, card: Scorecard, result: RunResult) -> float | None:
    """A scorecard's total over the trials that the harness did not fail, as a mean."""
    ran = sum(trial.agent == card.agent and trial.failure is None for trial in result.trials)
    return total / ran if total is not None and ran else None


def counted(result: RunResult) -> str:
    """`9 agents × 5 tasks`, and how many of the trials are measured."""
    planned = sum(card.trials for card in result.grading.scorecards)
    measured = sum(card.measured for card in result.grading.scorecards)
    agents, tasks = many(len(result.run.agents), "agent"), many(len(result.run.tasks), "task")
    return f"{agents} × {tasks}, {measured} of {many(planned, 'trial')} measured"
