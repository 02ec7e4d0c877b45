"""The run of small models that ships: whole, measured, on the suite's own tasks, and without a machine's folders."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import pytest

import flatfield.tasks
from flatfield.faces.reports import markdown
from flatfield.records import RunResult
from flatfield.scoring.answer import graded
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.grading import grade
from flatfield.tasks.importers import desk_2026_11

if TYPE_CHECKING:
    from flatfield.records import Run, TrialRecord

TASKS = Path(flatfield.tasks.__file__).parent
SMALL, SMALLER, SMALLEST = "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m"


@pytest.fixture(scope="module")
def run() -> Run:
    return desk_2026_11.load().run


@pytest.fixture(scope="module")
def trials() -> tuple[TrialRecord, ...]:
    return desk_2026_11.load().trials


def score(trial: TrialRecord) -> float:
    weights = [check.weight for check in trial.checks]
    return sum((check.score or 0.0) * check.weight for check in trial.checks) / sum(weights)


def test_three_models_did_twelve_tasks_three_times(run: Run, trials: tuple[TrialRecord, ...]) -> None:
    assert [agent.name for agent in run.agents] == [SMALL, SMALLER, SMALLEST]
    assert {trial.id for trial in trials} == {
        f"{run.id}/{agent.name}/{task.id}/{repeat}"
        for agent in run.agents
        for task in run.tasks
        for repeat in (1, 2, 3)
    }
    assert [task.id for task in run.tasks] == sorted(path.parent.name for path in TASKS.glob("suites/desk/*/task.md"))


def test_all_of_it_was_measured_elsewhere(run: Run, trials: tuple[TrialRecord, ...]) -> None:
    assert run.imported
    for trial in trials:
        assert trial.failure is None
        assert trial.turns
        assert trial.active_seconds > 0
        assert trial.usage is not None
        assert trial.cost_usd == 0


def test_no_task_is_done_by_all_or_by_none_and_the_three_spread(trials: tuple[TrialRecord, ...]) -> None:
    did: dict[str, set[str]] = {trial.task: set() for trial in trials}
    for trial in trials:
        if score(trial) == 1.0:
            did[trial.task].add(trial.agent)
    assert {task for task, agents in did.items() if len(agents) in {0, 3}} == set()
    means = [mean(score(trial) for trial in trials if trial.agent == name) for name in (SMALL, SMALLER, SMALLEST)]
    assert means == sorted(means, reverse=True)
    assert 0.5 < means[0] < 0.9
    assert means[1] > means[2]


def test_nothing_in_it_names_a_folder_of_the_machine() -> None:
    packed = (TASKS / "importers" / "data" / desk_2026_11.DATA).read_bytes()
    text = gzip.decompress(packed).decode()
    assert re.findall(r"/(?:root|home|Users|tmp|work|usr|opt)/[^\s\"\\]*", text) == []
    assert len(packed) < 300_000


def test_its_report_says_where_it_comes_from(run: Run, trials: tuple[TrialRecord, ...]) -> None:
    result = RunResult(
        run=run, trials=trials, verdicts=(), grading=grade(run, trials, ()), manifest=manifest(run, trials)
    )
    text = markdown.render(result)
    assert f"imported from {run.origin}" in text
    assert "on this device" in text
    assert f"| 1 | {SMALL} |" in text


def test_the_pages_table_is_its_grading(run: Run, trials: tuple[TrialRecord, ...]) -> None:
    page = (TASKS.parents[2] / "docs" / "local-models.md").read_text("utf-8")
    table = page.partition("<!-- table: desk -->")[2].partition("<!-- end -->")[0]
    shown = {
        cells[1].strip(): [cell.strip() for cell in cells[2:7]]
        for cells in (line.strip("|").split("|") for line in table.strip().splitlines()[2:])
    }
    assert shown == {
        card.agent: [str(card.measured), *map(graded, (card.overall, card.performance, card.speed, card.cost))]
        for card in grade(run, trials, ()).scorecards
    }
