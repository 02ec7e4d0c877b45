"""The JSON report: the promised shape, whatever a model wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.faces.reports.json import render
from flatfield.records import Failure, RunResult

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS = [
    "agent", "task", "repeat", "score", "stop", "turns", "tool_calls", "input_tokens", "cache_read_tokens",
    "output_tokens", "reasoning_tokens", "active_seconds", "wall_seconds", "first_token_seconds", "cost_usd", "failure",
]  # fmt: skip


def test_trials_have_exactly_the_promised_fields(aimed: RunResult) -> None:
    found = json.loads(render(aimed))
    assert found["run"] == "20260102-101500-ab12"
    assert all(list(trial) == FIELDS for trial in found["trials"])
    assert found["trials"][0]["score"] == 1.0
    assert found["trials"][0]["active_seconds"] == 2.0


def test_scorecards_have_the_four_grades(aimed: RunResult) -> None:
    cards = json.loads(render(aimed))["scorecards"]
    assert [card["agent"] for card in cards] == ["quick", "slow", "oracle"]
    for name in ("performance", "speed", "cost", "overall"):
        assert set(cards[0][name]) >= {"score", "letter", "n", "interval"}


def test_what_is_not_known_is_null(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    more = {"usage": None, "cost_usd": None, "failure": Failure(kind="provider", message="down")}
    (row,) = json.loads(render(make_result([trial(score=None, more=more)])))["trials"]
    assert [row[name] for name in ("score", "cost_usd", "input_tokens", "first_token_seconds")] == [None] * 4
    assert row["failure"] == "down"


def test_the_rest_of_the_report_is_there_too(published: RunResult, aimed: RunResult) -> None:
    found = json.loads(render(published))
    assert len(found["published"]) == 180
    assert found["imported"] is True
    own = json.loads(render(aimed))
    assert own["command"] == "flatfield eval tasks/ --seed 7"
    assert own["published"] == []
    assert [own[name] != [] for name in ("cells", "anchors", "manifest", "responses")] == [True] * 4
    assert own["weights"] == {"performance": 0.5, "speed": 0.25, "cost": 0.25}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30, deadline=None
)
@given(answer=st.text())
@pytest.mark.whole
def test_any_answer_comes_back_as_it_was(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], answer: str
) -> None:
    found = json.loads(render(make_result([trial(more={"answer": answer})])))
    assert found["responses"][0]["answer"] == answer
