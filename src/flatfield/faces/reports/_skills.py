"""What each agent is good at: one column a skill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.drawing import WIDTH
from flatfield.faces.fitting import GAP
from flatfield.faces.reports._ranking import controls, ranked
from flatfield.faces.wording import UNKNOWN, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import RunResult, Scorecard, SkillScore

AGENT_WIDTH = 36
"""Columns kept for agents' names, which may fold; the rest is the skills'."""
CELL_WIDTH = len("S 1.00 (9,999)")
SKILL_CHARACTERS = 30


def skills(result: RunResult) -> Iterator[Section]:
    """Letter, score and number of checks of each agent and skill, where checks name any."""
    names = skill_names(result)
    if not names:
        return
    groups = (("agent", ranked(result)), ("control", controls(result)))
    tables = tuple(_table(kind, part, cards) for part in _parts(names) for kind, cards in groups if cards)
    text = "Letter and weighted mean of the checks that name the skill, and how many of them were measured."
    yield Section(title="Skills", paragraphs=(text,), tables=tables)


def skill_names(result: RunResult) -> tuple[str, ...]:
    """All skills that were measured in the run, sorted."""
    return tuple(sorted({each.skill for card in result.grading.scorecards for each in card.skills}))


def _parts(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """As many skills side by side as fit."""
    part: list[str] = []
    used = AGENT_WIDTH
    for name in names:
        width = len(GAP) + max(len(one_line(name, SKILL_CHARACTERS)), CELL_WIDTH)
        if part and used + width > WIDTH:
            yield tuple(part)
            part, used = [], AGENT_WIDTH
        part.append(name)
        used += width
    yield tuple(part)


def _table(kind: str, names: Sequence[str], cards: Sequence[Scorecard]) -> Table:
    columns = (kind, *(one_line(name, SKILL_CHARACTERS) for name in names))
    rows = []
    for card in cards:
        found = {each.skill: each for each in card.skills}
        rows.append((card.agent, *(_cell(found.get(name)) for name in names)))
    return Table(columns=columns, rows=tuple(rows), names=frozenset({kind}), whole=True)


def _cell(found: SkillScore | None) -> str:
    return UNKNOWN if found is None else f"{found.letter} {found.score:.2f} ({found.n:,})"
