"""Who did best: places and grades, letters by task, skills, targets; the controls in a table of their own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.advice import per_trial, shows_cost
from flatfield.faces.blocks import Section, Table
from flatfield.faces.drawing import GAP, WIDTH
from flatfield.faces.wording import UNKNOWN, count, dollars, few, letter, one_line, rank, seconds
from flatfield.scoring.answer import per_trial as means_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flatfield.records import Cell, RunResult, Scorecard, SkillScore


GRADES = ("overall", "performance", "speed", "cost")
CONTROL = "control"
TITLE = "Final Ranking"
NAMES = frozenset({"agent", CONTROL})


def ranked(result: RunResult) -> list[Scorecard]:
    """The scorecards of all but the controls, best first."""
    cards = [card for card in result.grading.scorecards if not card.control]
    places = {agent: place for place, agent in enumerate(result.grading.order)}
    return sorted(cards, key=lambda card: (places.get(card.agent, len(places)), card.agent))


def controls(result: RunResult) -> list[Scorecard]:
    """The scorecards of the controls."""
    return [card for card in result.grading.scorecards if card.control]


# The places.


def ranking(result: RunResult) -> Section:
    """Places and grades, with what one trial takes."""
    cards = ranked(result)
    unknown = set() if result.run.timed else {"speed", "time/trial"}
    unknown |= set() if shows_cost(result) else {"cost"}
    columns = tuple(
        name for name in ("rank", "agent", "trials", *GRADES, "time/trial", "$/trial") if name not in unknown
    )
    rows = tuple(_figures(card, columns, result) for card in cards)
    table = Table(
        columns=columns,
        rows=rows,
        right=frozenset({"rank", "trials", "time/trial", "$/trial"}),
        names=NAMES,
        drop=("trials", "$/trial", "time/trial"),
    )
    return Section(
        title=TITLE,
        paragraphs=_explained(cards),
        tables=(table, *_control_table(result)),
        after=_without_overall(cards),
    )


def _figures(card: Scorecard, columns: Sequence[str], result: RunResult) -> tuple[str, ...]:
    known = {
        "rank": rank(card.rank),
        "agent": card.agent,
        "trials": count(card.measured),
        **{name: letter(getattr(card, name)) for name in GRADES},
        "time/trial": seconds(per_trial(card.active_seconds, card, result)),
        "$/trial": dollars(means_of(card)[1]),
    }
    return tuple(known[column] for column in columns)


def _explained(cards: Sequence[Scorecard]) -> tuple[str, ...]:
    """How a letter and a rank read, where there are such."""
    if not any(card.overall.letter for card in cards):
        return ()
    is_open = any(card.rank and card.rank[0] < card.rank[1] for card in cards)
    text = "S is the best letter, F the worst. A (B–S): an A, and between B and S if chance is allowed for (95%)."
    return (f"{text} 1–3: any place from first to third.",) if is_open else (text,)


def _control_table(result: RunResult) -> tuple[Table, ...]:
    """The controls' performance; nothing when none took part."""
    rows = tuple((card.agent, count(card.measured), letter(card.performance)) for card in controls(result))
    right = frozenset({"trials"})
    columns = (CONTROL, "trials", "performance")
    return (Table(columns=columns, rows=rows, right=right, names=NAMES),) if rows else ()


def _without_overall(cards: Sequence[Scorecard]) -> tuple[str, ...]:
    """Why agents have no overall, each reason once."""
    reasons: dict[str, list[str]] = {}
    for card in cards:
        if card.overall.letter is None:
            reasons.setdefault(card.overall.note or "not measured", []).append(card.agent)
    return tuple(f"no overall for {few(agents)}: {reason}" for reason, agents in reasons.items())


# Letters by task: one each for performance, speed and cost; of many tasks, how many got which.


LETTERS = ("S", "A", "B", "C", "D", "F")


