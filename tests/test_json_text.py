"""JSON that others wrote: depth is counted as a parser would, and cut so that what is left can be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.json_text import DEEPEST, LEFT_OUT, decoded, halves_marked, is_deeper, readable, shallow

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=60,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def cut(value: Any, levels: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return LEFT_OUT
    if isinstance(value, dict):
        return {key: cut(item, levels - 1) for key, item in value.items()}
    return [cut(item, levels - 1) for item in value]


@given(value=JSON, than=st.integers(0, 6), ascii_only=st.booleans())
def test_depth_is_what_a_parser_finds(value: Any, than: int, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert is_deeper(text, than) == is_deeper(text.encode(), than) == (depth(value) > than)
    assert json.loads(shallow(text, than)) == json.loads(shallow(text.encode(), than)) == cut(value, than)


@pytest.mark.parametrize("opening", ['{"a":', "[", '[{"a":'])
def test_what_no_parser_could_read_is_cut_or_refused(opening: str) -> None:
    closing = {"{": "}", "[": "]"}
    text = opening * 10_000 + "1" + "".join(closing[each] for each in reversed(opening) if each in closing) * 10_000
    with pytest.raises(ValueError, match="nested more than 64 levels deep"):
        decoded(text)
    assert depth(json.loads(shallow(text))) == 128
    assert depth(json.loads(shallow(f'{{"before": 1, "deep": {text}, "after": 2}}'))) == 128
    assert json.loads(shallow(f'{{"deep": {text}, "after": 2}}'))["after"] == 2


@pytest.mark.parametrize(
    "text", ["[" * 10_000, '"' + "[" * 10_000, "]" * 10_000, '{"a": 1e400}', '"\\ud800"', "1" * 9000]
)
def test_what_is_no_json_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decoded(text)


def test_as_deep_as_may_be_is_read() -> None:
    assert depth(decoded("[" * DEEPEST + "]" * DEEPEST)) == DEEPEST
    assert not is_deeper('"' + "[" * 10_000 + '\\"' + "[" * 10_000 + '"')


@pytest.mark.parametrize(
    "data",
    [
        b'{"content":"a"}',
        rb'{"content":"\u00e9 \ud83d"}',
        rb'{"content":"\uD83D\uDE00"}',
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 200 + rb'"\ud83d"' + b"}" * 200,
    ],
    ids=["usual", "half a character", "capitals", "too deep", "both"],
)
def test_what_a_parser_takes_is_the_same_however_fast_it_is_told(data: bytes) -> None:
    assert readable(data) == halves_marked(shallow(data))
