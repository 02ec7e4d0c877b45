"""Makes one reply of those of a turn that the API paused, and keeps what they used when the turn comes to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import Abandoned, Leftover, Reply, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence


def joined(replies: Sequence[Reply]) -> Reply:
    """The replies of one turn that was paused, as one."""
    last = replies[-1]
    if len(replies) == 1:
        return last
    usage = _sum([reply.usage for reply in replies])
    abandoned = tuple(item for reply in replies for item in reply.abandoned_usage)
    if usage is None:  # one was cut before it was counted: it stands beside the others, which were
        abandoned = _used(replies, kept=True)
    return structs.replace(
        last,
        text="".join(reply.text for reply in replies),
        reasoning="".join(reply.reasoning for reply in replies),
        usage=usage,
        first_token_seconds=replies[0].first_token_seconds,
        pieces=sum(reply.pieces or 0 for reply in replies),
        model_seconds=sum(reply.model_seconds for reply in replies),
        retry_seconds=sum(reply.retry_seconds for reply in replies),
        queue_seconds=sum(reply.queue_seconds for reply in replies),
        attempts=sum(reply.attempts for reply in replies),
        wire=tuple(wire for reply in replies for wire in reply.wire),
        abandoned=sum(reply.abandoned for reply in replies),
        abandoned_usage=abandoned,
    )


def left_with(replies: Sequence[Reply], left: Leftover) -> Leftover:
    """What a request took, and what the replies took that came before it in the same turn and come to nothing with it.

    Its `queue_seconds` are its own: the replies' were waited for requests that were answered.
    """
    return structs.replace(
        left,
        wire=tuple(wire for reply in replies for wire in reply.wire) + left.wire,
        abandoned=(*_used(replies, kept=False), *left.abandoned),
        retry_seconds=left.retry_seconds + sum(reply.retry_seconds for reply in replies),
    )


def _used(replies: Sequence[Reply], *, kept: bool) -> tuple[Abandoned, ...]:
    """All that replies used, one item each and those of their own abandoned attempts."""
    whole = [Abandoned(usage=reply.usage, estimated=False, kept=kept) for reply in replies if reply.usage is not None]
    return (*(item for reply in replies for item in reply.abandoned_usage), *whole)


def _sum(usages: Sequence[Usage | None]) -> Usage | None:
    """What all of them used; not known when one is not."""
    known = [structs.asdict(usage) for usage in usages if usage is not None]
    if len(known) < len(usages):
        return None
    return Usage(**{name: sum(usage[name] for usage in known) for name in Usage.__struct_fields__})
