"""`aider-polyglot` and `tau2-table`: tables of figures without single outcomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.evidence.readers import aider_polyglot, tau2_table
from flatfield.records import ImportChoices

if TYPE_CHECKING:
    from pathlib import Path

HOW = ImportChoices(now="2026-11-30T12:00:00+00:00")
BOARD = """- dirname: 2025-01-01--a
  test_cases: 225
  model: Alpha 1 (high)
  edit_format: diff
  commit_hash: 12e4567
  pass_rate_2: 40.0
  pass_num_1: 40
  pass_num_2: 90
  date: 2025-01-02
  seconds_per_case: 20.5
  total_cost: 45.0

- dirname: 2025-01-01--b
  test_cases: 224
  model: Beta, from a shop
  edit_format: whole
  pass_num_2: 56
  date: 2025-01-01
  seconds_per_case: 9
  total_cost: 0.0000
"""


def test_an_entry_is_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "board.yml"
    path.write_text(BOARD, encoding="utf-8")
    alpha, beta = aider_polyglot.read(path, HOW).evidence
    assert (alpha.agent, alpha.setting, alpha.solved, alpha.tasks) == ("Alpha 1 (high)", "diff", 90, 225)
    assert (alpha.usd, alpha.seconds, alpha.date) == (0.2, 20.5, "2025-01-02")
    assert (beta.share, beta.usd) == (0.25, None)  # a total of 0 is not told
    assert beta.note.endswith("no cost is told")


def test_mistakes_of_the_board_have_lines(tmp_path: Path) -> None:
    path = tmp_path / "board.yml"
    path.write_text(BOARD.replace("pass_num_2: 90", "pass_num_2: many").replace("  test_cases: 224\n", ""), "utf-8")
    with pytest.raises(InvalidFiles) as caught:
        aider_polyglot.read(path, HOW)
    assert [one.line for one in caught.value.mistakes] == [8, 13]
    path.write_text("nothing: here", encoding="utf-8")
    with pytest.raises(FlatfieldError, match="has no list of results"):
        aider_polyglot.read(path, HOW)


def submit(folder: Path, name: str, **given: Any) -> Path:
    path = folder / name / "submission.json"
    path.parent.mkdir(parents=True)
    about = {
        "model_name": "Alpha 1",
        "submitting_organization": "Somebody",
        "submission_date": "2026-02-26",
        "contact_info": {"email": "a@example.org"},
        "results": {"retail": {"pass_1": 50.0, "pass_2": 40.0, "cost": 0.25}, "airline": None},
        "methodology": {"user_simulator": "gamma-2", "verification": {"modified_prompts": False}},
        **given,
    }
    path.write_text(json.dumps(about), encoding="utf-8")
    return path


def test_each_domain_of_a_submission_is_a_figure(tmp_path: Path) -> None:
    zero = {"telecom": {"pass_1": 90.0, "cost": 0.0}, "retail": {"pass_1": None}, "chess": {"pass_1": 1.0}}
    submit(tmp_path, "alpha", reasoning_effort="high")
    submit(tmp_path, "beta", model_name="Beta", submission_type="custom", results=zero, methodology=None)
    submit(tmp_path, "voice", modality="voice")
    submit(tmp_path, "A_EXAMPLE_model")
    found = tau2_table.read(tmp_path, HOW)
    alpha, beta = found.evidence
    assert (alpha.benchmark, alpha.solved, alpha.tasks) == ("tau2-retail", 57.0, 114)
    assert (alpha.usd, alpha.seconds, alpha.setting) == (0.25, None, "high")
    assert alpha.scaffold == "tau2-bench, customer gamma-2"
    assert (beta.benchmark, beta.usd) == ("tau2-telecom", None)  # a cost of 0 is not told
    assert beta.scaffold == "Beta's own, customer not named"
    assert found.notes == (
        "1 submission with voice left out",
        "domain chess left out: how many tasks it has is not known here",
    )


def test_no_submission_and_an_odd_one(tmp_path: Path) -> None:
    (tmp_path / "submissions.csv").write_text("", "utf-8")
    with pytest.raises(NotFound, match=r"submissions\.csv is a file, not a folder"):
        tau2_table.read(tmp_path / "submissions.csv", HOW)
    with pytest.raises(NotFound, match=r"has no submission\.json"):
        tau2_table.read(tmp_path, HOW)
    submit(tmp_path, "odd", results={"retail": {"pass_1": "half"}})
    with pytest.raises(InvalidFiles, match=r"submission\.json:1: "):
        tau2_table.read(tmp_path, HOW)
