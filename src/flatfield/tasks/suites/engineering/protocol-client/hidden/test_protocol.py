import random

import pytest
from {{package}}.fields import decode_fields, encode_fields
from {{package}}.frames import Decoder, Encoder

MAGIC = {{magic_bytes}}
MOST = {{most}}
ORDER = "{{order}}"


def crc(data):
    value = {{start}}
    for byte in data:
        for bit in range(7, -1, -1):
            top = value >> 15 ^ byte >> bit & 1
            value = value << 1 & 0xFFFF
            if top:
                value ^= {{polynomial}}
    return value


def frame(kind, number, payload=b"", spoil=0):
    head = bytes([kind, number]) + len(payload).to_bytes(2, ORDER)
    return MAGIC + head + payload + (crc(head + payload) ^ spoil).to_bytes(2, ORDER)


def heard(*pieces):
    decoder = Decoder()
    found = [each for piece in pieces for each in decoder.feed(piece)]
    return [(kind, bytes(payload)) for kind, payload in found], decoder


def rest(decoder):
    return [(kind, bytes(payload)) for kind, payload in decoder.finish()]


def payloads(numbers, count):
    return [bytes(numbers.randrange(256) for _ in range(numbers.choice([0, 1, 9, 80]))) for _ in range(count)]


def test_what_is_sent():
    encoder = Encoder()
    sent = [(255, b""), (1, b"\0" * 5), ({{kind}}, bytes(range(256))), (7, b"x" * MOST), (9, MAGIC)]
    for number, (kind, payload) in enumerate(sent):
        assert bytes(encoder.encode(kind, payload)) == frame(kind, number, payload)


def test_what_cannot_be_sent():
    encoder = Encoder()
    for kind, payload in [(1, b"x" * (MOST + 1)), (0, b""), (256, b""), (-1, b"")]:
        with pytest.raises(ValueError):
            encoder.encode(kind, payload)
    assert bytes(encoder.encode(1, b"a")) == frame(1, 0, b"a")


def test_numbers():
    encoder = Encoder()
    assert [bytes(encoder.encode(3, b"")) for _ in range(520)] == [frame(3, n % 256) for n in range(520)]
    assert heard(*(frame(3, n % 256) for n in range(250, 520)))[1].lost == 0
    assert heard(frame(3, 7), frame(3, 8), frame(3, 12))[1].lost == 3
    assert heard(frame(3, 250), frame(3, 3))[1].lost == 8
    assert heard(frame(3, 9), frame(3, 9))[1].lost == 255
    assert heard(frame(3, 9), frame(3, 10, spoil=1), b"x" * 9, frame(3, 11))[1].lost == 1


def test_pieces_of_any_size():
    numbers = random.Random(5)
    sent = payloads(numbers, 60)
    stream = b"".join(frame(1 + n, n, payload) for n, payload in enumerate(sent))
    right = [(1 + n, payload) for n, payload in enumerate(sent)]
    assert heard(stream)[0] == right
    assert heard(*(stream[at : at + 1] for at in range(len(stream))))[0] == right
    for size in (2, 3, 7, 64):
        found, decoder = heard(*(stream[at : at + size] for at in range(0, len(stream), size)))
        assert (found, decoder.dropped) == (right, 0)
    decoder = Decoder()
    last = frame(2, 0, b"late")
    assert list(decoder.feed(last[:-1])) == []
    assert list(decoder.feed(b"")) == []
    assert [bytes(payload) for _, payload in decoder.feed(last[-1:] + last[:4])] == [b"late"]


def test_noise():
    one, two = frame(1, 0, b"one"), frame(2, 1, b"two")
    found, decoder = heard(b"abc", one, MAGIC[1:] + b"??", two, b"!")
    assert (found, decoder.dropped) == ([(1, b"one"), (2, b"two")], 7)
    found, decoder = heard(MAGIC[:1] + one)
    assert (found, decoder.dropped) == ([(1, b"one")], 1)
    found, decoder = heard(b"x" + MAGIC[:1], b"")
    assert decoder.dropped == 1
    assert heard(b"xy" + one[:1], one[1:])[0] == [(1, b"one")]


def test_damaged_frames():
    inner = frame(2, 1, b"inner")
    stream = frame(1, 0, b"<" + inner + b">", spoil=0x101)
    found, decoder = heard(stream, frame(3, 2, b"next"))
    assert (found, decoder.dropped, decoder.lost) == ([(2, b"inner"), (3, b"next")], len(stream) - len(inner), 0)
    cut = frame(1, 0, b"a" * 40)[:25]
    found, decoder = heard(cut + inner + frame(3, 2, b"b" * 20))
    assert found == [(2, b"inner"), (3, b"b" * 20)]
    assert decoder.dropped == 25
    wrong = frame(4, 3, b"q")
    assert heard(wrong[:-1] + bytes([wrong[-1] ^ 1]))[1].dropped == len(wrong)


def test_lengths_and_kinds_that_cannot_be():
    inner = frame(2, 1, b"in")
    for head in (b"\x05\x00" + (MOST + 1).to_bytes(2, ORDER), b"\x05\x00\xff\xff", b"\x00"):
        found, decoder = heard(MAGIC + head, inner)
        assert (found, decoder.dropped) == ([(2, b"in")], 2 + len(head))
    assert heard(MAGIC + b"\0")[1].dropped == 3
    assert heard(frame(2, 1, b"x" * MOST))[0] == [(2, b"x" * MOST)]


def test_the_end():
    inner, other = frame(2, 1, b"in"), frame(3, 2)
    rests = [(b"", []), (MAGIC[:1], []), (MAGIC + b"\x01", []), (frame(1, 0, b"z" * 90)[:20] + inner + b"??" + other, [inner, other])]
    for text, inside in rests:
        found, decoder = heard(frame(9, 0, b"first") + text)
        assert found == [(9, b"first")]
        assert rest(decoder) == [(piece[2], piece[6:-2]) for piece in inside]
        assert decoder.dropped == len(text) - sum(map(len, inside))
    assert decoder.lost == 0


def test_fields():
    fields = [(0, 0), (63, -1), (1, 63), (2, 64), (3, -64), (4, -65), (5, 2**80), (6, -(2**63)), (7, ""), (7, "\u017e\u20ac\0"), (8, b""), (9, b"\xff" * 300)]
    assert decode_fields(encode_fields(fields)) == fields
    assert bytes(encode_fields([(2, 150), (3, -2), (4, "hi"), (5, b"\x80")])) == b"\x08\xac\x02\x0c\x03\x11\x02hi\x16\x01\x80"
    assert bytes(encode_fields([])) == b""
    assert decode_fields(b"") == []


def test_fields_that_cannot_be():
    for fields, error in [([(64, 1)], ValueError), ([(-1, 1)], ValueError), ([(1, 1.5)], TypeError), ([(1, None)], TypeError), ([(1, True)], TypeError)]:
        with pytest.raises(error):
            encode_fields(fields)
    for payload in (b"\x03\x00", b"\x00", b"\x00\x80", b"\x00\x80\x00", b"\x05\x81\x00a", b"\x05", b"\x05\x02a", b"\x06\x05abcd", b"\x05\x01\xff", b"\x04\x02\x07"):
        with pytest.raises(ValueError):
            decode_fields(payload)
