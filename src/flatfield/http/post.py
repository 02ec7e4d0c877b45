"""What is sent: one request, with the time and tokens that its reply may take."""

from __future__ import annotations

from msgspec import Struct


class Post(Struct, frozen=True, kw_only=True):
    """One request; `seconds` is the model time it may take, over all of which the reply streams.

    `model` is the one that is asked: refusals are counted for each of a server's models. `output_tokens` is the cap
    that the request states: a server that ignores it is cut off; None: it states none.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    seconds: float
    model: str = ""
    output_tokens: int | None = None
