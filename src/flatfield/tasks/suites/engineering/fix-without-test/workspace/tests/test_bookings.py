from datetime import date

from {{package}}.bookings import Booking
from {{package}}.fares import fare
from {{package}}.money import cents, euros
from {{package}}.refunds import balance


def test_amounts():
    assert [cents(text) for text in ("12.5", "7", "-3.25")] == [1250, 700, -325]
    assert euros(-325) == "-3.25"


def test_seasons():
    assert fare(date(2031, {{summer}}, 1)) == {{high}}
    assert fare(date(2031, 12, 24)) == {{low}}


def test_groups_and_extras():
    booking = Booking("{{person}}", date(2031, 12, 1), people={{group}}, extras=["{{extra}}"])
    assert booking.total() == ({{group}} - 1) * {{low}} + {{extra_cents}}


def test_refunds():
    assert balance("{{person}} 4.50\n\n{{other}} 1.25\n") == 575
