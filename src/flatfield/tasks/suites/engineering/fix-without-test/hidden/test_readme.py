from datetime import date

from {{package}}.bookings import Booking
from {{package}}.fares import fare
from {{package}}.money import cents
from {{package}}.refunds import balance


def test_every_amount():
    for amount in range(-10000, 10000):
        assert cents(f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}") == amount


def test_refunds_add_up():
    assert balance("a b 8.29\nc -1.10\nd 0.29\n") == 829 - 110 + 29


def test_fares():
    for month in range(1, 13):
        for day in (1, 15, 28):
            assert fare(date(2030, month, day)) == ({{high}} if {{summer}} <= month <= {{autumn}} else {{low}})


def test_bookings_keep_their_extras_to_themselves():
    bookings = [Booking(name, date(2031, 12, 1)) for name in "abc"]
    bookings[0].add("x")
    bookings[0].add("x")
    bookings[2].add("x")
    assert [b.total() - {{low}} for b in bookings] == [2 * {{extra_cents}}, 0, {{extra_cents}}]


def test_extras_that_are_given():
    given = ["x", "y"]
    booking = Booking("a", date(2031, 12, 1), extras=given)
    booking.add("z")
    assert booking.total() == {{low}} + 3 * {{extra_cents}}
