"""`csv`: a table of trials with a line of names, a row a trial; columns are named by the user."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError
from flatfield.evidence.readers import _trials
from flatfield.tasks.source import decode, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flatfield.records import Gathered, ImportChoices

TAKES_COLUMNS = True
DELIMITERS = ",\t;"
"""What may stand between columns; the line of their names tells."""


def read(path: Path, how: ImportChoices) -> Gathered:
    """The table as a run.

    Raises:
        NotFound: there is no such file.
        FlatfieldError: it is no such table, or a column is not named that is needed.
        InvalidFiles: its mistakes, with their lines.
    """
    data = read_bytes(path)
    text = decode(data, str(path))
    first = text.partition("\n")[0]
    between = max(DELIMITERS, key=first.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=between)
    columns = [name for name in table.fieldnames or () if name]
    if not columns:
        raise FlatfieldError(f"{path}:1: no names of columns stand here; write them into the first line")
    return _trials.gathered(path, _rows(table, path), columns, how, data)


def _rows(table: csv.DictReader[str], path: Path) -> Iterator[_trials.Row]:
    line = 2
    try:
        for row in table:
            yield line, row
            line = table.line_num + 1
    except csv.Error as error:
        raise FlatfieldError(f"{path}:{line}: this is no row of a table ({error}); mend the line") from None
