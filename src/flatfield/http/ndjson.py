"""Newline-delimited JSON, decoded from chunks that may be cut anywhere."""

from __future__ import annotations


class LineDecoder:
    r"""Turns chunks of bytes into whole lines; works on bytes, so a character split over two chunks is whole again.

    Only \n ends a line: JSON text may hold the other characters that count as line ends elsewhere. Empty lines, which
    servers send to keep a connection alive, are passed over.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Every line that `chunk` completes."""
        lines = (self._tail + chunk).split(b"\n")
        self._tail = lines.pop()
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """The last line, where the newline that ends it never came."""
        return self.feed(b"\n")
