"""What the bookings of a day come to."""


def bill(diary, cents_per_minute):
    """Cents for all bookings by name, in alphabetical order."""
    totals = {}
    for _, name, start, end in diary.bookings():
        totals[name] = totals.get(name, 0) + (end - start) * cents_per_minute
    return dict(sorted(totals.items()))
