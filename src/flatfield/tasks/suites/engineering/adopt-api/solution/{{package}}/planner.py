"""Which tool is where on which day."""

from datetime import date, timedelta

import {{lib}} as kit


def taken(bookings, code):
    """The days on which a tool is out, first and last day included; a booking that was cancelled ends before it begins."""
    found = set()
    for booking in bookings:
        if booking["code"] == code:
            found.update(_days(booking["first"], booking["last"]))
    return sorted(found)


def is_free(bookings, code, first, last):
    """Whether a tool can be had from one day to another, both given as `2031-05-01`."""
    return not set(taken(bookings, code)) & set(_days(date.fromisoformat(first), date.fromisoformat(last)))


def _days(first, last):
    return kit.Period(first, last + timedelta(days=1)).days() if first <= last else []
