"""What went over the wire is kept small and without keys, and comes out again byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.errors import StoreError
from flatfield.http.secrecy import Needles, Scrubber, Secrets
from flatfield.http.tape import LOOSE_BYTES, Tape, packed, rebuilt
from flatfield.records import Reply
from flatfield.runs.store.codec import decode, encode

if TYPE_CHECKING:
    from flatfield.records import Wire

URL = "https://user:pw@api.example.org/v1/chat?key=abcdefgh"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer planted-key-0123", "X-Own": "another-secret-45"}

KEY = "sk-proj-Ab12Cd34Ef56Gh78Ij90"


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
    echo = b'{"error": "planted-key-0123 and another-secret-45"}'
    (wire,) = taped((echo, echo))
    (sent,) = rebuilt([wire])
    shown = repr(sent) + repr(wire.headers) + wire.url
    for secret in ("planted-key", "another-secret", "pw@", "abcdefgh"):
        assert secret not in shown
    assert sent.headers == {"Content-Type": "application/json", "Authorization": "[key]", "X-Own": "[key]"}
    assert sent.url == "https://api.example.org/v1/chat"


def test_a_word_in_the_place_of_a_key_is_hidden_in_its_header_alone() -> None:
    tape = Tape()
    wire = tape.keep(
        URL, {"Authorization": "Bearer sk-no-key-required"}, b"the field is required", b"sk-no-key-required"
    )
    (sent,) = rebuilt([wire])
    assert (sent.request, sent.response) == ("the field is required", "sk-no-key-required")
    assert sent.headers == {"Authorization": "[key]"}


SAID = st.sampled_from([KEY, KEY[:20], KEY[-12:], KEY[:18] + KEY[-20:], "a", '{"b": ', "[key]"])


@given(st.lists(st.tuples(st.integers(0, 60), st.lists(SAID, max_size=6)), max_size=8))
def test_what_is_new_alone_is_looked_through_and_no_key_is_missed(changes: list[tuple[int, list[str]]]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    tape, whole, body = Tape(), Scrubber(headers), b""
    wires, bodies = [], []
    for kept, said in changes:
        body = body[: len(body) - kept if kept < len(body) else 0] + "".join(said).encode()
        bodies.append(body)
        wires.append(tape.keep(URL, headers, body, b""))
    assert [sent.request for sent in rebuilt(wires)] == [whole.data(each).decode() for each in bodies]


def test_a_key_that_comes_into_force_meanwhile_is_looked_for_in_all_of_the_next_request() -> None:
    secrets = Secrets()
    tape = Tape(secrets)
    wires = [tape.keep(URL, {}, f"it is {KEY}".encode(), b"")]
    secrets.add([KEY])
    wires.append(tape.keep(URL, {}, f"it is {KEY} and more".encode(), b""))
    assert [sent.request for sent in rebuilt(wires)] == [f"it is {KEY}", "it is [key] and more"]


def test_of_a_request_that_grows_only_what_is_new_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    spans = Needles.spans

    def counted(needles: Needles, data: bytes, start: int = 0) -> list[tuple[int, int]]:
        seen.append(len(data) - start)
        return spans(needles, data, start)

    monkeypatch.setattr(Needles, "spans", counted)
    headers, tape, body = {"Authorization": f"Bearer {KEY}"}, Tape(), b"x" * 100_000
    for _ in range(3):
        tape.keep(URL, headers, body, b"")
        body += b"y" * 1000
    assert seen[0::2] == [100_000, 1000 + Scrubber(headers).needles.longest, 1000 + Scrubber(headers).needles.longest]


def test_what_is_compressed_later_is_the_same_and_smaller() -> None:
    reply = b'data: {"choices": [{"delta": {"content": "word"}}]}\n\n' * 100
    wires = taped((b'{"messages":[' + b"x" * 4000, reply), (b'{"messages":[' + b"x" * 5000, reply))
    later = packed(wires)
    assert list(rebuilt(later)) == list(rebuilt(wires))
    assert all(len(small.received) < len(wire.received) / 20 for small, wire in zip(later, wires, strict=True))
    assert packed(later) == later


def test_of_a_long_conversation_no_more_waits_for_that_than_fits_into_memory() -> None:
    long = b"word " * (LOOSE_BYTES // 4)
    wires = taped((b"{}", b"short"), (b"{}", long), (b"{}", b"short"))
    assert sum(len(wire.sent) + len(wire.received) for wire in wires) < LOOSE_BYTES / 10
    assert [sent.response for sent in rebuilt(packed(wires))] == ["short", long.decode(), "short"]


def test_an_exchange_that_somebody_else_kept_in_another_way_stays_as_it_is() -> None:
    (wire,) = taped((b"abc", b"abc"))
    odd = structs.replace(wire, sent=b"\x78\x01\x01 no stream", received=b"?")
    assert packed([odd]) == (odd,)


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