def letters(result: RunResult, most_tasks: int, beside: int) -> Section:
    """Performance, speed, cost of each cell, so many tasks `beside` one another; controls by performance alone.

    Of more tasks than `most_tasks`, how many got which letter.
    """
    tasks = [task.id for task in result.run.tasks]
    cells = {(cell.task, cell.agent): cell for cell in result.grading.cells}
    contenders = [card.agent for card in ranked(result)]
    others = [card.agent for card in controls(result)]
    title = "Letters by Task"
    if len(tasks) > most_tasks:
        text = f"On how many of the {len(tasks):,} tasks its work got which letter (performance)."
        return Section(
            title=title,
            paragraphs=(text,),
            tables=(_counted("agent", contenders, tasks, cells), _counted(CONTROL, others, tasks, cells)),
        )
    size = _size(len(tasks), beside)
    parts = [(start, tasks[start : start + size]) for start in range(0, len(tasks), size)]
    costs = shows_cost(result)
    what = "Three letters a task: performance, speed, cost" if costs else "Two letters a task: performance, speed"
    text = f"{what}; · is not measured." if contenders else ""
    read = _three if costs else _two
    text += " Controls by performance alone." if others else ""
    return Section(
        title=title,
        paragraphs=(text.strip(),) if text else (),
        items=legend(result),
        tables=(
            *(_table("agent", part, contenders, cells, read) for part in parts if contenders),
            *(_table(CONTROL, part, others, cells, _one) for part in parts if others),
        ),
    )


def _counted(kind: str, agents: Sequence[str], tasks: Sequence[str], cells: dict[tuple[str, str], Cell]) -> Table:
    """A row an agent, a column a letter."""
    rows = []
    for agent in agents:
        found = Counter(str(cell.performance.letter) for task in tasks if (cell := cells.get((task, agent))))
        unknown = len(tasks) - sum(found[each] for each in LETTERS)
        rows.append((agent, *(f"{found[each]:,}" for each in LETTERS), f"{unknown:,}" if unknown else UNKNOWN))
    columns = (kind, *LETTERS, "not measured")
    return Table(columns=columns, rows=tuple(rows), right=frozenset(columns[1:]), names=NAMES)


def legend(result: RunResult) -> tuple[str, ...]:
    """`T1 = task (level 2)`, in the run's order."""
    return tuple(
        f"T{number} = {task.id}" + ("" if task.level is None else f" (level {task.level})")
        for number, task in enumerate(result.run.tasks, start=1)
    )


def _size(tasks: int, beside: int) -> int:
    """How many tasks stand in one table, so that all tables are of nearly equal widths."""
    tables = -(-tasks // beside) or 1
    return -(-tasks // tables) or 1


def _table(
    kind: str,
    part: tuple[int, Sequence[str]],
    agents: Sequence[str],
    cells: dict[tuple[str, str], Cell],
    read: Callable[[Cell | None], str],
) -> Table:
    start, tasks = part
    columns = (kind, *(f"T{number}" for number in range(start + 1, start + 1 + len(tasks))))
    rows = tuple((agent, *(read(cells.get((task, agent))) for task in tasks)) for agent in agents)
    return Table(columns=columns, rows=rows, names=frozenset({kind}), whole=True)


def _three(cell: Cell | None) -> str:
    return "" if cell is None else f"{_two(cell)} {cell.cost.relative.letter or '·'}"


def _two(cell: Cell | None) -> str:
    return "" if cell is None else f"{cell.performance.letter or '·'} {cell.speed.relative.letter or '·'}"


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
    groups = (("agent", ranked(result)), (CONTROL, controls(result)))
    tables = tuple(_skill_table(kind, part, cards) for part in _parts(names) for kind, cards in groups if cards)
    text = "For each skill that checks name: letter, mean score, and in brackets how many checks were measured."
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


# The absolute scale.


def targets(result: RunResult) -> Iterator[Section]:
    """The absolute scale, where tasks state targets."""
    cards = [card for card in ranked(result) if card.speed_absolute.letter or card.cost_absolute.letter]
    if not cards:
        return
    rows = tuple((card.agent, _or_dash(card, "speed_absolute"), _or_dash(card, "cost_absolute")) for card in cards)
    text = "Tasks may say how fast and how cheap is good enough: S at or under that, a letter down for each doubling."
    table = Table(columns=("agent", "speed", "cost"), rows=rows, names=NAMES)
    yield Section(title="Against the Tasks' Targets", paragraphs=(text,), tables=(table,))


def _or_dash(card: Scorecard, name: str) -> str:
    grade = getattr(card, name)
    return letter(grade) if grade.letter else UNKNOWN
