"""What went over the wire is kept small and without keys, and comes out again byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.agent.http.wire import Tape, rebuilt
from flatfield.errors import StoreError
from flatfield.records import Reply
from flatfield.runs.store.codec import decode, encode

if TYPE_CHECKING:
    from flatfield.records import Wire

URL = "https://user:pw@api.example.org/v1/chat?key=abcdefgh"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer planted-key-0123", "X-Own": "another-secret"}


def taped(*exchanges: tuple[bytes, bytes]) -> list[Wire]:
    tape = Tape()
    return [tape.keep(URL, HEADERS, sent, received) for sent, received in exchanges]


@given(st.lists(st.tuples(st.text(alphabet='ab{},"é🙂'), st.text())))
def test_whatever_was_sent_and_received_comes_out_again(texts: list[tuple[str, str]]) -> None:
    wires = taped(*((sent.encode(), received.encode("utf-8", "replace")) for sent, received in texts))
    found = [(sent.request, sent.response) for sent in rebuilt(wires)]
    assert found == [(sent, received.encode("utf-8", "replace").decode()) for sent, received in texts]


def test_only_what_is_new_in_a_request_is_kept() -> None:
    history = b'{"messages":[' + bytes(range(32, 127)) * 300
    first, second = taped((history + b"]}", b"x"), (history + b',"new"],"max_tokens":7}', b"y"))
    assert (first.kept_bytes, second.kept_bytes) == (0, len(history))
    assert len(second.sent) < 60
    assert [sent.request for sent in rebuilt([first, second])][1].endswith(',"new"],"max_tokens":7}')


def test_no_key_is_kept_wherever_it_stood() -> None:
    echo = b'{"error": "planted-key-0123 and another-secret"}'
    (wire,) = taped((echo, echo))
    (sent,) = rebuilt([wire])
    shown = repr(sent) + repr(wire.headers) + wire.url
    for secret in ("planted-key", "another-secret", "pw@", "abcdefgh"):
        assert secret not in shown
    assert sent.headers == {"Content-Type": "application/json", "Authorization": "[key]", "X-Own": "[key]"}
    assert sent.url == "https://api.example.org/v1/chat"


def test_a_record_keeps_it_through_the_store() -> None:
    reply = Reply(text="", wire=tuple(taped((b"\xff\x00 no text", b"\x1b[31m"))))
    assert decode(encode(reply), Reply) == reply
    assert next(rebuilt(reply.wire)).request == "\\xff\x00 no text"


def test_a_damaged_or_missing_exchange_is_said() -> None:
    first, second = taped((b"abc", b""), (b"abcd", b""))
    with pytest.raises(StoreError, match="exchange 1 is not as it was sent"):
        list(rebuilt([second]))
    with pytest.raises(StoreError, match="exchange 1 cannot be unpacked"):
        list(rebuilt([structs.replace(first, sent=b"?")]))
