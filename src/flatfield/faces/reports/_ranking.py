"""Who did best: grades, places and targets, letters by task, skills; the controls in a table of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.advice import in_short, per_trial
from flatfield.faces.blocks import Section, Table
from flatfield.faces.drawing import GAP, WIDTH
from flatfield.faces.wording import UNKNOWN, count, dollars, few, letter, one_line, rank, seconds
from flatfield.scoring.answer import per_trial as means_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Cell, RunResult, Scorecard, SkillScore


# Task × agent: one letter each for performance, speed and cost.


MOST_TASKS = 9
"""Tasks side by side in one table of 100 columns; more make more tables, of nearly equal widths."""


def letters(result: RunResult, *, brief: bool = False) -> Section:
    """Performance, speed, cost of each cell; controls, which are on no scale, by performance alone."""
    tasks = [task.id for task in result.run.tasks]
    cells = {(cell.task, cell.agent): cell for cell in result.grading.cells}
    size = _size(len(tasks))
    parts = [(start, tasks[start : start + size]) for start in range(0, len(tasks), size)]
    contenders = [card.agent for card in ranked(result)]
    others = [card.agent for card in controls(result)]
    text = (
        "Letters are performance, speed, cost on the relative scale; · stands for not measured. Controls:"
        " performance alone."
    )
    return Section(
        title="Results Summary" if brief else "Letters by Task",
        paragraphs=(text,),
        items=legend(result),
        tables=(
            *(_table("agent", part, contenders, cells) for part in parts if contenders),
            *(_table("control", part, others, cells) for part in parts if others),
        ),
    )


def legend(result: RunResult) -> tuple[str, ...]:
    """`T1 = task (level 2)`, in the run's order."""
    return tuple(
        f"T{number} = {task.id}" + ("" if task.level is None else f" (level {task.level})")
        for number, task in enumerate(result.run.tasks, start=1)
    )


def numbers(result: RunResult) -> dict[str, str]:
    """The short name of each task: T1, T2 and so on."""
    return {task.id: f"T{number}" for number, task in enumerate(result.run.tasks, start=1)}


def _size(tasks: int) -> int:
    tables = -(-tasks // MOST_TASKS) or 1
    return -(-tasks // tables) or 1


def _table(
    kind: str, part: tuple[int, Sequence[str]], agents: Sequence[str], cells: dict[tuple[str, str], Cell]
) -> Table:
    start, tasks = part
    columns = (kind, *(f"T{number}" for number in range(start + 1, start + 1 + len(tasks))))
    read = _three if kind == "agent" else _one
    rows = tuple((agent, *(read(cells.get((task, agent))) for task in tasks)) for agent in agents)
    return Table(columns=columns, rows=rows, names=frozenset({kind}), whole=True)


def _three(cell: Cell | None) -> str:
    if cell is None:
        return ""
    found = (cell.performance.letter, cell.speed.relative.letter, cell.cost.relative.letter)
    return " ".join(each or "·" for each in found)


def _one(cell: Cell | None) -> str:
    return "" if cell is None else cell.performance.letter or "·"


# What each agent is good at: one column a skill.


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
    tables = tuple(_skill_table(kind, part, cards) for part in _parts(names) for kind, cards in groups if cards)
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


def _skill_table(kind: str, names: Sequence[str], cards: Sequence[Scorecard]) -> Table:
    columns = (kind, *(one_line(name, SKILL_CHARACTERS) for name in names))
    rows = []
    for card in cards:
        found = {each.skill: each for each in card.skills}
        rows.append((card.agent, *(_cell(found.get(name)) for name in names)))
    return Table(columns=columns, rows=tuple(rows), names=frozenset({kind}), whole=True)


def _cell(found: SkillScore | None) -> str:
    return UNKNOWN if found is None else f"{found.letter} {found.score:.2f} ({found.n:,})"


# ---------------------------------------------------------------------------- who did best


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
    rows = tuple((card.agent, count(card.measured), letter(card.performance)) for card in controls(result))
    right = frozenset({"n"})
    return (Table(columns=("control", "n", "performance"), rows=rows, right=right, names=NAMES),) if rows else ()


def full_ranking(result: RunResult) -> Section:
    """Places and grades in one table, then the recommendation."""
    rows = tuple((rank(card.rank), card.agent, count(card.measured), *_four(card)) for card in ranked(result))
    table = Table(columns=("rank", "agent", "n", *GRADES), rows=rows, right=frozenset({"rank", "n"}), names=NAMES)
    return Section(title="Final Ranking", tables=(*control_table(result), table), points=_without_overall(result))


def grades(result: RunResult) -> Section:
    """Each agent's four grades."""
    rows = tuple((card.agent, count(card.measured), *_four(card)) for card in ranked(result))
    table = Table(columns=("agent", "n", *GRADES), rows=rows, right=frozenset({"n"}), names=NAMES)
    said = in_short(result)
    return Section(
        title="Results Summary",
        paragraphs=(said.title,),
        points=(*said.points, *_without_overall(result)),
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
            dollars(means_of(card)[1]),
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
        " on these tasks allows no more."
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
    return tuple(f"no overall for {few(agents)}: {reason}" for reason, agents in reasons.items())
