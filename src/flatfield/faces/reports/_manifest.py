"""The fairness manifest: what each agent really received, under context, model and prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import ManifestRow, RunResult

TITLE = "Fairness Manifest"
FOLD = frozenset({"differs", "value", "agents"})


def manifest_section(result: RunResult, *, brief: bool = False) -> Section:
    """What all share, then what differs agent by agent, and why; the compact form leaves the controls out."""
    controls = {card.agent for card in result.grading.scorecards if card.control} if brief else set()
    rows = [
        (row, {agent: value for agent, value in row.values.items() if agent not in controls} or row.values)
        for row in result.manifest
    ]
    shared = [(row, next(iter(values.values()))) for row, values in rows if len(set(values.values())) == 1]
    differing = [(row, values) for row, values in rows if len(set(values.values())) > 1]
    different = Table(columns=("heading", "differs", "value", "agents"), rows=tuple(_differences(differing)), fold=FOLD)
    if brief:
        same = tuple(f"{row.label}: {value};" for row, value in shared)
        text = "The same for all agents:" if same else "Nothing was the same for all agents."
        return Section(title=TITLE, paragraphs=(text,), items=same, tables=(different,))
    points = tuple(f"{row.label}: {row.note}" for row in result.manifest if row.note)
    text = "What each agent really received, under context, model and prompt."
    columns = ("heading", "same for all", "value")
    same_table = Table(columns=columns, rows=tuple((row.heading, row.label, value) for row, value in shared))
    return Section(title=TITLE, paragraphs=(text,), points=points, tables=(same_table, different))


def _differences(rows: Sequence[tuple[ManifestRow, Mapping[str, str]]]) -> Iterator[tuple[str, ...]]:
    """A row for each value; heading and label stand on the first of a property, so that the eye finds the next."""
    for row, values in rows:
        named: tuple[str, str] = (row.heading, row.label)
        by_value: dict[str, list[str]] = {}
        for agent, value in values.items():
            by_value.setdefault(value, []).append(agent)
        for value, agents in by_value.items():
            yield *named, value, ", ".join(agents)
            named = ("", "")
