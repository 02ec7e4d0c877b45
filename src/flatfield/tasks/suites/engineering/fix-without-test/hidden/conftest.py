"""Nothing counts until the reported symptom is gone: most of the tests pass before."""

from datetime import date

import pytest
from {{package}}.bookings import Booking
from {{package}}.fares import fare
from {{package}}.money import cents


@pytest.fixture(autouse=True)
def the_symptom_is_gone():
    assert cents("{{euros}}") == round(float("{{euros}}") * 100)
    assert fare(date(2031, {{autumn}}, {{day}})) == {{high}}
    Booking("{{person}}", date(2031, 5, 1)).add("{{extra}}")
    assert Booking("{{other}}", date(2031, 12, 1)).total() == {{low}}
