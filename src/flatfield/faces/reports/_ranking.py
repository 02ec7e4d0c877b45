"""Who did best: grades, places, targets; the controls in a table of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.advice import in_short, per_trial
from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, dollars, letter, rank, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import RunResult, Scorecard

GRADES = ("overall", "performance", "speed", "cost")
NAMES = frozenset({"agent", "control"})


def ranked(result: RunResult) -> list[Scorecard]:
    """The scorecards of all but the controls, best first."""
    cards = [card for card in result.grading.scorecards if not card.control]
    places = {agent: place for place, agent in enumerate(result.grading.order)}
    return sorted(cards, key=lambda card: (places.get(card.agent, len(places)), card.agent))


def controls(result: RunResult) -> list[Scorecard]:
    """The scorecards of the controls."""
    return [card for card in result.grading.scorecards if card.control]


def control_table(result: RunResult) -> tuple[Table, ...]:
    """The controls' performance; nothing when none took part."""
    rows = tuple((card.agent, letter(card.performance)) for card in controls(result))
    return (Table(columns=("control", "performance"), rows=rows, names=NAMES),) if rows else ()


def full_ranking(result: RunResult) -> Section:
    """Places and grades in one table, then the recommendation."""
    rows = tuple((rank(card.rank), card.agent, *_four(card)) for card in ranked(result))
    table = Table(columns=("rank", "agent", *GRADES), rows=rows, right=frozenset({"rank"}), names=NAMES)
    return Section(title="Final Ranking", tables=(*control_table(result), table), points=_without_overall(result))


def grades(result: RunResult) -> Section:
    """Each agent's four grades."""
    rows = tuple((card.agent, *_four(card)) for card in ranked(result))
    table = Table(columns=("agent", *GRADES), rows=rows, names=NAMES)
    return Section(
        title="Results Summary",
        paragraphs=in_short(result),
        points=_without_overall(result),
        tables=(table, *control_table(result)),
    )


def places(result: RunResult) -> Section:
    """The places, with what one trial takes."""
    rows = tuple(
        (
            rank(card.rank),
            card.agent,
            letter(card.overall),
            seconds(per_trial(card.active_seconds, card, result)),
            dollars(per_trial(card.cost_usd, card, result)),
            UNKNOWN if card.highest_level is None else str(card.highest_level),
        )
        for card in ranked(result)
    )
    columns = ("rank", "agent", "overall", "active seconds per trial", "dollars per trial", "highest level held")
    table = Table(columns=columns, rows=rows, right=frozenset({"rank", *columns[3:]}), names=NAMES)
    weights = result.grading.weights
    text = (
        f"Overall = {weights.performance:g} × performance + {weights.speed:g} × speed + {weights.cost:g} × cost (the"
        " weights normalised), and never above performance where that is D or F. A rank is a range where the certainty"
        " allows no more."
    )
    return Section(title="Final Ranking", paragraphs=(text,), tables=(table,))


def targets(result: RunResult) -> Iterator[Section]:
    """The absolute scale, where tasks state targets."""
    cards = [card for card in ranked(result) if card.speed_absolute.letter or card.cost_absolute.letter]
    if not cards:
        return
    rows = tuple((card.agent, _or_dash(card, "speed_absolute"), _or_dash(card, "cost_absolute")) for card in cards)
    text = "The absolute scale: S at or under the task's own target, one letter down for each doubling."
    table = Table(columns=("agent", "speed against targets", "cost against targets"), rows=rows, names=NAMES)
    yield Section(title="Against the Tasks' Targets", paragraphs=(text,), tables=(table,))


def _or_dash(card: Scorecard, name: str) -> str:
    grade = getattr(card, name)
    return letter(grade) if grade.letter else UNKNOWN


def _four(card: Scorecard) -> Sequence[str]:
    return [letter(getattr(card, name)) for name in GRADES]


def _without_overall(result: RunResult) -> tuple[str, ...]:
    """Why agents have no overall, each reason once."""
    reasons: dict[str, list[str]] = {}
    for card in ranked(result):
        if card.overall.letter is None:
            reasons.setdefault(card.overall.note or "not measured", []).append(card.agent)
    return tuple(f"no overall for {', '.join(agents)}: {reason}" for reason, agents in reasons.items())
