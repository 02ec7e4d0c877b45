"""Ids sort by time, are told apart, and can be read back."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import NotFound
from flatfield.records import TrialPlan
from flatfield.runs.order import new_run_id
from flatfield.runs.store.store import parse_trial_id

names = st.text(min_size=1).filter(lambda text: "/" not in text)


def test_a_run_is_named_by_its_second_and_four_random_digits() -> None:
    draw = random.Random(1)
    now = datetime(2026, 11, 22, 9, 5, 7, tzinfo=UTC)
    found = {new_run_id(now, draw) for _ in range(20)}
    assert len(found) == 20
    assert all(re.fullmatch(r"20261122-090507-[0-9a-f]{4}", run) for run in found)


@given(agent=names, task=names, repeat=st.integers(min_value=1))
def test_a_trial_id_reads_back_as_its_parts(agent: str, task: str, repeat: int) -> None:
    trial = TrialPlan(run="20261122-090507-00ff", agent=agent, task=task, repeat=repeat)
    assert parse_trial_id(trial.id) == trial


@pytest.mark.parametrize("text", ["", "run", "run/a/t", "run/a/t/x", "run/a/t/1/2", "/a/t/1", "run//t/1", "run/a/t/²"])
def test_what_is_no_trial_id_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(NotFound, match="RUN/agent/task/repeat"):
        parse_trial_id(text)
