"""Tables and text in at most the console's columns, plain where there is no terminal."""

from __future__ import annotations

import io
import shlex

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


def test_a_command_can_be_copied_as_it_stands() -> None:
    served = "openai-chat:m@http://127.0.0.1:8080/v1"
    command = f"flatfield run 'Make  the test pass, please.' --model {served} --check \"a  b\""
    section = Section(title="Next", commands=(("to have it done", command), ("why", "flatfield pick RUN")))
    lines = drawn(section, 62)
    assert lines[2:] == [
        "- to have it done:",
        "    flatfield run 'Make  the test pass, please.' --model \\",
        f'      {served} --check "a  b"',
        "- why: flatfield pick RUN",
    ]
    assert shlex.split("\n".join(lines[3:5]).replace("\\\n", "")) == shlex.split(command)


def test_a_table_without_rows_is_not_drawn() -> None:
    assert drawn(Section(title="T", tables=(Table(columns=("a",), rows=()),))) == ["", "T"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_names_and_grades_stay_whole_and_text_takes_several_lines(width: int) -> None:
    name = "an-agent-with-a-long-name"
    table = Table(
        columns=("agent", "grade", "why"),
        rows=((name, "S (n=5, ≥ C)", "because " * 30),),
        names=frozenset({"agent"}),
        fold=frozenset({"why"}),
    )
    lines = drawn(Section(title="T", tables=(table,)), width)
    assert max(map(len, lines)) <= width
    assert lines[3].startswith(f"{name}  S (n=5, ≥ C)  because")
    assert " ".join(lines).count("because") == 30


def test_columns_that_do_not_fit_are_left_out_by_importance_and_said() -> None:
    table = Table(
        columns=("agent", "cost", "tokens", "wall"),
        rows=(("a" * 30, "$1.25", "7,380,534", "3 min 20 s"),),
        right=frozenset({"cost", "tokens", "wall"}),
        names=frozenset({"agent"}),
        drop=("tokens",),
    )
    lines = drawn(Section(title="T", tables=(table,)), 50)
    assert lines[2:] == [
        f"{'agent':30}   cost        wall",
        f"{'a' * 30}  $1.25  3 min 20 s",
        "not shown, for want of width: tokens (--full)",
    ]
    console = plain_console(50)
    with console.capture() as capture:
        draw_table(table, console, full=True)
    assert "7,380,534" in capture.get()
    assert max(map(len, capture.get().splitlines())) <= 50


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


def test_text_is_read_in_lines_of_at_most_100_columns() -> None:
    assert max(map(len, drawn(Section(title="T", paragraphs=("word " * 100,)), 300))) <= 100


@pytest.mark.parametrize(("columns", "width"), [("300", 300), ("", 80), ("wide", 80), ("0", 80), ("3", 20)])
def test_piped_text_is_80_columns_wide_or_what_is_said(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert open_console().width == width
