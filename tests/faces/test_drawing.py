"""Tables and text in at most the console's columns, plain where there is no terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flatfield.faces.blocks import Section, Table
from flatfield.faces.drawing import draw, draw_table, open_console, packed, plain_console, wrapped


def drawn(section: Section, width: int = 100) -> list[str]:
    console = plain_console(width)
    with console.capture() as capture:
        draw(section, console)
    return capture.get().splitlines()


def test_a_section_has_its_parts_in_order() -> None:
    table = Table(columns=("agent", "n"), rows=(("a", "1"), ("bcd", "10")), right=frozenset({"n"}))
    section = Section(title="Title", paragraphs=("text",), points=("point",), items=("x", "y"), tables=(table,))
    assert drawn(section) == ["", "Title", "text", "- point", "x  y", "agent   n", "a       1", "bcd    10"]


def test_a_table_without_rows_is_not_drawn() -> None:
    assert drawn(Section(title="T", tables=(Table(columns=("a",), rows=()),))) == ["", "T"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_only_columns_that_may_fold_do(width: int) -> None:
    table = Table(
        columns=("agent", "grade", "why"),
        rows=(("openai-chat:a-model-with-a-long-name@127.0.0.1:8080", "S (n=5, ≥ C)", "because " * 30),),
        fold=frozenset({"agent", "why"}),
    )
    lines = drawn(Section(title="T", tables=(table,)), width)
    assert max(map(len, lines)) <= width
    assert "S (n=5, ≥ C)" in "\n".join(lines)


def test_an_agents_name_folds_at_its_address_first() -> None:
    row = ("openai-chat:model@127.0.0.1:8080", "x" * 70)
    lines = drawn(
        Section(title="T", tables=(Table(columns=("agent", "text"), rows=(row,), fold=frozenset({"agent"})),))
    )
    assert [line.split()[0] for line in lines[3:]] == ["openai-chat:model", "@127.0.0.1:8080"]


def test_foreign_text_is_neither_markup_nor_emoji_nor_control() -> None:
    text = "[bold red]x[/] :smile: \x1b[2J"
    table = Table(columns=("agent",), rows=((text,),))
    lines = drawn(Section(title=text, paragraphs=(text,), points=(text,), items=(text,), tables=(table,)))
    shown = "[bold red]x[/] :smile: \\x1b[2J"
    assert [line for line in lines if shown in line] == [shown, shown, f"- {shown}", shown, shown]


def test_letters_have_colours_on_a_terminal_only() -> None:
    table = Table(columns=("agent", "T1"), rows=(("Anna", "S B ·"), ("Bob", "F (n=2)"), ("Cy", "B → D")))
    stream = io.StringIO()
    draw_table(table, Console(file=stream, force_terminal=True, width=80, color_system="standard"))
    coloured = stream.getvalue()
    assert "\x1b[1;32mS\x1b[0m \x1b[36mB\x1b[0m ·" in coloured
    assert "\x1b[31mF\x1b[0m (n=2)" in coloured
    assert "\x1b[36mB\x1b[0m → \x1b[35mD\x1b[0m" in coloured
    assert "Anna" in coloured
    assert "\x1b" not in "".join(drawn(Section(title="T", tables=(table,))))


def test_a_word_that_does_not_fit_is_not_broken() -> None:
    console = plain_console(20)
    with console.capture() as capture:
        wrapped("see /a/very/long/path/to/a/file here and there", console, first="- ", then="  ")
    assert capture.get().splitlines() == ["- see", "  /a/very/long/path/to/a/file", "  here and there"]


@given(st.lists(st.text("abc ", min_size=1, max_size=30).filter(str.strip), max_size=10))
def test_packed_items_fit_and_none_is_lost(items: list[str]) -> None:
    lines = list(packed(items, 40))
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(lines).split() == " ".join(items).split()


def test_a_console_has_at_most_100_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert open_console().width == 100
