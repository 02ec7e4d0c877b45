"""The fairness manifest: what each agent really received, under context, model and prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.saying import few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import ManifestRow, RunResult

TITLE = "Fairness Manifest"
TEXT = (
    "What each agent really received, in three parts: context, model and prompt. (configured): as its settings say, for"
    " no request is on record."
)
FOLD, NAMES = frozenset({"what differs", "value"}), frozenset({"agents"})
MARK = " (varied)"
"""Stands behind agents that did not receive the same in all turns and trials of a task."""


def manifest_section(result: RunResult) -> Section:
    """What all share, then what differs agent by agent, and why."""
    absent = _absent(result.manifest)
    rows = [(row, _shown(row, absent) or row.values) for row in result.manifest]
    shared = [(row, max(values.values(), key=len)) for row, values in rows if _is_shared(row, values)]
    differing = [(row, values) for row, values in rows if not _is_shared(row, values)]
    different = Table(
        columns=("part", "what differs", "value", "agents"), rows=tuple(_differences(differing)), fold=FOLD, names=NAMES
    )
    idle = f"{few(sorted(absent))} did not run." if absent else ""
    points = tuple(f"{row.label}: {row.note}" for row in result.manifest if row.note)
    text = (TEXT, *([idle] if idle else []))
    same = Table(
        columns=("part", "same for all", "value"),
        rows=tuple((row.heading, row.label, value) for row, value in shared),
        fold=frozenset({"same for all", "value"}),
    )
    return Section(title=TITLE, paragraphs=text, points=points, tables=(same, different))


def _absent(rows: Sequence[ManifestRow]) -> set[str]:
    """The agents that never began: unless nobody did, they are told once, not in every row."""
    idle = {name for row in rows for name in row.absent}
    return idle if rows and idle != set(rows[0].values) else set()


def _shown(row: ManifestRow, left_out: set[str]) -> dict[str, str]:
    return {agent: value for agent, value in row.values.items() if agent not in left_out}


def _is_shared(row: ManifestRow, values: Mapping[str, str]) -> bool:
    """Whether there is nothing to tell apart.

    Texts of agents that do not differ may do so: of one that has done fewer tasks, and of controls where those are
    shown.
    """
    if row.varies:
        return False
    return len(set(values.values())) == 1 or not (row.differs or len(values) == len(row.values))


def _differences(rows: Sequence[tuple[ManifestRow, Mapping[str, str]]]) -> Iterator[tuple[str, ...]]:
    """A row for each value; heading and label stand on the first of a property, so that the eye finds the next."""
    for row, values in rows:
        named: tuple[str, str] = (row.heading, row.label)
        by_value: dict[str, list[str]] = {}
        for agent, value in values.items():
            by_value.setdefault(value, []).append(f"{agent}{MARK if agent in row.varies else ''}")
        for value, agents in by_value.items():
            yield *named, value, ", ".join(agents)
            named = ("", "")
