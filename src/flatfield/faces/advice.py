"""The decision on a face: the answer with its advice, and the agents that could be chosen side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, count, dollars, letter, many, seconds
from flatfield.scoring.answer import per_trial as means_of
from flatfield.scoring.decision import decide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flatfield.evidence.choosing import PublishedChoice
    from flatfield.records import Evidence, KindOfWork, RunResult, Scorecard
    from flatfield.scoring.certainty.values import Standing
    from flatfield.scoring.decision import Decision


MOST_PUBLISHED = 3
"""Of so many contenders it is said what others published."""
SUBSCRIPTION = "subscription"


def in_short(result: RunResult) -> Section:
    """The answer as reports say it: its advice, and how adding repeats ended."""
    found = decide(result)
    said = tuple(f"{note[0].upper()}{note[1:]}." for note in result.run.rounds_ended[:1])
    return Section(title=found.answer, points=(*found.advice, *said))


def advice(decision: Decision) -> Section:
    """The answer as a heading, and all that there is to say of it."""
    return Section(title=decision.answer, points=(*decision.advice, *decision.details))


def candidates(decision: Decision, result: RunResult) -> Section:
    """The contenders side by side; `best` is the probability of it, of those that may be chosen.

    The recommended one first, then as the report ranks them; in money by what they bring, and who is on a subscription
    is marked as such instead of with its dollars.
    """
    cards = {card.agent: card for card in result.grading.scorecards}
    costs = shows_cost(result)
    columns = ("agent", "n", "best", "overall", "performance", "speed", *(("cost",) * costs), "s/trial", "$/trial")
    rows = []
    for one in _in_order(decision, result):
        card = cards[one.agent]
        took, usd = means_of(card)
        grades = (
            letter(card.overall),
            letter(card.performance),
            card.speed.letter or UNKNOWN,
            *((card.cost.letter or UNKNOWN,) * costs),
        )
        best = f"{one.best:.2f}" if one.allowed else UNKNOWN
        paid = SUBSCRIPTION if one.agent in decision.prepaid else dollars(usd)
        rows.append((card.agent, count(card.measured), best, *grades, seconds(took), paid))
    table = Table(
        columns=columns,
        rows=tuple(rows),
        right=frozenset({"n", "best", *columns[-2:]}),
        names=frozenset({"agent"}),
        drop=("speed", "cost", "performance"),
    )
    text = "n: trials. best: the probability of it. S is the best letter, F the worst."
    title = f"Candidates in run {result.run.id}: {result.run.evaluation.title}"
    return Section(title=title, paragraphs=(text,), tables=(table,))


def shows_cost(result: RunResult) -> bool:
    """Whether letters for cost tell anything: not where it is left out, and only those that did no work have one."""
    grading = result.grading
    working = (card for card in grading.scorecards if card.performance.score)
    left_out = grading.unpriced or grading.without_scale
    return not left_out or any(card.cost.letter for card in working)


def published_choice(choice: PublishedChoice) -> Section:
    """The answer from what others published."""
    return Section(title=choice.answer, points=(*choice.advice, f"{choice.next_step}: {choice.command}"))


def published_candidates(choice: PublishedChoice) -> Section:
    """Who can be asked from here, best first, with what was published of it."""
    from flatfield.evidence.choosing import how_set

    rows = tuple(
        (
            one.agent,
            f"{one.published.share:.0%}",
            f"{one.published.tasks:,}",
            seconds(one.published.seconds),
            dollars(one.published.usd),
            how_set(one.published) or UNKNOWN,
            one.published.date or UNKNOWN,
        )
        for one in choice.candidates
    )
    columns = ("agent", "solved", "of", "s/task", "$/task", "set", "published")
    table = Table(
        columns=columns,
        rows=rows,
        right=frozenset(columns[1:5]),
        names=frozenset({"agent"}),
        drop=("set", "of", "published"),
    )
    title = f"Published for {choice.kind}: {choice.benchmark} in {choice.scaffold}; nothing of it was measured here"
    return Section(title=title, tables=(table,))


def published_of(
    result: RunResult, decision: Decision, data: Path, kind: KindOfWork | None
) -> tuple[tuple[str, Evidence], ...]:
    """What others published of the models of the first contenders: of a kind of work, or of each the first.

    Nothing below an imported run: it is of others itself, and these may be its own figures once more.
    """
    from flatfield.evidence.listed import evidence, of_model

    if result.run.imported:
        return ()
    rows = [row for row in evidence(data) if kind is None or row.kind == kind]
    models = {agent.name: agent.model for agent in result.run.agents}
    first = [name for name in (decision.recommended, decision.runner_up) if name]
    names = dict.fromkeys((*first, *(one.agent for one in decision.standings)))
    found = ((name, next(iter(of_model(rows, models[name])), None)) for name in names if name in models)
    return tuple((name, row) for name, row in found if row is not None)[:MOST_PUBLISHED]


def beside(others: Sequence[tuple[str, Evidence]]) -> Section:
    """What others published, below an answer of one's own."""
    from flatfield.evidence.choosing import did

    points = tuple(f"{name}: {did(row)}" for name, row in others)
    return Section(title="Published by others, on other tasks, and not counted above", points=points)


def _in_order(decision: Decision, result: RunResult) -> Sequence[Standing]:
    if decision.unit == "usd":
        return decision.standings
    places = {agent: place for place, agent in enumerate(result.grading.order)}
    return sorted(
        decision.standings,
        key=lambda one: (one.agent != decision.recommended, places.get(one.agent, len(places))),
    )


def per_trial(total: float | None, card: Scorecard, result: RunResult) -> float | None:
    """A scorecard's total over the trials that the harness did not fail, as a mean."""
    ran = sum(trial.agent == card.agent and trial.failure is None for trial in result.trials)
    return total / ran if total is not None and ran else None


def counted(result: RunResult) -> str:
    """`9 agents × 5 tasks`, and how many of the trials are measured."""
    planned = sum(card.trials for card in result.grading.scorecards)
    measured = sum(card.measured for card in result.grading.scorecards)
    agents, tasks = many(len(result.run.agents), "agent"), many(len(result.run.tasks), "task")
    return f"{agents} × {tasks}, {measured:,} of {many(planned, 'trial')} measured"
