"""Lengths of yarn, as docs/lengths.md specifies them."""

import re

SIZES = {"{{unit_a}}": {{size_a}}, "{{unit_b}}": {{size_b}}, "{{unit_c}}": {{size_c}}, "{{unit_d}}": 1}
LARGER = {"{{unit_b}}": {{size_a}}, "{{unit_c}}": {{size_b}}, "{{unit_d}}": {{size_c}}}


def parse_length(text):
    """The length in {{name_d}}s that a text stands for."""
    if not isinstance(text, str):
        raise TypeError("a length is a str")
    rest = text.strip(" ")
    negative = rest.startswith("-")
    rest = rest[1:] if negative else rest
    if rest.startswith(" "):
        raise ValueError(f"{text!r} has a space after its sign")
    total, last, found = 0, None, False
    while rest:
        match = re.match(r"([0-9]+)([{{unit_a}}{{unit_b}}{{unit_c}}{{unit_d}}]) *", rest)
        if not match:
            raise ValueError(f"{text!r} is not a length")
        number, unit = int(match[1]), match[2]
        size, bound = SIZES[unit], last or float("inf")
        if size >= bound:
            raise ValueError(f"{text!r} has its units in the wrong order")
        bound = LARGER.get(unit, bound)
        if found and number * size >= bound:
            raise ValueError(f"{text!r} has too many {unit}")
        total, last, found = total + number * size, size, True
        rest = rest[match.end() :]
    if not found:
        raise ValueError(f"{text!r} is not a length")
    return -total if negative else total


def format_length(length):
    """The text of a length in {{name_d}}s."""
    rest, parts = abs(length), []
    for unit, size in SIZES.items():
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number}{unit}")
    return ("-" if length < 0 else "") + " ".join(parts) or "0{{unit_d}}"
