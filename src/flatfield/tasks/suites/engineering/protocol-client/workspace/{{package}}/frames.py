"""Frames, as docs/protocol.md specifies them."""


class Encoder:
    """Numbers and frames what is sent."""

    def encode(self, kind, payload):
        """The bytes of the next frame."""
        raise NotImplementedError


class Decoder:
    """Finds the frames in what arrives; `dropped` bytes and `lost` frames are counted."""

    def __init__(self):
        self.dropped = 0
        self.lost = 0

    def feed(self, data):
        """Take some bytes; returns a list of the frames that are now complete, as (kind, payload)."""
        raise NotImplementedError

    def finish(self):
        """No more bytes will come; returns a list of the frames that are found in the rest."""
        raise NotImplementedError
