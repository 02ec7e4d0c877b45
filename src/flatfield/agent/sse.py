"""Server-sent events, decoded from chunks that may be cut anywhere."""

from __future__ import annotations


class EventDecoder:
    """Turns chunks of bytes into the `data` of each event (WHATWG HTML, section 9.2.6).

    Works on bytes, so a character split over two chunks is whole again when its event is. Comments (keep-alives),
    `event:`, `id:` and `retry:` lines are passed over: the vendors repeat in the data what they say there.
    """

    __slots__ = ("_data", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes."""
        text = self._tail + chunk
        # A final \r may be the first half of \r\n: it waits for the next chunk, with the line that it ends.
        lines = text.splitlines(keepends=True)
        self._tail = b""
        if lines and not lines[-1].endswith(b"\n"):
            self._tail = lines.pop()
        events: list[bytes] = []
        data = self._data
        for line in lines:
            content = line.rstrip(b"\r\n")
            if not content:
                if data:
                    events.append(b"\n".join(data))
                    data.clear()
            elif content.startswith(b"data:"):
                data.append(content[6:] if content.startswith(b"data: ") else content[5:])
        return events

    def close(self) -> list[bytes]:
        """The data of an event whose closing blank line never came; servers that hang up early still mean it."""
        events = self.feed(b"\n\n") if self._tail or self._data else []
        self._data.clear()
        return events
