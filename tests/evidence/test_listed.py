"""The table of what others published: what is in it, what is not, and one's own figures beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError
from flatfield.evidence.listed import KINDS, as_csv, evidence, from_csv, keep, model_key, of_model, own, shipped
from flatfield.records import Evidence

if TYPE_CHECKING:
    from pathlib import Path


def row(**given: object) -> Evidence:
    usual: dict[str, object] = {
        "agent": "alpha-1",
        "scaffold": "Tool",
        "model": "alpha-1",
        "benchmark": "swe-bench",
        "kind": "code-repair",
        "solved": 50.0,
        "tasks": 100,
    }
    return Evidence(**(usual | given))  # type: ignore[arg-type]


def find(model: str, benchmark: str, scaffold: str) -> Evidence:
    (found,) = [one for one in shipped() if (one.model, one.benchmark, one.scaffold) == (model, benchmark, scaffold)]
    return found


def test_every_figure_has_its_source_and_makes_sense() -> None:
    for one in shipped():
        assert one.source, one
        assert one.licence, one
        assert 0.0 <= one.share <= 1.0, one
        assert one.seconds is None or one.seconds > 0.0, one
        assert one.usd is None or one.usd > 0.0 or one.model.startswith("gpt-oss"), one  # those ran on a device
    assert {one.kind for one in shipped()} == set(KINDS)
    keys = [(one.agent, one.setting, one.scaffold, one.benchmark) for one in shipped()]
    assert len(keys) == len(set(keys))


def test_what_the_sources_say_stands_there() -> None:
    found = find("claude-opus-4-8", "swe-bench", "OpenHands")
    assert (found.solved, found.tasks, found.seconds, found.date) == (419, 500, 159, "2026-06-01")
    assert found.usd == pytest.approx(0.742, abs=0.001)
    assert len([one for one in shipped() if one.benchmark == "nano-agent-2025-08"]) == 9


def test_a_column_of_zeros_is_not_a_price() -> None:
    """The published mean stands in its place."""
    assert find("GPT-5.4", "swe-bench", "Codex").usd == 0.4
    assert find("GPT-5.5", "swe-bench", "Codex").usd == 1.17


def test_zeros_among_costs_are_not_counted() -> None:
    found = find("GLM-5", "swe-bench", "OpenHands")
    assert found.usd == pytest.approx(1.287, abs=0.001)
    assert found.note == "cost of 405 of 500 tasks"


def test_two_costs_that_contradict_each_other_are_no_cost() -> None:
    rows = [one for one in shipped() if one.scaffold == "Gemini CLI" and one.benchmark == "swe-bench"]
    assert [one.usd for one in rows] == [None, None]
    assert all("times the published mean" in one.note for one in rows)


def test_the_table_can_be_read_again() -> None:
    rows = (row(usd=0.25, note='a, "b"', weights_b=7.5), row(agent="β", seconds=1.0, solved=33.333))
    assert from_csv(as_csv(rows)) == rows


@pytest.mark.parametrize(
    "names",
    [
        ("Claude Opus 4.5", "claude-opus-4-5", "anthropic/claude-opus-4-5-20251101", "claude-opus-4.5:latest"),
        ("GPT-OSS 20B", "gpt-oss:20b", "openai/gpt-oss-20b", "gpt-oss-20b (high)"),
        ("Gemini 3.0 Pro", "gemini-3-pro", "models/gemini-3-pro-preview"),
        ("Qwen2.5-Coder-32B-Instruct", "qwen2.5-coder:32b", "qwen2.5-coder:32b-instruct-q4_K_M"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gemini-2.5-pro-preview-06-05 (32k think)", "gemini-2.5-pro"),
    ],
)
def test_names_of_one_model_are_one(names: tuple[str, ...]) -> None:
    assert len({model_key(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-5", "gpt-5-mini"),
        ("gpt-5", "gpt-5.5"),
        ("claude-opus-4", "claude-opus-4-1"),
        ("DeepSeek R1", "DeepSeek R1 + claude-3-5-sonnet-20241022"),
        ("qwen3-32b", "qwen3-235b-a22b"),
    ],
)
def test_names_of_two_models_are_two(one: str, other: str) -> None:
    assert model_key(one) != model_key(other)


def test_of_a_model_the_kind_comes_first_then_many_tasks() -> None:
    rows = (row(benchmark="a", tasks=50), row(kind="research", tasks=900), row(benchmark="b", tasks=70), row(model="x"))
    assert [(one.kind, one.tasks) for one in of_model(rows, "Alpha 1")] == [
        ("code-repair", 70),
        ("code-repair", 50),
        ("research", 900),
    ]


def test_ones_own_figures_stand_in_the_place_of_those_shipped(tmp_path: Path) -> None:
    mine = row(agent="claude-opus-4-8", model="claude-opus-4-8", scaffold="OpenHands", solved=60.0)
    keep(tmp_path, "one-format", (mine,))
    assert own(tmp_path) == (mine,)
    found = [one for one in evidence(tmp_path) if (one.agent, one.benchmark) == (mine.agent, mine.benchmark)]
    assert found == [mine]
    other = row(benchmark=mine.benchmark)
    keep(tmp_path, "one-format", (other,))
    assert own(tmp_path) == (other,)


def test_an_import_of_another_benchmark_takes_nothing_away(tmp_path: Path) -> None:
    first, second = row(benchmark="a"), row(benchmark="b")
    keep(tmp_path, "one-format", (first,))
    keep(tmp_path, "one-format", (second,))
    assert own(tmp_path) == (first, second)
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == ["one-format.json"]


def test_figures_that_cannot_be_read_any_more_are_told(tmp_path: Path) -> None:
    path = keep(tmp_path, "one-format", (row(),))
    path.write_text("{", encoding="utf-8")
    with pytest.raises(FlatfieldError, match=r"one-format\.json cannot be read .* import its figures again"):
        own(tmp_path)
