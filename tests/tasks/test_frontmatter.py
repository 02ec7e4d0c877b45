"""Where front matter ends, YAML 1.2's scalars, and keys that Claude Code reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.tasks import frontmatter
from flatfield.tasks.source import Findings, plain


def read(matter: str) -> object:
    found = Findings("t.md")
    value = plain(frontmatter.read(f"---\n{matter}\n---\nbody", found))
    assert found.mistakes == []
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("-12", -12),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  a\n  b", "a\nb\n"),
        ("[1, '1', [yes]]", [1, "1", ["yes"]]),
        ("{a: {b: 1.5}}", {"a": {"b": 1.5}}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert read(f"key: {text}") == {"key": value}


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(float(str(frontmatter.scalar(".nan"))))


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans()))
def test_numbers_and_booleans_come_back(value: float) -> None:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("inf", ".inf")
    assert frontmatter.scalar(text) == value
    assert type(frontmatter.scalar(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "matter", "body"),
    [
        ("---\na: 1\n---\nbody", "a: 1\n", "body"),
        ("---\r\na: 1\r\n---\r\nbody", "a: 1\r\n", "body"),
        ("---  \na: 1\n...\nbody\n---\n", "a: 1\n", "body\n---\n"),
        ("---\n---\n", "", ""),
        ("\n---\na: 1\n---\n", None, "\n---\na: 1\n---\n"),
        ("----\n", None, "----\n"),
        ("", None, ""),
    ],
)
def test_where_it_ends(text: str, matter: str | None, body: str) -> None:
    part = frontmatter.split(text)
    assert (part.matter, text[part.body_start :]) == (matter, body)


def test_claude_codes_entries_are_left_out_with_what_hangs_below_them() -> None:
    assert read(
        "id: t\nhooks:\n  Stop:\n    - x: [\n# a comment\nallowed-tools: [\n  Read\n]\nargument-hint: [a] [b]\n"
        "description: one: two\ntags: [a]"
    ) == {"id": "t", "tags": ["a"]}


def test_every_node_knows_its_line() -> None:
    node = frontmatter.read("---\n# one\na:\n  b: 1\n  c:\n    - x\n    - y\n---\n", Findings("t.md"))
    assert node.map is not None
    inner = node.map["a"]
    assert inner.keys == {"b": 4, "c": 5}
    assert inner.map is not None
    assert [item.line for item in inner.map["c"].items or []] == [6, 7]


def test_lines_are_counted_as_editors_count_them() -> None:
    found = Findings("t.md")
    frontmatter.read('---\r\na: "x\u2028y"\r\nb: [\r\n---\r\n', found)
    assert [mistake.line for mistake in found.mistakes] == [3]


@pytest.mark.parametrize(
    ("matter", "value"),
    [
        ("a:\t1", {"a": 1}),
        ("a: \t 1\t", {"a": 1}),
        ("a:\n-\tb", {"a": ["b"]}),
        ('a:\t"x\ty"\t', {"a": "x\ty"}),
        ("a:\t|\n  b:\tc\n", {"a": "b:\tc\n"}),
    ],
)
def test_a_tab_may_stand_between_a_key_and_its_value(matter: str, value: object) -> None:
    assert read(matter) == value


def test_a_tab_that_indents_is_a_mistake() -> None:
    found = Findings("t.md")
    frontmatter.read("---\na:\n\tb: 1\n---\n", found)
    assert [(mistake.line, mistake.fix) for mistake in found.mistakes] == [(3, "indent with spaces, not tabs")]


def test_two_escapes_that_make_one_character_are_this_character() -> None:
    assert read(r'a: "\ud83d\ude00"') == {"a": "\U0001f600"}
    assert read(r'"\ud83d\ude00": ["x\ud83c\udf1ey"]') == {"\U0001f600": ["x\U0001f31ey"]}


@pytest.mark.parametrize("text", [r"\ud83d", r"\ude00\ud83d", r"\ud83d \ude00"])
def test_half_a_character_is_a_mistake(text: str) -> None:
    found = Findings("t.md")
    frontmatter.read(f'---\nb: 1\na: "{text}"\n---\n', found)
    assert [(mistake.line, mistake.problem) for mistake in found.mistakes] == [
        (3, "an escape stands for half a character")
    ]
