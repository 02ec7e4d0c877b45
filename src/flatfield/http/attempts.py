"""What the failed attempts of one request leave behind: how each went over the wire, and what a vendor may bill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.http.tape import Failed
from flatfield.records import CHARACTERS_PER_TOKEN, Abandoned, Usage

if TYPE_CHECKING:
    from flatfield.http.post import Post
    from flatfield.http.replies import Marks, Reader
    from flatfield.http.tape import Tape
    from flatfield.records import Wire


class Attempts:
    """Gathers one request's failed attempts, in their order."""

    def __init__(self, post: Post, tape: Tape) -> None:
        self._post = post
        self._tape = tape
        self._broken: list[Reader] = []
        self.wire: tuple[Wire, ...] = ()

    def failed(self, why: str, reader: Reader, marks: Marks) -> None:
        """Another one failed; `why` is free of keys."""
        failed = Failed(why=why, status=marks.status, headers=marks.headers)
        self._keep(marks, failed)
        if reader.begun:
            self._broken.append(reader)

    def succeeded(self, marks: Marks) -> None:
        """The last one did not fail."""
        self._keep(marks, None)

    def abandoned(self, answer: Reader | None = None, *, kept: bool = False) -> tuple[Abandoned, ...]:
        """What each attempt used that broke off after its first token.

        `answer` is the attempt that succeeded, if one did: what the others read was the same. `kept`: it was cut by a
        limit; where the server had not counted its tokens by then, they are the last item.
        """
        counted = answer.counted[0] if answer else None
        like = structs.replace(counted, output_tokens=0, reasoning_tokens=0) if counted else self._guess()
        found = [used(reader, like) for reader in self._broken]
        if kept and answer is not None and (answer.begun or counted):
            found.append(structs.replace(used(answer, like), kept=True))
        return tuple(found)

    def _guess(self) -> Usage:
        return Usage(input_tokens=len(self._post.body) // CHARACTERS_PER_TOKEN)

    def _keep(self, marks: Marks, failed: Failed | None) -> None:
        post = self._post
        self.wire += (self._tape.keep(post.url, post.headers, post.body, bytes(marks.received), failed),)


def used(reader: Reader, like: Usage) -> Abandoned:
    """What a reply that broke off had used: as the server had counted, else the input `like` and the text that came."""
    usage, covered = reader.counted
    uncounted = -(-(reader.letters - covered) // CHARACTERS_PER_TOKEN)
    counted = like if usage is None else usage
    total = structs.replace(counted, output_tokens=counted.output_tokens + uncounted)
    return Abandoned(usage=total, estimated=usage is None or uncounted > 0)
