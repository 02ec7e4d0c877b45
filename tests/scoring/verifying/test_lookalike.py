"""Texts that look alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.verifying.matching import drawn, look_alike, twin_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("Oslo", "Os\u200blo"),
        ("Oslo", "\ufeffOslo"),
        ("don't", "don\u2019t"),
        ("-5", "\u22125"),
        ("10 000", "10\u00a0000"),
        ("10 000", "10\u202f000"),
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),
        ("\u2764", "\u2764\ufe0f"),
        ("fi", "\ufb01"),
    ],
)
def test_they_look_alike(one: str, other: str) -> None:
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("a", "b"), ("Oslo", "oslo"), ("\u0e01\u0e34", "\u0e01")])
def test_they_do_not(one: str, other: str) -> None:
    assert not look_alike(one, other)


@given(st.text())
def test_a_text_looks_like_itself_composed_or_not(text: str) -> None:
    assert not look_alike(text, text)
    assert drawn(unicodedata.normalize("NFD", text)) == drawn(unicodedata.normalize("NFC", text))


def test_the_twin_that_looks_the_same_comes_before_the_one_in_other_cases() -> None:
    assert twin_of("caf\u00e9.txt", ["CAF\u00c9.TXT", "cafe\u0301.txt"]) == "cafe\u0301.txt"
    assert twin_of("out.json", ["OUT.json", "other"]) == "OUT.json"
    assert twin_of("out.json", ["out.json", "x"]) is None
