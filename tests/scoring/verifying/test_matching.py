from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.verifying import matching
from flatfield.scoring.verifying.matching import equal_json, equal_text, parse_json, search, without_fence

pytestmark = pytest.mark.whole

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_equals_itself_in_any_order_of_keys(value: Any) -> None:
    assert equal_json(value, parse_json(json.dumps(value, sort_keys=True))).holds
    assert without_fence(f"```json\n{json.dumps(value)}\n```") == json.dumps(value)


@given(VALUES, VALUES)
def test_json_equality_is_that_of_a_canonical_form(left: Any, right: Any) -> None:
    def canonical(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: canonical(item) for key, item in value.items()}
        if isinstance(value, list):
            return [canonical(item) for item in value]
        return ("boolean", value) if isinstance(value, bool) else value

    assert equal_json(left, right).holds == (canonical(left) == canonical(right))
    assert equal_json(left, right).holds == equal_json(right, left).holds


@given(st.text(), st.text())
def test_texts_are_equal_character_for_character(left: str, right: str) -> None:
    assert equal_text(left, right).holds == (left == right)
    assert "\n" not in equal_text(left, right).reason


async def test_a_catastrophic_pattern_is_not_measured_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SEARCH_SECONDS", 0.3)
    found = await search(r"(a+)+$", "a" * 64 + "!")
    assert (found.holds, found.trouble) == (None, "time")
    assert "took more than 0.3 seconds" in found.reason


async def test_a_search_has_at_least_the_time_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SEARCH_SECONDS", 0.001)
    found = await search("b$", "aab", least_seconds=60.0)
    assert (found.holds, found.trouble) == (True, "")


async def test_only_a_bounded_beginning_is_searched_and_the_reason_says_so() -> None:
    found = await search("needle", "x" * matching.SEARCH_LIMIT_CHARACTERS + "needle")
    assert found.holds is False
    assert "only its first 1,000,000 characters were searched" in found.reason


async def test_a_pattern_that_cannot_be_searched_for_is_not_measured() -> None:
    found = await search("(", "x")
    assert found.holds is None
    assert "failed" in found.reason


def test_a_fence_around_a_part_is_no_fence() -> None:
    assert without_fence("see\n```\n1\n```") == "see\n```\n1\n```"
    assert without_fence("~~~\n1\n~~~") == "1"


def test_long_lines_are_shown_where_they_differ() -> None:
    found = equal_text("x" * 200 + "right", "x" * 200 + "wrong")
    assert found.reason == (f'line 1: from character 161: expected "{"x" * 40}right", found "{"x" * 40}wrong"')
    assert equal_text("ab", "ab" * 60).reason.startswith('line 1: expected "ab", found "abab')


def test_lines_that_look_alike_say_so() -> None:
    assert "other Unicode characters" in equal_text("caf\u00e9", "cafe\u0301").reason
    assert "other Unicode characters" in equal_text("a b", "a\u00a0b").reason
    assert "other Unicode characters" not in equal_text("a", "b").reason
