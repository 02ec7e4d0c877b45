"""The CSV report: one row a trial, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.faces.reports.csv import COLUMNS, render
from flatfield.records import Reply, Turn, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import RunResult

pytestmark = pytest.mark.whole


def read(result: RunResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(result))))


def test_one_row_a_trial_with_its_figures(aimed: RunResult) -> None:
    rows = read(aimed)
    assert len(rows) == 7
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["run"], rows[0]["agent"], rows[0]["score"]) == ("20260102-101500-ab12", "quick", "1.0")
    assert (rows[0]["cost_usd"], rows[0]["failure"], rows[0]["answer"]) == ("0.01", "", "x")


def test_what_is_not_known_is_empty(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    (row,) = read(make_result([trial(more={"cost_usd": None, "usage": None})]))
    assert (row["cost_usd"], row["input_tokens"], row["first_token_seconds"]) == ("", "", "")


def test_formulas_are_text(hostile: RunResult) -> None:
    rows = read(hostile)
    assert [row["agent"] for row in rows] == ["a|b", "'=cmd", "<i>c</i>"]
    assert rows[1]["answer"] == "'=HYPERLINK(1)"


def test_newlines_and_quotes_survive(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    answer = 'one,\n"two"\nthree'
    assert read(make_result([trial(more={"answer": answer})]))[0]["answer"] == answer


def test_a_run_without_trials_has_a_header(make_result: Callable[..., RunResult]) -> None:
    assert render(make_result([])) == ",".join(COLUMNS) + "\n"


def test_what_a_trial_derives_and_what_the_api_says_it_cost(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    streamed = Reply(text="x", usage=Usage(output_tokens=30), model_seconds=2.0, first_token_seconds=0.5)
    more = {"turns": (Turn(reply=streamed),), "reported_cost_usd": 0.25}
    (row,) = read(make_result([trial(more=more)]))
    assert (float(row["output_tokens_per_second"]), row["reported_cost_usd"]) == (20.0, "0.25")
