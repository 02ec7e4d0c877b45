"""The fields of a payload, as docs/protocol.md specifies them."""


def encode_fields(fields):
    """The payload of a list of (tag, value), a value being an int, a str or bytes."""
    payload = b""
    for tag, value in fields:
        if not 0 <= tag <= 63:
            raise ValueError(f"there is no tag {tag}")
        if type(value) is int:
            payload += bytes([tag * 4]) + _varint(-2 * value - 1 if value < 0 else 2 * value)
        elif isinstance(value, str):
            data = value.encode()
            payload += bytes([tag * 4 + 1]) + _varint(len(data)) + data
        elif isinstance(value, bytes):
            payload += bytes([tag * 4 + 2]) + _varint(len(value)) + value
        else:
            raise TypeError(f"{value!r} is no int, str or bytes")
    return payload


def decode_fields(payload):
    """The list of (tag, value) of a payload."""
    fields, at = [], 0
    while at < len(payload):
        tag, kind = divmod(payload[at], 4)
        if kind == 3:
            raise ValueError("there is no type 3")
        number, at = _read(payload, at + 1)
        if kind == 0:
            fields.append((tag, -(number + 1) // 2 if number % 2 else number // 2))
            continue
        size = number
        value = bytes(payload[at : at + size])
        if len(value) < size:
            raise ValueError("a value ends too early")
        at += size
        fields.append((tag, value.decode() if kind == 1 else value))
    return fields


def _varint(number):
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def _read(payload, at):
    number = shift = 0
    while True:
        if at == len(payload):
            raise ValueError("a varint ends too early")
        byte = payload[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            if shift and not byte:
                raise ValueError("a varint has bytes that it does not need")
            return number, at
        shift += 7
