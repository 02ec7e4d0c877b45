"""How figures, grades and foreign text read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.faces import wording
from flatfield.records import Check, Failure, Grade, Interval, ScaleGrade, TrialRecord


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "0.00 s"), (0.424, "0.42 s"), (9.996, "10.0 s"), (12.34, "12.3 s"), (119.96, "2 min 0 s"),
        (200.0, "3 min 20 s"), (3599.4, "59 min 59 s"), (3599.9, "1 h 0 min"), (7800.0, "2 h 10 min"),
        (36 * 3600.0, "36 h 0 min"), (99 * 3600.0, "4 days 3 h"), (8_642_137.0, "100 days"), (1e8, "1,157 days"),
    ],
)  # fmt: skip
def test_seconds(value: float | None, text: str) -> None:
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "no price"), (0.0, "$0"), (0.00019, "$0.000190"), (0.00003, "$0.0000300"), (0.0123, "$0.0123"),
        (0.5, "$0.500"), (0.9996, "$1.00"), (1.25, "$1.25"), (1234.5, "$1,234.50"),
    ],
)  # fmt: skip
def test_dollars(value: float | None, text: str) -> None:
    assert wording.dollars(value) == text


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_no_price_above_nothing_reads_as_nothing(value: float) -> None:
    assert float(wording.dollars(value).strip("$").replace(",", "")) == pytest.approx(value, rel=0.006)


def test_a_letter_says_how_sure_it_is() -> None:
    interval = Interval(low=0.5, high=1.0, method="t")
    ranged = Grade(score=0.9, letter="A", n=5, interval=interval, at_worst="C", at_best="S")
    assert wording.letter(ranged) == "A (C–S)"
    assert wording.letter(Grade(score=1.0, letter="S", n=5, at_worst="S", at_best="S")) == "S"
    assert wording.letter(Grade(score=1.0, letter="S", n=2)) == "S"
    assert wording.letter(Grade(score=1.0, letter="S", n=1)) == "S (one trial)"
    assert wording.letter(Grade()) == "not measured"
    assert wording.letter(Grade(lacks="price")) == "no price"


def test_a_scaled_letter_says_how_many_times_the_best() -> None:
    grade = Grade(score=0.8, letter="B", n=1)
    assert wording.scaled(ScaleGrade(per_work=4.6, ratio=2.3, relative=grade)) == "B · 2.3×"
    ranged = Grade(score=0.8, letter="B", n=5, at_worst="C", at_best="A")
    assert wording.scaled(ScaleGrade(per_work=4.6, ratio=2.3, relative=ranged)) == "B (C–A) · 2.3×"
    assert wording.scaled(ScaleGrade(per_work=4.6, ratio=1345.3, relative=grade)) == "B · 1,345×"
    assert wording.scaled(ScaleGrade(per_work=0.0, ratio=0.0, relative=Grade(score=1.0, letter="S"))) == "S · 0"
    assert wording.scaled(ScaleGrade(relative=Grade(score=0.0, letter="F"))) == "F"
    assert wording.scaled(ScaleGrade()) == "–"


def test_ranks_are_ranges() -> None:
    assert [wording.rank(ranks) for ranks in (None, (2, 2), (1, 3))] == ["–", "2", "1–3"]


def record(**values: object) -> TrialRecord:
    base = {"run": "r", "agent": "a", "task": "t", "repeat": 1, "task_digest": "", "agent_fingerprint": ""}
    return TrialRecord(**({"stop": "answered"} | base | values))  # type: ignore[arg-type]


def test_outcomes() -> None:
    half = Check(verifier="v", label="l", score=0.5, reason="r", weight=3.0)
    full = Check(verifier="v", label="l", score=1.0, reason="r")
    unknown = Check(verifier="v", label="l", score=None, reason="r")
    assert wording.outcome(record(checks=(half, full, unknown))) == "score 0.62"
    assert wording.outcome(record(checks=(full,), stop="turn_limit")) == "score 1.00 (turn limit)"
    assert wording.outcome(record(checks=(unknown,))) == "done"
    assert wording.outcome(record(failure=Failure(kind="not_ready", message="no key"))) == (
        "not measured (not ready): no key"
    )


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    assert wording.printable("a\x1b[31m\tb\r\nc\x07\u202e\x9b\ud800") == "a\\x1b[31m\tb\nc\\x07\\u202e\\x9b\\ud800"


@given(st.text())
def test_printable_text_has_no_control_characters_and_is_utf_8(text: str) -> None:
    shown = wording.printable(text)
    assert not any(ord(character) < 32 and character not in "\n\t" for character in shown)
    shown.encode()


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_is_one_line_of_at_most_the_limit(text: str, limit: int) -> None:
    line = wording.one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_a_long_name_keeps_both_ends() -> None:
    assert wording.middle_cut("short", 5) == "short"
    cut = wording.middle_cut("openai-chat:qwen3-coder@127.0.0.1:8080", 25)
    assert len(cut) == 25
    assert cut.startswith("openai-chat:qwen")
    assert cut.endswith("1:8080")


def test_many() -> None:
    assert [wording.many(number, "trial") for number in (0, 1, 2, 1200)] == [
        "0 trials", "1 trial", "2 trials", "1,200 trials",
    ]  # fmt: skip
