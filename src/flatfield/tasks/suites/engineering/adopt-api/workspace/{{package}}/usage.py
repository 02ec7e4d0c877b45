"""How long tools were out."""

from {{lib}} import duration


def minutes(bookings):
    """Minutes of all bookings; one that is still open has a blank time."""
    return sum(duration(booking["time"]) for booking in bookings)


def longest(bookings):
    """The longest time out, as people read it: `30:05` are thirty hours and five minutes."""
    most = max((duration(booking["time"]) for booking in bookings), default=0)
    return f"{most // 60}:{most % 60:02d}"
