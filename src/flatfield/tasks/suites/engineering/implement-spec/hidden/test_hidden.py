import random

import pytest
from {{package}}.lengths import format_length, parse_length

A, B, C = {{size_a}}, {{size_b}}, {{size_c}}


RIGHT = [
    ("2{{unit_a}} 3{{unit_d}}", {{example}}),
    ("0{{unit_d}}", 0),
    ("-0{{unit_a}}", 0),
    ("007{{unit_c}}", 7 * C),
    ("1{{unit_a}}1{{unit_b}}1{{unit_c}}1{{unit_d}}", A + B + C + 1),
    ("   4{{unit_b}}     2{{unit_d}}  ", 4 * B + 2),
    ("  -1{{unit_a}} 1{{unit_d}}", -A - 1),
    ("99999{{unit_d}}", 99999),
    ("123456789012345678901234567890{{unit_b}}", 123456789012345678901234567890 * B),
    ("1{{unit_a}} {{full_a}}{{unit_b}}", A + {{full_a}} * B),
    ("1{{unit_a}} {{full_b}}{{unit_c}}", A + {{full_b}} * C),
    ("1{{unit_a}} {{full_c}}{{unit_d}}", A + {{full_c}}),
    ("0{{unit_a}} 0{{unit_b}}", 0),
]


def test_plain_texts():
    for text, length in RIGHT[:6]:
        assert parse_length(text) == length


def test_large_numbers_and_full_units():
    for text, length in RIGHT[6:]:
        assert parse_length(text) == length


WRONG = {
    "nothing": ["", " ", "-"],
    "parts": ["5", "{{unit_a}}", "1z", "1{{unit_a}} 1{{unit_b}} 1", "1" + "{{unit_a}}".upper()],
    "signs": ["+1{{unit_a}}", "- 1{{unit_a}}", "--1{{unit_a}}", "1{{unit_a}} -1{{unit_b}}"],
    "spaces": ["1 {{unit_a}}", "1{{unit_a}}\t1{{unit_b}}", "1{{unit_a}}\n", "\u00a01{{unit_a}}", "1{{unit_a}},1{{unit_b}}"],
    "digits": ["\u0663{{unit_a}}", "1\u00b2{{unit_a}}", "1.5{{unit_a}}", "1_0{{unit_a}}", "0x1{{unit_a}}"],
    "order": ["1{{unit_d}} 1{{unit_a}}", "1{{unit_c}} 1{{unit_b}}"],
    "twice": ["1{{unit_b}} 1{{unit_b}}", "1{{unit_d}}1{{unit_d}}"],
    "overflow": ["1{{unit_a}} {{step_a}}{{unit_b}}", "1{{unit_b}} {{step_b}}{{unit_c}}", "1{{unit_c}} {{step_c}}{{unit_d}}"],
    "skipped unit": ["1{{unit_a}} {{step_b}}{{unit_c}}", "0{{unit_a}} {{step_c}}{{unit_d}}"],
}


RULES = {
    "components": ["nothing", "parts"],
    "signs and spaces": ["signs", "spaces"],
    "digits": ["digits"],
    "order": ["order", "twice"],
    "overflow": ["overflow", "skipped unit"],
}


@pytest.mark.parametrize("rule", RULES)
def test_wrong_texts(rule):
    for text in [text for name in RULES[rule] for text in WRONG[name]]:
        with pytest.raises(ValueError):
            parse_length(text)


def test_other_types():
    for value in (None, 5, 1.5, b"1{{unit_a}}", ["1{{unit_a}}"]):
        with pytest.raises(TypeError):
            parse_length(value)


FORMATS = [
    (0, "0{{unit_d}}"),
    (1, "1{{unit_d}}"),
    (C, "1{{unit_c}}"),
    (-B, "-1{{unit_b}}"),
    (A + 1, "1{{unit_a}} 1{{unit_d}}"),
    (-(A + B + C + 1), "-1{{unit_a}} 1{{unit_b}} 1{{unit_c}} 1{{unit_d}}"),
    (1000 * A, "1000{{unit_a}}"),
    (A - 1, "{{full_a}}{{unit_b}} {{full_b}}{{unit_c}} {{full_c}}{{unit_d}}"),
]


def test_formats():
    for length, text in FORMATS:
        assert format_length(length) == text
    numbers = random.Random(1)
    for _ in range(500):
        length = numbers.randint(-10 * A, 10 * A)
        assert parse_length(format_length(length)) == length
