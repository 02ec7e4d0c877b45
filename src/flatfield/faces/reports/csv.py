"""The report as CSV: one row a trial."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from flatfield.faces.reports.json import rows

if TYPE_CHECKING:
    from flatfield.records import RunResult


def render(result: RunResult) -> str:
    """A header and one row a trial; what is not known is empty, never 0."""
    text = io.StringIO()
    found = rows(result)
    if found:
        writer = csv.DictWriter(text, fieldnames=["run", *found[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"run": result.run.id, **each} for each in found)
    return text.getvalue()
