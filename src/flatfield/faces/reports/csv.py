"""The report as CSV: one row a trial."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from flatfield.faces.reports._escape import csv_cell
from flatfield.faces.reports.json import rows
from flatfield.scoring.fairness.conditions import output_tokens_per_second

if TYPE_CHECKING:
    from flatfield.records import RunResult

COLUMNS = (
    "run", "agent", "task", "repeat", "score", "stop", "turns", "tool_calls", "input_tokens", "cache_read_tokens",
    "output_tokens", "reasoning_tokens", "active_seconds", "wall_seconds", "first_token_seconds",
    "output_tokens_per_second", "cost_usd", "reported_cost_usd", "failure", "answer",
)  # fmt: skip


def render(result: RunResult) -> str:
    """A header and one row a trial; what is not known is empty, never 0."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    for trial, row in zip(result.trials, rows(result), strict=True):
        whole = {
            "run": result.run.id,
            **row,
            "output_tokens_per_second": output_tokens_per_second([trial]),
            "reported_cost_usd": trial.reported_cost_usd,
            "answer": trial.answer,
        }
        writer.writerow({name: csv_cell(value) for name, value in whole.items()})
    return text.getvalue()
