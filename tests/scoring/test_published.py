"""Published letters beside ours: every cell, with the reason that its figures give."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest

from flatfield.records import RunResult
from flatfield.scoring.grading import grade
from flatfield.scoring.published import PublishedCell, compare_published
from flatfield.tasks.importers.nano_agent_2025_08 import load


@cache
def result() -> RunResult:
    imported = load()
    return RunResult(
        run=imported.run, trials=imported.trials, verdicts=(), grading=grade(imported.run, imported.trials, ())
    )


def cell(task: str, agent: str, measure: str) -> PublishedCell:
    found = compare_published(result())
    return next(item for item in found if (item.task, item.agent, item.measure) == (task, agent, measure))


def test_every_published_letter_has_ours_and_a_reason() -> None:
    cells = compare_published(result())
    assert len(cells) == 180
    assert all(item.ours and item.reason and item.published for item in cells)
    assert all(item.same == (item.published.replace("E", "F") == item.ours) for item in cells)


def test_performance_is_taken_over() -> None:
    assert all(item.same for item in compare_published(result()) if item.measure == "performance")


def test_a_wrong_cost_is_said_with_both_figures() -> None:
    found = cell("1_dummy", "gpt-5", "cost")
    assert "cost re-priced: $0.0112 published, $0.00608 from its tokens" in found.reason


def test_how_far_a_published_cost_is_off_is_a_figure() -> None:
    off = [item.repriced for item in compare_published(result()) if item.repriced is not None]
    assert len(off) == 12
    assert max(off) == pytest.approx(1.860, abs=0.001)
    assert cell("1_dummy", "claude-opus-4-1", "cost").repriced is None
    assert cell("1_dummy", "gpt-oss-20b", "cost").repriced is None


def test_a_right_cost_is_not_said_to_be_wrong() -> None:
    assert "re-priced" not in cell("1_dummy", "claude-opus-4-1", "cost").reason


def test_a_letter_on_the_scale_names_its_anchor_and_ratio() -> None:
    found = cell("1_dummy", "gpt-5-nano", "speed")
    assert (found.published, found.ours) == ("B", "C")
    assert "6.6× the best (claude-3-haiku, 0.513 s per work done) is C" in found.reason
    assert "by eye" in found.reason


def test_an_e_counts_as_f() -> None:
    found = cell("1_dummy", "gpt-oss-20b", "speed")
    assert (found.published, found.ours, found.same) == ("E", "F", True)


def test_free_and_unreported_costs_are_explained() -> None:
    assert cell("1_dummy", "gpt-oss-20b", "cost").reason == "$0 is S"
    assert "no cost was published" in cell("5_complex_engineering", "gpt-oss-120b", "cost").reason


def test_a_capped_overall_says_so() -> None:
    found = cell("1_dummy", "gpt-5-mini", "overall")
    assert (found.ours, "never above performance when that is D or F" in found.reason) == ("D", True)


def test_runs_measured_here_have_nothing_published() -> None:
    own = tuple(msgspec.structs.replace(trial, imported=False, published={}) for trial in result().trials)
    assert compare_published(msgspec.structs.replace(result(), trials=own)) == ()
