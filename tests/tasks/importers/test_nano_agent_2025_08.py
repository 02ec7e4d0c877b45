"""The published run: all of it, nothing made up, costs that their tokens can cost."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from flatfield.plugins import load as load_plugin
from flatfield.records import MIDPOINTS, TrialRecord
from flatfield.tasks.importers.nano_agent_2025_08 import load

DATA = Path(__file__).parents[3] / "src/flatfield/tasks/importers/data/nano_agent_2025_08.csv"


def trial(task: str, agent: str) -> TrialRecord:
    return next(item for item in load().trials if (item.task, item.agent) == (task, agent))


def test_nine_agents_on_five_tasks_once_each() -> None:
    imported = load()
    assert (len(imported.run.agents), len(imported.run.tasks), len(imported.trials)) == (9, 5, 45)
    assert len({item.id for item in imported.trials}) == 45
    assert len({(item.task_digest, item.agent_fingerprint) for item in imported.trials}) == 45
    assert [task.level for task in imported.run.tasks] == [1, 2, 3, 4, 5]
    assert {item.run for item in imported.trials} == {imported.run.id}


def test_every_record_says_that_it_was_not_measured_here() -> None:
    imported = load()
    assert imported.run.imported
    for item in imported.trials:
        assert item.imported
        assert "published figures, not measured here" in item.notes
        assert any("wall seconds" in note for note in item.notes)


def test_figures_are_those_of_the_file() -> None:
    rows = list(csv.DictReader(DATA.read_text("utf-8").splitlines()))
    for row, item in zip(rows, load().trials, strict=True):
        assert (item.task, item.agent) == (row["task"], row["model"])
        assert item.active_seconds == item.wall_seconds == float(row["seconds"])
        assert item.published["cost_usd"] == (float(row["cost_usd"]) if row["cost_usd"] else None)
        assert item.published["performance"] == row["performance_grade"]
        if row["input_tokens"]:
            assert item.usage is not None
            assert (item.usage.input_tokens, item.usage.output_tokens) == (
                int(row["input_tokens"]),
                int(row["output_tokens"]),
            )


def test_performance_is_the_midpoint_of_the_published_letter() -> None:
    for item in load().trials:
        letter = item.published["performance"]
        assert item.checks[0].score == dict(MIDPOINTS).get(letter, MIDPOINTS["F"])
        assert item.checks[0].verifier == "published"


def test_twelve_of_fifteen_gpt_5_costs_were_off_by_up_to_1_86() -> None:
    ratios = [
        item.published["cost_usd"] / item.cost_usd
        for item in load().trials
        if item.agent.startswith("gpt-5") and item.cost_usd
    ]
    assert len(ratios) == 15
    assert sum(abs(ratio - 1) > 0.015 for ratio in ratios) == 12
    assert max(ratios) == pytest.approx(1.86, abs=0.005)


def test_claudes_costs_were_right() -> None:
    for item in load().trials:
        if item.agent.startswith("claude"):
            assert item.cost_usd == pytest.approx(item.published["cost_usd"], rel=0.005)


def test_models_on_the_device_cost_nothing_also_where_no_tokens_were_reported() -> None:
    missing = trial("5_complex_engineering", "gpt-oss-120b")
    assert (missing.usage, missing.cost_usd, missing.published["cost_usd"]) == (None, 0.0, None)
    assert trial("1_dummy", "gpt-oss-20b").cost_usd == 0.0


def test_agents_are_named_as_their_vendors_and_price_lists_do() -> None:
    agents = {agent.name: (agent.provider, agent.model, agent.on_device) for agent in load().run.agents}
    assert agents["gpt-oss-20b"] == ("ollama", "gpt-oss:20b", True)
    assert agents["gpt-5-nano"] == ("openai", "gpt-5-nano", None)
    assert agents["claude-opus-4-1"] == ("anthropic", "claude-opus-4-1", None)


def test_loading_again_gives_the_same_records_that_survive_json() -> None:
    first, again = load(), load()
    assert first == again
    assert msgspec.json.decode(msgspec.json.encode(first.trials), type=tuple[TrialRecord, ...]) == first.trials


def test_it_is_found_by_its_name() -> None:
    assert load_plugin("importer", "nano-agent-2025-08").load is load
