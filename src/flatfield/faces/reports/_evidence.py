"""The evidence behind the letters: what each trial answered and why it scored so, and what each agent was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._blocks import Section, Table
from flatfield.faces.wording import outcome, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import ManifestRow, RunResult, TrialRecord

ANSWER_CHARACTERS = 160


def responses(result: RunResult) -> Section:
    """One row a trial: how it ended, what was found, and the beginning of its answer."""
    rows = tuple(
        (
            trial.task,
            f"{trial.agent} #{trial.repeat}",
            "imported" if trial.imported else outcome(trial),
            seconds(trial.active_seconds),
            _findings(trial, result),
            _shortened(trial.answer),
        )
        for trial in result.trials
    )
    text = "Whole transcripts: flatfield show RUN/agent/task/repeat"
    columns = ("task", "trial", "outcome", "active", "checks", "answer")
    return Section(
        title="Agent Responses", paragraphs=(text,), tables=(Table(columns=columns, rows=rows),), detail=True
    )


def _findings(trial: TrialRecord, result: RunResult) -> str:
    """Why the score is what it is: every check that is not a whole 1, and what judges said."""
    found = [f"{check.label}: {check.reason}" for check in trial.checks if check.score is None or check.score < 1]
    mine = (trial.agent, trial.task, trial.repeat)
    found += [
        f"{verdict.judge}: {verdict.letter or 'no grade'} ({verdict.reason})"
        for verdict in result.verdicts
        if (verdict.agent, verdict.task, verdict.repeat) == mine
    ]
    return _shortened("; ".join(found), ANSWER_CHARACTERS * 2) or "all hold"


def _shortened(text: str, limit: int = ANSWER_CHARACTERS) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def manifest_section(result: RunResult) -> Section:
    """What each agent really received: what all share in one line, what differs agent by agent."""
    shared = tuple(row for row in result.manifest if len(set(row.values.values())) == 1)
    differing = tuple(row for row in result.manifest if len(set(row.values.values())) > 1)
    same = Table(
        columns=("heading", "same for all", "value"),
        rows=tuple((row.heading, row.label, next(iter(row.values.values()))) for row in shared),
    )
    different = Table(columns=("heading", "differs", "value", "agents"), rows=tuple(_differences(differing)))
    notes = tuple(f"- {row.label}: {row.note}" for row in result.manifest if row.note)
    text = "What each agent really received, under context, model and prompt."
    return Section(title="Fairness Manifest", paragraphs=(text, *notes), tables=(same, different), detail=True)


def _differences(rows: tuple[ManifestRow, ...]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        by_value: dict[str, list[str]] = {}
        for agent, value in row.values.items():
            by_value.setdefault(value, []).append(agent)
        for value, agents in by_value.items():
            yield row.heading, row.label, value, ", ".join(agents)


def published_section(result: RunResult) -> Iterator[Section]:
    """For imported figures: the published letter, ours, and why they differ, per cell."""
    from flatfield.scoring.published import compare_published

    found = compare_published(result)
    if not found:
        return
    same = sum(cell.same for cell in found)
    rows = tuple(
        (cell.task, cell.agent, cell.measure, cell.published, cell.ours or "–", "" if cell.same else cell.reason)
        for cell in found
    )
    columns = ("task", "agent", "measure", "published", "ours", "why they differ")
    text = f"{same} of {len(found)} published letters are ours too. These trials were imported, not measured here."
    yield Section(
        title="Published and Ours", paragraphs=(text,), tables=(Table(columns=columns, rows=rows),), detail=True
    )
