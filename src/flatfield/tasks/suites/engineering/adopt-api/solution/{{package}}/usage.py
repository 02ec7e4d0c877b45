"""How long tools were out."""

from {{package}}.texts import whole_minutes


def minutes(bookings):
    """Minutes of all bookings; one that is still open has a blank time."""
    return sum(whole_minutes(booking["time"]) for booking in bookings)


def longest(bookings):
    """The longest time out, as people read it: `30:05` are thirty hours and five minutes."""
    most = max((whole_minutes(booking["time"]) for booking in bookings), default=0)
    return f"{most // 60}:{most % 60:02d}"
