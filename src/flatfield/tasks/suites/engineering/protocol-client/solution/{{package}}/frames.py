"""Frames, as docs/protocol.md specifies them."""

MAGIC = {{magic_bytes}}
MOST = {{most}}
POLYNOMIAL = {{polynomial}}
START = {{start}}
ORDER = "{{order}}"


def checksum(data):
    value = START
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ POLYNOMIAL if value & 0x8000 else value << 1) & 0xFFFF
    return value


class Encoder:
    """Numbers and frames what is sent."""

    def __init__(self):
        self._number = 0

    def encode(self, kind, payload):
        """The bytes of the next frame."""
        if len(payload) > MOST or not 1 <= kind <= 255:
            raise ValueError("the payload is too long, or there is no such kind")
        head = bytes([kind, self._number]) + len(payload).to_bytes(2, ORDER)
        self._number = (self._number + 1) % 256
        return MAGIC + head + payload + checksum(head + payload).to_bytes(2, ORDER)


class Decoder:
    """Finds the frames in what arrives; `dropped` bytes and `lost` frames are counted."""

    def __init__(self):
        self.dropped = 0
        self.lost = 0
        self._buffer = b""
        self._expected = None

    def feed(self, data):
        """Take some bytes; returns a list of the frames that are now complete, as (kind, payload)."""
        self._buffer += data
        return self._take()

    def finish(self):
        """No more bytes will come; returns a list of the frames that are found in the rest."""
        found = []
        while self._buffer:
            self._drop(1)
            found += self._take()
        return found

    def _take(self):
        found = []
        while True:
            at = self._buffer.find(MAGIC)
            if at < 0:
                self._drop(len(self._buffer) - (1 if self._buffer.endswith(MAGIC[:1]) else 0))
                break
            self._drop(at)
            if self._buffer[2:3] == b"\0":
                self._drop(1)
                continue
            if len(self._buffer) < 6:
                break
            length = int.from_bytes(self._buffer[4:6], ORDER)
            if length > MOST:
                self._drop(1)
                continue
            whole = length + 8
            if len(self._buffer) < whole:
                break  # the rest is still to come
            head, payload = self._buffer[2:6], self._buffer[6 : whole - 2]
            if checksum(head + payload) != int.from_bytes(self._buffer[whole - 2 : whole], ORDER):
                self._drop(1)  # what follows the damage may be a frame
                continue
            found.append((head[0], payload))
            self._count(head[1])
            self._buffer = self._buffer[whole:]
        return found

    def _count(self, number):
        if self._expected is not None:
            self.lost += (number - self._expected) % 256
        self._expected = (number + 1) % 256

    def _drop(self, count):
        self.dropped += count
        self._buffer = self._buffer[count:]
