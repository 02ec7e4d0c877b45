"""The report as CSV: one row a trial."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from flatfield.faces.escaping import csv_cell
from flatfield.faces.reports._ranking import skill_names
from flatfield.faces.reports.json import rows
from flatfield.faces.wording import printable
from flatfield.records import ReportTraits
from flatfield.scoring.chain import chain_of, is_scaffolds
from flatfield.scoring.fairness.conditions import output_tokens_per_second
from flatfield.scoring.measures.performance import skill_scores

if TYPE_CHECKING:
    from flatfield.records import RunResult

COLUMNS = (
    "run", "agent", "task", "repeat", "score", "stop", "turns", "tool_calls", "failed_calls", "repeated_calls",
    "last_success_turn", "oracle_calls", "oracle_calls_followed", "input_tokens", "cache_read_tokens",
    "output_tokens", "reasoning_tokens", "active_seconds", "wall_seconds", "first_token_seconds",
    "output_tokens_per_second", "cost_usd", "reported_cost_usd", "failure", "answer",
)  # fmt: skip

TRAITS = ReportTraits(media_type="text/csv")


def render(result: RunResult) -> str:
    """A header and one row a trial, then a column a skill; what is not known is empty, never 0."""
    text = io.StringIO()
    skills = skill_names(result)
    headings = {skill: f"skill {printable(skill)}" for skill in skills}
    writer = csv.DictWriter(text, fieldnames=(*COLUMNS, *headings.values()), lineterminator="\n")
    writer.writeheader()
    tasks = {task.id: task for task in result.run.tasks}
    for trial, row in zip(result.trials, rows(result), strict=True):
        chain = None if is_scaffolds(trial) else chain_of(trial, tasks.get(trial.task))
        whole = {
            "run": result.run.id,
            **row,
            "output_tokens_per_second": output_tokens_per_second([trial]),
            "reported_cost_usd": trial.reported_cost_usd,
            "failed_calls": chain and chain.failed,
            "repeated_calls": chain and chain.repeated,
            "last_success_turn": chain and chain.last_success,
            "oracle_calls": chain and chain.oracle_calls,
            "oracle_calls_followed": chain and chain.followed,
            "answer": trial.answer,
        }
        found = {each.skill: each.score for each in skill_scores([trial])}
        whole |= {heading: found.get(skill) for skill, heading in headings.items()}
        writer.writerow({name: csv_cell(value) for name, value in whole.items()})
    return text.getvalue()
