from {{package}}.frames import Decoder, Encoder

EXAMPLE = bytes.fromhex("{{example}}")


def test_the_example_of_the_specification():
    assert Encoder().encode({{kind}}, b"abc") == EXAMPLE
    assert Decoder().feed(EXAMPLE) == [({{kind}}, b"abc")]
