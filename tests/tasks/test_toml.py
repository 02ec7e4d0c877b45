"""TOML with lines."""

from __future__ import annotations

import tomllib

import pytest

from flatfield.tasks import toml
from flatfield.tasks.source import Findings, plain

DOCUMENT = '''# a comment
top = 1
dotted.key = "d"

[agents.one]  # [not.this]
model = """
[agents.fake]
x = 1
"""
tools = [
  "a", # ]
  "b",
]
headers.X-A = "1"
headers.X-B = '2'

[agents."two words"]
inline = {a = 1, b = {c = [true]}}

[[many]]
n = 1
[many.sub]
x = 1.5
[[many]]
n = 2
'''


def test_values_are_tomllibs_own() -> None:
    found = Findings("f.toml")
    assert plain(toml.read(DOCUMENT, found)) == tomllib.loads(DOCUMENT)
    assert found.mistakes == []


def test_every_key_knows_its_line() -> None:
    root = toml.read(DOCUMENT, Findings("f.toml"))
    assert root.keys == {"top": 2, "dotted": 3, "agents": 5, "many": 20}
    agents = (root.map or {})["agents"]
    assert agents.keys == {"one": 5, "two words": 17}
    one = (agents.map or {})["one"]
    assert (one.line, one.keys) == (5, {"model": 6, "tools": 10, "headers": 14})
    assert (one.map or {})["headers"].keys == {"X-A": 14, "X-B": 15}


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("[a]\nx = 1\nx = 2\n", 3), ("a = 1\n[b\n", 2), ('a = "', 1), ("a = 1\n\nb = [1,\n", 3)],
)
def test_what_is_not_toml_is_one_mistake_with_its_line(text: str, line: int) -> None:
    found = Findings("f.toml")
    assert toml.read(text, found).map == {}
    assert [(m.line, "not TOML" in m.problem) for m in found.mistakes] == [(line, True)]


def test_windows_line_endings() -> None:
    assert toml.read("[a]\r\nx = 1\r\n", Findings("f.toml")).keys == {"a": 1}
