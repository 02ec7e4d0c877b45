"""`jsonl`: one JSON object a line, a line a trial; the names of its keys are the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield import json_text
from flatfield.errors import FlatfieldError
from flatfield.evidence.readers import _trials
from flatfield.records import Mistake
from flatfield.tasks.source import decode, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.records import Gathered, ImportChoices

TAKES_COLUMNS = True


def read(path: Path, how: ImportChoices) -> Gathered:
    """The lines as a run; a key within an object of a line is written with a point: `metrics.cost`.

    Raises:
        NotFound: there is no such file.
        FlatfieldError: it is empty, or a column is not named that is needed.
        InvalidFiles: its mistakes, with their lines.
    """
    data = read_bytes(path)
    rows: list[_trials.Row] = []
    mistakes = []
    for line, text in enumerate(decode(data, str(path)).splitlines(), start=1):
        if not text.strip():
            continue
        found = _object(text)
        if found is None:
            fix = "write one object a line: {…}"
            mistakes.append(Mistake(path=str(path), line=line, problem="this is no JSON object", fix=fix))
        else:
            rows.append((line, _flat(found)))
    _trials.raise_all(mistakes[: _trials.MOST_MISTAKES])
    if not rows:
        raise FlatfieldError(f"{path} is empty: write one JSON object a line, a line a trial")
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    return _trials.gathered(path, rows, columns, how, data)


def _object(text: str) -> dict[str, object] | None:
    try:
        found = json_text.decoded(text.encode())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _flat(row: dict[str, object], before: str = "") -> dict[str, object]:
    """The object with the keys of objects in it behind their own."""
    found: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found
