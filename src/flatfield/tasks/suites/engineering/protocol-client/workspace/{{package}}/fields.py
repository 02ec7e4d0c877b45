"""The fields of a payload, as docs/protocol.md specifies them."""


def encode_fields(fields):
    """The payload of a list of (tag, value), a value being an int, a str or bytes."""
    raise NotImplementedError


def decode_fields(payload):
    """The list of (tag, value) of a payload."""
    raise NotImplementedError
