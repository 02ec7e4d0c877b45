"""Listens to the line."""

from {{package}}.fields import decode_fields
from {{package}}.frames import Decoder


def listen(stream, handle, size=64):
    """Hand the kind and the fields of each frame that comes to `handle`; returns the decoder, which has counted."""
    decoder = Decoder()
    while data := stream.read(size):
        for kind, payload in decoder.feed(data):
            handle(kind, decode_fields(payload))
    for kind, payload in decoder.finish():
        handle(kind, decode_fields(payload))
    return decoder
