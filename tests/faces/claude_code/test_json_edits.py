"""A JSON text is changed where its value is, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import InvalidFiles
from flatfield.faces.claude_code.json_edits import line_of, parsed, rewritten

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
LAYOUTS: Any = st.sampled_from([None, 2, 4, "\t"])


def changed(text: str, value: object) -> str:
    return rewritten(text, parsed(text, "f.json"), value)


@given(JSON, JSON, LAYOUTS, st.sampled_from(["\n", "\r\n"]))
def test_the_text_holds_the_new_value(old: object, new: object, indent: Any, newline: str) -> None:
    text = json.dumps(old, indent=indent).replace("\n", newline)
    assert json.loads(changed(text, new)) == new
    assert "\n" not in changed(text, new).replace("\r\n", "") or "\r\n" not in text


@given(JSON, LAYOUTS)
def test_the_same_value_leaves_every_byte(value: object, indent: Any) -> None:
    text = f" \n{json.dumps(value, indent=indent)}\t\n\n"
    assert changed(text, value) == text


WRITTEN = """\
{
    "model" : "opus",  "numbers":[1.0,1e3 ,  "\\u00e9"],
    "hooks": {
        "Stop": [ {"hooks":[{"type":"command","command":"a"}]},
            {"matcher": "x"}  ]
    },
    "last": {}
}"""


def test_what_is_not_touched_keeps_its_bytes() -> None:
    value = json.loads(WRITTEN)
    value["hooks"]["Stop"][0]["hooks"][0]["command"] = "b"
    value["hooks"]["Stop"].append({"matcher": "y"})
    value["hooks"]["More"] = [1]
    assert (
        changed(WRITTEN, value)
        == """\
{
    "model" : "opus",  "numbers":[1.0,1e3 ,  "\\u00e9"],
    "hooks": {
        "Stop": [ {"hooks":[{"type":"command","command":"b"}]},
            {"matcher": "x"}, {
                "matcher": "y"
            }  ],
        "More": [
            1
        ]
    },
    "last": {}
}"""
    )


def test_what_goes_takes_nothing_else_with_it() -> None:
    value = json.loads(WRITTEN)
    del value["hooks"]["Stop"][0]
    assert '        "Stop": [\n            {"matcher": "x"}\n        ]\n' in changed(WRITTEN, value)


def test_of_a_key_that_is_there_twice_the_last_one_counts() -> None:
    assert changed('{"a": 1, "a": 2}', {"a": 3}) in ('{"a": 1, "a": 3}', '{"a": 3}')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "a": 1,\n}', "f.json:3: this is not JSON"),
        ('{\n  // mine\n  "a": 1\n}', "f.json:2: this is not JSON"),
        ("", "f.json:1: this is not JSON"),
        ("[" * 100, "f.json:1: this is nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidFiles) as raised:
        parsed(text, "f.json")
    assert str(raised.value).startswith(said)


def test_a_parts_line_is_that_of_its_key() -> None:
    root = parsed(WRITTEN, "f.json")
    assert [line_of(WRITTEN, root.part(*path)) for path in ((), ("hooks",), ("hooks", "Stop", 1))] == [1, 3, 5]
