"""A decision in words: whole for `pick`, in two lines for reports."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import dollars, letter, many, seconds
from flatfield.runs.until_sure import ENDED
from flatfield.scoring.decision import Constraints, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Decision, Exclusion, RunResult, Scorecard


def in_short(result: RunResult) -> tuple[str, ...]:
    """Which agent to use and how sure that is, in at most three sentences."""
    if all(card.control for card in result.grading.scorecards):
        return ("No agent to recommend: only controls took part.",)
    decision = decide(result, Constraints())
    cards = {card.agent: card for card in result.grading.scorecards}
    unfinished = _unfinished(result)
    if unfinished:
        return (f"No recommendation yet: {unfinished}.",)
    if decision.recommended is None:
        return (f"No agent to recommend: {_left_out(decision.excluded, cards) or decision.reasons[0]}.",)
    first = f"{_use(cards[decision.recommended])}."
    if decision.runner_up is not None:
        first += f" Runner-up: {_graded(cards[decision.runner_up])}."
    ended = [note for note in result.run.notes if note.startswith(ENDED)]
    return (first, f"Confidence: {decision.confidence}.", *(f"{note[0].upper()}{note[1:]}." for note in ended[:1]))


def advice(decision: Decision, result: RunResult) -> Section:
    """The decision as `pick` prints it."""
    cards = {card.agent: card for card in result.grading.scorecards}
    title, points = f"No agent of run {result.run.id} can be recommended", list(decision.reasons)
    if decision.recommended is not None:
        title = _use(cards[decision.recommended])
        points = [f"runner-up: {decision.runner_up or 'none'}", f"confidence: {decision.confidence}", *points]
    if len(decision.front) > 1:
        points.append(f"beaten on everything by none: {', '.join(decision.front)}")
    excluded = _left_out(decision.excluded, cards)
    points += [f"left out: {excluded}"] if excluded else []
    return Section(title=title, points=tuple(points))


def candidates(decision: Decision, result: RunResult) -> Section:
    """The agents that could be chosen, side by side."""
    out = {exclusion.agent for exclusion in decision.excluded}
    cards = [card for card in result.grading.scorecards if card.agent not in out]
    first = (decision.recommended, decision.runner_up)
    cards.sort(key=lambda card: (card.agent not in first, -(card.overall.score or 0.0), card.agent))
    columns = ("agent", "overall", "performance", "speed", "cost", "s/trial", "$/trial")
    rows = tuple(
        (
            card.agent,
            letter(card.overall),
            letter(card.performance),
            card.speed.letter or "–",
            card.cost.letter or "–",
            seconds(per_trial(card.active_seconds, card, result)),
            dollars(per_trial(_graded_on(card), card, result)),
        )
        for card in cards
    )
    table = Table(columns=columns, rows=rows, right=frozenset(columns[-2:]), fold=frozenset({"agent"}))
    return Section(title=f"Candidates in run {result.run.id}: {result.run.evaluation.title}", tables=(table,))


def per_trial(total: float | None, card: Scorecard, result: RunResult) -> float | None:
    """A scorecard's total over the trials that the harness did not fail, as a mean."""
    ran = sum(trial.agent == card.agent and trial.failure is None for trial in result.trials)
    return total / ran if total is not None and ran else None


def _graded_on(card: Scorecard) -> float | None:
    """The dollars that the cost grade stands on: the device's where they are set."""
    return card.cost_usd if card.device_cost_usd is None else card.device_cost_usd


def _use(card: Scorecard) -> str:
    """The recommendation; the first of those that cannot do the job is not one."""
    if card.performance.letter in {"D", "F"}:
        return f"None does the job; the best of them is {_graded(card)}"
    return f"Use {_graded(card)}"


def _unfinished(result: RunResult) -> str:
    """Whose trials are not all done yet, so that there is nothing to compare; failed ones count as done."""
    done = Counter(
        trial.agent for trial in result.trials if trial.failure is None or trial.failure.kind != "interrupted"
    )
    cards = [card for card in result.grading.scorecards if not card.control]
    return ", ".join(
        f"{card.agent} has done {done[card.agent]} of {many(card.trials, 'trial')}"
        for card in cards
        if done[card.agent] < card.trials
    )


def _graded(card: Scorecard) -> str:
    return f"{card.agent}, overall {letter(card.overall)}"


def _left_out(excluded: Sequence[Exclusion], cards: dict[str, Scorecard]) -> str:
    """Who was left out, grouped by the reason; controls are no contenders and need none."""
    reasons: dict[str, list[str]] = {}
    for exclusion in excluded:
        if not cards[exclusion.agent].control:
            reasons.setdefault(exclusion.reason, []).append(exclusion.agent)
    return "; ".join(f"{', '.join(agents)}: {reason}" for reason, agents in reasons.items())


def counted(result: RunResult) -> str:
    """`9 agents × 5 tasks`, and how many of the trials are measured."""
    planned = sum(card.trials for card in result.grading.scorecards)
    measured = sum(card.measured for card in result.grading.scorecards)
    agents, tasks = many(len(result.run.agents), "agent"), many(len(result.run.tasks), "task")
    return f"{agents} × {tasks}, {measured} of {many(planned, 'trial')} measured"
