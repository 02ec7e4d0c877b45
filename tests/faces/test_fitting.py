"""Whatever a table holds: no line is wider than it may be, no number loses a digit, no name is broken."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flatfield.faces.blocks import Table
from flatfield.faces.drawing import ELLIPSIS, GAP, columns_of, cut_middle, draw_table, fit, plain_console, wrap
from flatfield.tasks.agents import short_names

pytestmark = pytest.mark.whole

LETTERS = st.sampled_from("abcdefgh-0123模型比é")
NAME = st.text(LETTERS, min_size=1, max_size=45).map(lambda text: f"n{text}")
SPEC = st.builds("openai-chat:{}@{}:80".format, NAME, st.sampled_from(["127.0.0.1", "10.0.0.1", "a-host.example.org"]))
NUMBER = st.integers(0, 10**9).map("{:,}".format)
TEXT = st.lists(st.text("abcxyz/模", min_size=1, max_size=60), max_size=12).map(" ".join)
KINDS = {"agent": st.one_of(NAME, SPEC), "task": NAME, "n": NUMBER, "usd": NUMBER, "why": TEXT, "what": TEXT}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    others = draw(st.permutations(sorted(set(KINDS) - {"agent"})))
    columns = ("agent", *others[: draw(st.integers(1, 5))])
    rows = draw(st.lists(st.tuples(*(KINDS[column] for column in columns)), min_size=1, max_size=5))
    return Table(
        columns=columns,
        rows=tuple(rows),
        right=frozenset({"n", "usd"}),
        names=frozenset({"agent", "task"}),
        fold=frozenset({"why"}),
        cut=frozenset({"what"}),
        drop=tuple(draw(st.lists(st.sampled_from(columns[1:]), unique=True))),
        whole=draw(st.booleans()),
    )


def shown(table: Table, width: int, *, full: bool) -> list[str]:
    console = plain_console(width)
    with console.capture() as capture:
        draw_table(table, console, full=full)
    return capture.get().splitlines()


@settings(deadline=None)  # machines differ
@given(tables(), st.integers(60, 200), st.booleans())
def test_every_table_fits_with_whole_numbers_and_names(table: Table, width: int, full: bool) -> None:
    lines = shown(table, width, full=full)
    assert max(map(columns_of, lines)) <= width
    fitted = fit(table, width, full=full)
    there = {column for part in fitted.parts for column in part.columns}
    below = {column for part in fitted.parts if part.below for column in table.fold.difference(there)}
    assert there | below | set(fitted.left_out) == set(table.columns)
    for part in fitted.parts:
        for row, said in zip(table.rows, part.below, strict=False):
            texts = [f"{column}{row[table.columns.index(column)]}" for column in below if column in table.columns]
            assert squeezed(*said).replace(":", "") in {squeezed(*texts), ""}
    assert not (fitted.left_out and (full or table.whole))
    words = [word for line in lines for word in line.split()]
    for place, column in enumerate(table.columns):
        if column in table.right and column in there:
            assert all(row[place] in words for row in table.rows)
    names = {row[0] for row in table.rows}
    short = short_names(
        {word for row in table.rows for place in (0, *place_of_task(table)) for word in row[place].split()}
    )
    for part in fitted.parts:
        for row, cells in zip(table.rows, part.rows, strict=True):
            (name,) = cells[0]
            assert name in {row[0], short[row[0]]} or ELLIPSIS in name
            assert ELLIPSIS not in name or columns_of(short[row[0]]) > part.widths[0]
    assert len({name for part in fitted.parts[:1] for (name,), *_ in part.rows}) == len(names)


def squeezed(*texts: str) -> str:
    return "".join("".join(texts).split())


def place_of_task(table: Table) -> tuple[int, ...]:
    return tuple(place for place, column in enumerate(table.columns) if column == "task")


@settings(deadline=None)
@given(st.lists(st.one_of(NAME, SPEC), max_size=8, unique=True))
def test_short_names_tell_agents_apart(names: list[str]) -> None:
    short = short_names(names)
    assert len(set(short.values())) == len(names)
    assert all(form in name for name, form in short.items())


def test_a_spec_is_shortened_where_that_is_unique() -> None:
    assert short_names(["openai-chat:a@h:1", "openai-chat:b@h:1", "openai-chat:b@h:2", "ollama:c", "mine:d", "c"]) == {
        "openai-chat:a@h:1": "a",
        "openai-chat:b@h:1": "b@h:1",
        "openai-chat:b@h:2": "b@h:2",
        "ollama:c": "ollama:c",
        "mine:d": "mine:d",
        "c": "c",
    }


@settings(deadline=None)
@given(TEXT, st.integers(4, 60))
def test_wrapped_text_loses_no_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(columns_of(line) <= width for line in lines)
    kept = [word for word in text.split() if columns_of(word) <= width]
    assume(len(kept) == len(text.split()))
    assert " ".join(lines).split() == kept


@settings(deadline=None)
@given(NAME, st.integers(1, 60))
def test_a_cut_name_keeps_its_beginning(name: str, width: int) -> None:
    found = cut_middle(name, width)
    assert columns_of(found) <= width
    assert found == name or name.startswith(found.partition(ELLIPSIS)[0])


def test_cells_are_beside_one_another_by_the_width_of_what_they_show() -> None:
    table = Table(columns=("agent", "n"), rows=(("模型", "1"), ("abcd", "22")), right=frozenset({"n"}))
    assert shown(table, 80, full=False) == [f"agent{GAP} n", f"模型 {GAP} 1", f"abcd {GAP}22"]


def test_what_would_command_a_terminal_or_end_a_line_is_shown() -> None:
    table = Table(columns=("agent",), rows=(("a\x1b[2J\nb",),))
    assert shown(table, 80, full=False) == ["agent", "a\\x1b[2J b"]
    assert not re.search("[\x00-\x09\x0b-\x1f]", "".join(shown(table, 80, full=True)))
