"""Events come out whole, wherever the chunks are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from flatfield.http.replies import EventDecoder

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


def test_events_without_data_are_none() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data:\n\ndata: \n\nevent: ping\n\n: comment\n\ndata: x\n\n") == [b"x"]


def test_lines_may_end_in_a_return_alone() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\r\rdata: b\r") == [b"a"]
    assert decoder.feed(b"\r\n") + decoder.close() == [b"b"]


def test_a_long_line_in_many_pieces_is_put_together_once() -> None:
    """Were each piece joined to all before it, this would take minutes."""
    decoder = EventDecoder()
    piece = b"x" * 100
    assert not any(decoder.feed(data) for data in (b"data: ", *[piece] * 80_000))
    assert decoder.feed(b"\n\n") == [piece * 80_000]


def test_objects_that_no_blank_line_parts_are_events_of_their_own() -> None:
    stream = b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n\n'
    for cut in range(len(stream)):
        decoder = EventDecoder()
        assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) + decoder.close() == [
            b'{"a": 1}',
            b'{"b": 2}',
            b"[DONE]",
        ]


def test_one_object_over_several_lines_stays_one() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b'data: {\ndata: "a": {"b": 1},\ndata: "c": [\ndata: {}\ndata: ]}\n\n') == [
        b'{\n"a": {"b": 1},\n"c": [\n{}\n]}'
    ]
