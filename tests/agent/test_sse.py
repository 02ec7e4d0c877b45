"""Events come out whole, wherever the chunks are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from flatfield.agent.sse import EventDecoder

STREAM = (
    'data: {"a": "é🙂"}\n\n: ping\n\nevent: x\ndata: one\ndata: two\n\nid: 3\r\ndata:tight\r\n\r\ndata: [DONE]\n\n'
).encode()
EVENTS = ['{"a": "é🙂"}'.encode(), b"one\ntwo", b"tight", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cut_anywhere_gives_the_same_events(cuts: list[int]) -> None:
    decoder = EventDecoder()
    edges = sorted({0, len(STREAM), *cuts})
    events = [event for start, end in itertools.pairwise(edges) for event in decoder.feed(STREAM[start:end])]
    assert events + decoder.close() == EVENTS


def test_an_event_without_its_blank_line_is_still_read_at_the_end() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: last") == []
    assert decoder.close() == [b"last"]
    assert decoder.close() == []
