"""What went over the wire in one trial, as text: each request and each response, exactly, without keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.errors import NotFound
from flatfield.faces.wording import printable
from flatfield.http.tape import rebuilt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.http.tape import Exchanged
    from flatfield.records import TrialRecord


def rebuilt_of(record: TrialRecord) -> Iterator[Exchanged]:
    """The trial's exchanges, in order, with the attempts that failed and the request that no reply came to.

    Raises:
        NotFound: none is on record.
        StoreError: one is damaged.
    """
    wires = [*(wire for turn in record.turns for wire in turn.reply.wire), *record.unanswered]
    if not wires:
        raise NotFound(
            f"trial {record.id} has no exchanges on record: controls and imported trials have none, nor have trials"
            " stored by an older flatfield, ended before their first request"
        )
    return rebuilt(wires)


def exchanges(record: TrialRecord) -> str:
    """All exchanges, one after the other; see `rebuilt_of`."""
    return printable("\n".join(_lines(record)))


def without_exchanges(record: TrialRecord) -> TrialRecord:
    """The record without them, for those who read it as JSON: packed, they say nothing."""
    bare = tuple(structs.replace(turn, reply=structs.replace(turn.reply, wire=())) for turn in record.turns)
    return structs.replace(record, turns=bare, unanswered=())


def _lines(record: TrialRecord) -> Iterator[str]:
    yield f"trial {record.id}"
    for number, sent in enumerate(rebuilt_of(record), start=1):
        failed = f"  ── failed: {' '.join(sent.failure.split())}" if sent.failure else ""
        yield from ("", f"── request {number}: POST {sent.url}{failed}")
        yield from (f"{name}: {value}" for name, value in sent.headers.items())
        status = f": {sent.status or 'no answer'} (the attempt failed)" if sent.failure else ""
        yield from ("", sent.request, "", f"── response {number}{status}")
        yield from (f"{name}: {value}" for name, value in sent.response_headers.items())
        yield from (("", sent.response) if sent.failure else (sent.response,))
