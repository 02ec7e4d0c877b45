"""`aider-polyglot`: the YAML file behind Aider's leaderboard of 225 exercises in six languages, two attempts each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flatfield.errors import FlatfieldError
from flatfield.records import Evidence, Gathered
from flatfield.tasks import source
from flatfield.tasks.frontmatter import compose

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.records import ImportChoices
    from flatfield.tasks.source import Findings, Node

SOURCE = "Aider-AI/aider"
LICENCE = "Apache-2.0"
BENCHMARK = "aider-polyglot"
SCAFFOLD = "Aider"
FIELDS: dict[str, source.NodeReader] = {
    "model": source.text(),
    "edit_format": source.text(),
    "date": source.text(),
    "test_cases": source.integer(1),
    "pass_num_2": source.integer(0),
    "seconds_per_case": source.number(least=0),
    "total_cost": source.number(least=0),
}
NEEDED = ("model", "test_cases", "pass_num_2")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def read(path: Path, how: ImportChoices) -> Gathered:
    """Its entries as figures: it has no single outcomes.

    Raises:
        NotFound: there is no such file.
        FlatfieldError: it has no entries.
        InvalidFiles: its mistakes, with their lines.
    """
    del how  # there is nothing to choose
    found = source.Findings(str(path))
    root = compose(source.decode(source.read_bytes(path), str(path)), found)
    found.settle()
    if not root.items:
        raise FlatfieldError(f"{path} has no list of results: name aider's polyglot_leaderboard.yml")
    rows = [row for each in root.items if (row := _entry(each, found)) is not None]
    found.settle()
    return Gathered(evidence=tuple(figure(row) for row in rows))


def _entry(node: Node, found: Findings) -> dict[str, Any] | None:
    entries = node.map
    if entries is None:
        found.add(node.line, f"this is {source.shown(node)}, no result", "write `model: …` and what belongs to it")
        return None
    for name in NEEDED:
        if name not in entries:
            found.add(node.line, f"a result without `{name}`", f"write {name}: …")
    return {
        name: read_value(entries[name], f"`{name}`", found)
        for name, read_value in FIELDS.items()
        if name in entries and entries[name].value is not None
    }


def figure(row: dict[str, Any]) -> Evidence:
    """One entry. Its cost is of all cases together; 0 is what it says where nobody told it."""
    cases, total = row["test_cases"], row.get("total_cost")
    day = _DAY.match(row.get("date", ""))
    return Evidence(
        agent=row["model"],
        scaffold=SCAFFOLD,
        model=row["model"],
        benchmark=BENCHMARK,
        kind="code-writing",
        solved=row["pass_num_2"],
        tasks=cases,
        usd=total / cases if total else None,
        seconds=row.get("seconds_per_case") or None,
        date=day[0] if day else "",
        source=SOURCE,
        licence=LICENCE,
        setting=row.get("edit_format", ""),
        note="two attempts a task" if total else "two attempts a task; no cost is told",
    )
