"""Which tool is where on which day."""

import {{lib}} as kit


def taken(bookings, code):
    """The days on which a tool is out, first and last day included; a booking that was cancelled ends before it begins."""
    found = set()
    for booking in bookings:
        if booking["code"] == code:
            found.update(kit.days(booking["first"], booking["last"]))
    return sorted(found)


def is_free(bookings, code, first, last):
    """Whether a tool can be had from one day to another, both given as `2031-05-01`."""
    return not set(taken(bookings, code)) & set(kit.days(first, last))
