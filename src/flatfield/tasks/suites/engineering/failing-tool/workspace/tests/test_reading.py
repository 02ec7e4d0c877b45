from decimal import Decimal

import pytest
from {{package}}.reading import number


@pytest.mark.parametrize(
    "text, decimal, value",
    [("12.5", "point", "12.5"), ("1.250", "point", "1.25"), ("1.250,5", "comma", "1250.5"), ("1.250", "comma", "1250"), ("0,75", "comma", "0.75")],
)
def test_numbers(text, decimal, value):
    assert number(text, decimal) == Decimal(value)
