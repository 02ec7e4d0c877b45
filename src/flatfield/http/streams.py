"""Streams of events, decoded from chunks that may be cut anywhere: newline-delimited JSON and server-sent events."""

from __future__ import annotations

# Newline-delimited JSON, decoded from chunks that may be cut anywhere.


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


# Server-sent events, decoded from chunks that may be cut anywhere.


_FIELDS = (b":", b"event", b"id", b"retry", b"data")


def _is_whole(payload: bytes) -> bool:
    """Whether a line of data looks like a whole JSON object, as no line in the middle of one does."""
    return payload.startswith(b'{"') and payload.rstrip().endswith(b"}")


def _begins_anew(payload: bytes) -> bool:
    return payload.startswith((b'{"', b"[DONE]"))


class EventDecoder:
    """Turns chunks of bytes into the `data` of each event (WHATWG HTML, section 9.2.6).

    Works on bytes, so a character split over two chunks is whole again when its event is. Comments (keep-alives),
    `event:`, `id:` and `retry:` lines are passed over: the vendors repeat in the data what they say there. Events
    without data are none. `stray` gathers lines that belong to no event: Google's servers break off with a plain JSON
    error.
    """

    __slots__ = ("_begun", "_data", "stray")

    def __init__(self) -> None:
        self._begun: list[bytes] = []  # the pieces of a line that has not ended yet
        self._data: list[bytes] = []
        self.stray = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes."""
        if b"\n" not in chunk and b"\r" not in chunk and not self._ends_with_return():
            self._begun.append(chunk)
            return []
        self._begun.append(chunk)
        lines = b"".join(self._begun).splitlines(keepends=True)
        # A final \r may be the first half of \r\n: it waits for the next chunk, with the line that it ends.
        self._begun = [lines.pop()] if lines and not lines[-1].endswith(b"\n") else []
        events: list[bytes] = []
        data = self._data
        for line in lines:
            content = line.rstrip(b"\r\n")
            if not content:
                if any(data):
                    events.append(b"\n".join(data))
                data.clear()
            elif content.startswith(b"data:"):
                payload = content[6:] if content.startswith(b"data: ") else content[5:]
                if data and _is_whole(data[-1]) and _begins_anew(payload):  # a server that leaves out the blank line
                    events.append(b"\n".join(data))
                    data.clear()
                data.append(payload)
            elif not content.startswith(_FIELDS):
                self.stray += line
        return events

    def close(self) -> list[bytes]:
        """The data of an event whose closing blank line never came; servers that hang up early still mean it."""
        events = self.feed(b"\n\n") if self._begun or self._data else []
        self._data.clear()
        return events

    def _ends_with_return(self) -> bool:
        return bool(self._begun) and self._begun[-1].endswith(b"\r")
