"""What is said: numbers, names and prices as a person would say them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.faces.speech.sentences import (
    LONGEST_CHARACTERS,
    agent_sentence,
    plain,
    run_sentence,
    spoken_name,
    spoken_seconds,
    spoken_usd,
    winner_phrase,
)

UNITS = {"hour": 3600, "minute": 60, "second": 1}


def heard_seconds(text: str) -> int:
    """The number of seconds that a listener understands."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (hour|minute|second)s?\b", text))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpt-5-mini", "gpt-5 mini"),
        ("nano-agent-gpt-5-mini", "gpt-5 mini"),
        ("flatfield:nano-agent-gpt-oss-20b", "gpt oss 20b"),
        ("claude-opus-4-1-20250805", "claude opus 4.1"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-oss:20b", "gpt oss 20b"),
        ("gpt-6.1-terra", "gpt-6.1 terra"),
        ("openai-chat:qwen3@127.0.0.1:8080", "openai chat qwen3"),
        ("claude-3-haiku", "claude 3 haiku"),
        ("", "an agent"),
        ("---", "an agent"),
    ],
)
def test_names(name: str, said: str) -> None:
    assert spoken_name(name) == said


@given(st.text(max_size=40))
def test_any_name_is_one_line_of_words(name: str) -> None:
    said = spoken_name(name)
    assert said
    assert said == " ".join(said.split())
    assert "_" not in said
    assert ":" not in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "under a second"),
        (0.4, "under a second"),
        (1.2, "1 second"),
        (12.3, "12 seconds"),
        (59.7, "1 minute"),
        (80, "1 minute 20 seconds"),
        (7300, "2 hours 1 minute"),
        (3600, "1 hour"),
    ],
)
def test_seconds(value: float, said: str) -> None:
    assert spoken_seconds(value) == said


@given(st.floats(0.51, 3599.4))
def test_under_an_hour_not_a_second_is_lost(value: float) -> None:
    assert heard_seconds(spoken_seconds(value)) == round(value)


@given(st.floats(3600, 1e6))
def test_hours_lose_less_than_a_minute(value: float) -> None:
    assert 0 <= round(value) - heard_seconds(spoken_seconds(value)) < 60


@given(st.floats(0, 1e6))
def test_nothing_is_counted_wrongly(value: float) -> None:
    for number, unit, many in re.findall(r"(\d+) (hour|minute|second)(s?)", spoken_seconds(value)):
        assert (number == "1") == (many == ""), unit
        assert number != "0"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (0, "free"),
        (0.0005, "a twentieth of a cent"),
        (0.0033, "a third of a cent"),
        (0.005, "half a cent"),
        (0.01, "one cent"),
        (0.042, "4 cents"),
        (0.996, "1 dollar"),
        (1.5, "1 dollar 50"),
        (12, "12 dollars"),
        (1e-7, "next to nothing"),
    ],
)
def test_prices(value: float | None, said: str) -> None:
    assert spoken_usd(value) == said


@given(st.floats(0.0125, 1e5))
def test_a_price_is_off_by_half_a_cent_at_most(value: float) -> None:
    said = spoken_usd(value)
    dollars = re.search(r"(\d+) dollar", said)
    cents = re.search(r"(\d+) cent", said) or re.search(r"dollars? (\d+)", said)
    heard = int(dollars[1] if dollars else 0) + int(cents[1] if cents else 0) / 100
    assert abs(heard - value) <= 0.0050001


@given(st.floats(0.00036, 0.0124))
def test_less_than_a_cent_is_said_within_half_of_it(value: float) -> None:
    fractions = {
        "a twentieth": 0.05,
        "a tenth": 0.1,
        "a fifth": 0.2,
        "a quarter": 0.25,
        "a third": 1 / 3,
        "half": 0.5,
        "two thirds": 2 / 3,
        "three quarters": 0.75,
        "one": 1.0,
    }
    heard = fractions[re.split(r" (?:of )?(?:a )?cent", spoken_usd(value))[0]]
    assert 0.66 <= heard / (value * 100) <= 1.5


def test_the_sentence_of_an_agent() -> None:
    said = agent_sentence("gpt-5-mini", 12.3, letter="A", usd=0.0033)
    assert said == "gpt-5 mini: done in 12 seconds, grade A, a third of a cent"
    assert agent_sentence("gpt-5", 1) == "gpt-5: done in 1 second", "neither a grade nor a price is made up"


def test_the_sentence_of_a_run() -> None:
    winner = winner_phrase("gpt-5-mini", "A", 12, 0.0033, alone=False)
    assert run_sentence(winner, 0) == (
        "The evaluation is graded: gpt-5 mini came first, grade A, in 12 seconds, for a third of a cent"
    )
    assert run_sentence("", 1) == "The evaluation is graded, 1 trial not measured"
    alone = winner_phrase("qwen3", None, None, 0, alone=True)
    assert run_sentence(alone, 2) == "The evaluation is graded: qwen3, free, 2 trials not measured"


@given(st.text(max_size=600))
def test_any_text_becomes_one_short_line_without_markup(text: str) -> None:
    said = plain(text)
    assert len(said) <= LONGEST_CHARACTERS + len(", and so on")
    assert said == " ".join(said.split())
    assert said.isprintable()
    assert not said.startswith("-"), "no program takes it for an option"
    assert not set(said) & set("`*#<>|[]{}\\")


def test_addresses_are_not_spelled_out() -> None:
    assert plain("see https://example.org/a?b=c now") == "see a link now"
    assert plain("word " * 100).endswith("word, and so on")
