"""Foreign text draws nothing in Markdown and runs nowhere in a spreadsheet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flatfield.faces.escaping import csv_cell, markdown
from flatfield.faces.wording import one_line, printable

if TYPE_CHECKING:
    from markdown_it.token import Token

READER = MarkdownIt("gfm-like", {"linkify": False})
PIECES = [*"|\\`*_[]()<>!#+-=~&;:$ 1.a\n\r\t", "http://x", "<b>", "**", "![", "](", "---", "# ", "&lt;"]
NASTY = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


def inline_kinds(tokens: list[Token]) -> set[str]:
    return {child.type for token in tokens for child in token.children or ()}


@example("1. one")
@example("- x")
@example("| a |")
@example("<script>alert(1)</script>")
@example("[x](http://evil) ![y](http://evil/p.png)")
@example("&lt;b&gt; &amp;")
@example("a_b _c_ __d__")
@given(NASTY)
def test_a_cell_reads_as_it_was_written_and_is_one_cell(text: str) -> None:
    tokens = READER.parse(f"| a | b |\n|---|---|\n| {markdown(text)} | end |\n")
    kinds = [token.type for token in tokens]
    assert kinds.count("td_open") == 2
    assert kinds.count("table_close") == 1
    assert inline_kinds(tokens) <= {"text", "text_special"}
    cells = [token for token in tokens if token.type == "inline"]
    assert "".join(child.content for child in cells[2].children or ()).replace("\u2060", "") == one_line(text, 1000)
    assert cells[3].content == "end"


@example("# heading")
@example("--- ")
@example("+ x")
@example("12) x")
@example("===")
@example("> quote")
@given(NASTY)
def test_a_paragraph_stays_one(text: str) -> None:
    tokens = READER.parse(f"before\n\n{markdown(text)}\n\nafter\n")
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    assert inline_kinds(tokens) <= {"text", "text_special"}


def test_what_needs_no_escape_stays_readable() -> None:
    text = "run 20260102-101500-ab12: 5_complex_engineering, 3 × 2.5 (n=5), see tasks/a.md"
    assert markdown(text) == text


def test_control_characters_are_shown() -> None:
    assert markdown("a\x1b[31m") == "a\\\\x1b\\[31m"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", " =1", "\t=1", "\t1", "\r=1", "\r1", "\n=1", "＝1", "=cmd|' /C calc'!A0"]
)
def test_what_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == f"'{printable(text)}"


@pytest.mark.parametrize("text", ["see http://evil/x", "www.evil.com", "HTTPS://evil", "@team look", "(@team)"])
def test_bare_addresses_and_names_stay_text(text: str) -> None:
    found = markdown(text)
    assert not re.search(r"\w://|\bwww\.|(?<!\w)@\w", found)
    assert found.replace("\\", "").replace("\u2060", "") == text


@pytest.mark.parametrize("value", ["text", "a=1", "", 1.5, -1, None, 0])
def test_other_cells_stay(value: object) -> None:
    assert csv_cell(value) == value


@given(st.text())
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert not re.match(r"\s*[=+\-@＝＋－＠]", str(csv_cell(text)))
