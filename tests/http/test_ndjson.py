"""Lines come out whole, wherever the chunks are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from flatfield.http.replies import LineDecoder

STREAM = '{"a": "é🙂\u2028\x85"}\n\n{"b": "x\\ny"}\r\n \n[1]\n{"last": true}'.encode()
LINES = ['{"a": "é🙂\u2028\x85"}'.encode(), b'{"b": "x\\ny"}\r', b"[1]", b'{"last": true}']


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cut_anywhere_gives_the_same_lines(cuts: list[int]) -> None:
    decoder = LineDecoder()
    edges = sorted({0, len(STREAM), *cuts})
    lines = [line for start, end in itertools.pairwise(edges) for line in decoder.feed(STREAM[start:end])]
    assert lines + decoder.close() == LINES


def test_a_line_without_its_end_is_still_read_at_the_end() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b'{"last": 1}') == []
    assert decoder.close() == [b'{"last": 1}']
    assert decoder.close() == []
