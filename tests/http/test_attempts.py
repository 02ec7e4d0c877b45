"""What failed attempts leave behind: what a vendor may bill, and how they went over the wire."""

from __future__ import annotations

import pytest
from msgspec import Struct

from flatfield.http.replies import Marks
from flatfield.http.retrying import Attempts, Post, used
from flatfield.http.tape import FAILED_BYTES, Tape, rebuilt
from flatfield.records import Abandoned, Usage

KEY = "planted-key-0123456789"
POST = Post(url="http://h/v1", headers={"Authorization": f"Bearer {KEY}"}, body=b"x" * 400, seconds=1.0)
COUNTED = Usage(input_tokens=90, cache_read_tokens=40, output_tokens=30, reasoning_tokens=5)


class Read(Struct, frozen=True, kw_only=True):
    """A reader that has read so much."""

    letters: int = 0
    counted: tuple[Usage | None, int] = (None, 0)
    begun: bool = True
    complete: bool = False
    over: bool = False

    def event(self, data: bytes) -> None:
        """Nothing more comes."""

    def whole(self, body: bytes) -> None:
        """Nothing more comes."""


def marks(received: bytes = b"", status: int | None = None, headers: dict[str, str] | None = None) -> Marks:
    made = Marks(0.0, 1.0)
    made.received += received
    made.status, made.headers = status, headers or {}
    return made


@pytest.mark.parametrize(
    ("reader", "output_tokens", "estimated"),
    [
        (Read(letters=8, counted=(COUNTED, 8)), 30, False),
        (Read(letters=9, counted=(COUNTED, 8)), 31, True),
        (Read(letters=9), 3, True),
    ],
)
def test_what_the_server_counted_stands_and_what_came_after_is_estimated(
    reader: Read, output_tokens: int, estimated: bool
) -> None:
    found = used(reader, Usage(input_tokens=7))
    assert (found.usage.output_tokens, found.estimated) == (output_tokens, estimated)
    assert found.usage.input_tokens == (7 if reader.counted[0] is None else 90)


def test_only_what_had_begun_is_billed_and_it_read_what_the_answer_read() -> None:
    attempts = Attempts(POST, Tape())
    attempts.failed("refused", Read(begun=False), marks(status=429))
    attempts.failed("cut", Read(letters=40), marks())
    (found,) = attempts.abandoned(Read(letters=200, counted=(COUNTED, 200)))
    assert found == Abandoned(usage=Usage(input_tokens=90, cache_read_tokens=40, output_tokens=10), estimated=True)
    (found,) = attempts.abandoned()
    assert found.usage == Usage(input_tokens=100, output_tokens=10)


def test_a_reply_that_a_limit_cut_stands_for_itself() -> None:
    *_, last = Attempts(POST, Tape()).abandoned(Read(letters=40), kept=True)
    assert last == Abandoned(usage=Usage(input_tokens=100, output_tokens=10), estimated=True, kept=True)
    assert Attempts(POST, Tape()).abandoned(Read(begun=False), kept=True) == ()


def test_a_failed_attempt_is_kept_with_status_and_headers_and_without_keys() -> None:
    attempts = Attempts(POST, Tape())
    headers = {"Retry-After": "3", "Set-Cookie": "session=1", "X-Echo": KEY, "Location": f"http://u:{KEY}@h/a?k={KEY}"}
    attempts.failed("it said no", Read(), marks(f"no, {KEY}".encode(), 429, headers))
    attempts.succeeded(marks(b"yes"))
    failed, good = rebuilt(attempts.wire)
    assert (failed.failure, failed.status, failed.response) == ("it said no", 429, "no, [key]")
    hidden = {"Retry-After": "3", "Set-Cookie": "[key]", "X-Echo": "[key]", "Location": "http://h/a"}
    assert failed.response_headers == hidden
    assert (good.failure, good.status, good.response, good.request) == ("", None, "yes", "x" * 400)


def test_the_cut_of_a_long_answer_is_said_and_halves_no_key() -> None:
    attempts = Attempts(POST, Tape())
    for shift in range(len(KEY)):
        attempts.failed("long", Read(), marks(b"." * (FAILED_BYTES - shift) + KEY.encode() + b"." * FAILED_BYTES))
    for sent in rebuilt(attempts.wire):
        assert KEY[:4] not in sent.response
        assert sent.response.endswith(f"\n[cut here: {FAILED_BYTES} bytes are kept of a failed attempt]")
        assert len(sent.response) < FAILED_BYTES + 100
