"""Replays the exchanges of a record, so that a conversation comes to where it ended, in its vendor's own form."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeVar

from flatfield.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.http.replies import Reader
    from flatfield.http.transport import Exchange
    from flatfield.records import Turn, Wire

R = TypeVar("R", bound="Reader")
FAULTS = range(400, 500)


class Recalled:
    """The turns of a conversation that was had before; each request of theirs is answered as it was then."""

    def __init__(self, turns: tuple[Turn, ...]) -> None:
        self._wires = [[wire for wire in turn.reply.wire if _counts(wire)] for turn in turns]

    def has(self, turn: int) -> bool:
        """Whether the turn of that number, from 1 on, was had before."""
        return turn <= len(self._wires)

    def exchange(self, turn: int, new_reader: Callable[[], R]) -> Exchange[R]:
        """What the turn's next request was answered.

        Raises:
            ProviderError: it was refused then; or the record does not hold it whole.
        """
        from flatfield.http.replies import PassingFailure, reread  # aiohttp comes with it
        from flatfield.http.transport import Exchange

        if not self._wires[turn - 1]:
            raise ProviderError(f"the record of turn {turn} holds no more exchanges")
        wire = self._wires[turn - 1].pop(0)
        if wire.failure:
            raise ProviderError(wire.failure, status=wire.status)
        reader = new_reader()
        try:
            reread(zlib.decompress(wire.received), reader)
        except (zlib.error, PassingFailure) as error:
            raise ProviderError(f"the record of turn {turn} does not hold a whole reply: {error}") from None
        return Exchange(
            reader=reader,
            attempts=1,
            retry_seconds=0.0,
            queue_seconds=0.0,
            model_seconds=0.0,
            first_token_seconds=None,
            pieces=0,
            wire=(),
        )


def _counts(wire: Wire) -> bool:
    """Whether an attempt was the last of its request: answered, or refused for good."""
    from flatfield.http.replies import RETRIED

    return not wire.failure or (wire.status in FAULTS and wire.status not in RETRIED)
