"""Makes the table of what others published that flatfield brings along, from a folder with their results as CSV files.

    python -m bench.evidence_table FOLDER > src/flatfield/evidence/data/published.csv

The folder holds `openhands_index_trials.csv` and `openhands_index_scores.csv` (agent, model, benchmark and an outcome
or a score a line), `aider_polyglot.csv` and `tau2_leaderboard.csv`, as they were taken from the places named below,
each at its commit. Only figures go into the table: solved of n, means per task, the day, the source, its licence.
Each row comes from the same functions that read a user's own copy (`flatfield import`), so both say the same. The
figures of nano-agent lie in the repository.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield import plugins
from flatfield.evidence.listed import as_csv
from flatfield.evidence.readers import aider_polyglot, openhands_index, tau2_table
from flatfield.records import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = {
    openhands_index.SOURCE: "3015ac6",
    aider_polyglot.SOURCE: "5dc9490b",
    tau2_table.SOURCE: "a2c0247",
}
"""The commits that the files were taken from."""
SCAFFOLDS = {
    "openhands": "OpenHands",
    "openhands_subagents": "OpenHands Sub-agents",
    "acp-claude": "Claude Code",
    "acp-codex": "Codex",
    "acp-gemini": "Gemini CLI",
}
NANO = "nano-agent-2025-08"
WEIGHTS_B = {"gpt-oss-20b": 21.0, "gpt-oss-120b": 117.0}
SOLVED = 0.85
"""A published letter of A or S counts as solved: the judge found all or nearly all of the work done."""

Row = dict[str, str]


def rows(folder: Path, name: str) -> list[Row]:
    """A CSV file's rows by its columns."""
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def number(text: str) -> float | None:
    """A cell's number; None for an empty one."""
    return float(text) if text.strip() else None


def openhands(folder: Path) -> Iterator[Evidence]:
    """A row for each score, its cost from the single outcomes where they tell it."""
    outcomes: dict[tuple[str, str, str], list[openhands_index.IndexOutcome]] = defaultdict(list)
    for row in rows(folder, "openhands_index_trials.csv"):
        outcome = openhands_index.IndexOutcome(cost=number(row["cost_usd"]))
        outcomes[row["agent"], row["model"], row["benchmark"]].append(outcome)
    for row in rows(folder, "openhands_index_scores.csv"):
        who = openhands_index.IndexAgent(
            agent_name=SCAFFOLDS[row["agent"]],
            model=row["model"],
            openness=row["openness"],
            parameter_count_b=number(row["parameter_count_b"]),
        )
        score = openhands_index.IndexScore(
            benchmark=row["benchmark"],
            score=float(row["score"]),
            cost_per_instance=number(row["cost_per_instance_usd"]),
            average_runtime=number(row["average_runtime_s"]),
            submission_time=row["submission_time"],
        )
        yield openhands_index.figure(who, score, outcomes[row["agent"], row["model"], row["benchmark"]])


def aider(folder: Path) -> Iterator[Evidence]:
    """A row for each entry of the leaderboard."""
    for row in rows(folder, "aider_polyglot.csv"):
        yield aider_polyglot.figure(
            {
                "model": row["model"],
                "edit_format": row["edit_format"],
                "date": row["date"],
                "test_cases": int(row["test_cases"]),
                "pass_num_2": int(row["pass_num_2"]),
                "seconds_per_case": number(row["seconds_per_case"]),
                "total_cost": number(row["total_cost"]),
            }
        )


def tau2(folder: Path) -> Iterator[Evidence]:
    """A row for each domain that a model was tried on."""
    for row in rows(folder, "tau2_leaderboard.csv"):
        score = tau2_table.DomainScore(pass_1=number(row["pass_1"]), cost=number(row["cost_usd_per_task"]))
        yield from tau2_table.figures(
            tau2_table.Submission(
                model_name=row["model"],
                submitting_organization=row["submitter"],
                submission_date=row["date"],
                submission_type=row["type"] or None,
                modality=row["modality"],
                reasoning_effort=row["reasoning_effort"] or None,
                results={row["domain"]: score},
                methodology=tau2_table.Method(
                    user_simulator=row["user_simulator"] or None,
                    verification=tau2_table.Checked(modified_prompts=row["verified_modified_prompts"] == "True"),
                ),
            )
        )


def nano() -> Iterator[Evidence]:
    """Nine models on five tasks, one run each; dollars re-priced from the published tokens."""
    found = plugins.load("importer", NANO).load()
    for agent in found.run.agents:
        trials = [trial for trial in found.trials if trial.agent == agent.name]
        costs = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
        yield Evidence(
            agent=agent.name,
            scaffold="nano-agent",
            model=agent.name,
            benchmark=NANO,
            kind="file-work",
            solved=sum((trial.checks[0].score or 0.0) >= SOLVED for trial in trials),
            tasks=len(trials),
            usd=statistics.mean(costs) if len(costs) == len(trials) else None,
            seconds=statistics.mean(trial.active_seconds for trial in trials),
            date="2025-08-15",
            source="nano-agent, August 2025",
            licence="not stated",
            weights_b=WEIGHTS_B.get(agent.name),
            note="one run a task; solved is the published judge's S or A; dollars from the published tokens",
        )


def table(folder: Path) -> str:
    """All of it, as the table that is shipped."""
    found = [*openhands(folder), *aider(folder), *tau2(folder), *nano()]
    dated = (replace(row, source=f"{row.source}@{AT[row.source]}") if row.source in AT else row for row in found)
    return as_csv(sorted(dated, key=lambda row: (row.benchmark, row.scaffold, row.agent, row.setting, row.date)))


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1])))
