"""The diary of the {{thing}}."""


class Clash(Exception):
    """The time is taken."""


class Diary:
    """The bookings of one day."""

    def __init__(self, opens, closes):
        self.opens = opens
        self.closes = closes
        self._bookings = {}
        self._next = 1

    def book(self, name, start, end):
        self._check(start, end)
        number = self._next
        self._next += 1
        self._bookings[number] = (name, start, end)
        return number

    def _check(self, start, end):
        if end <= start:
            raise ValueError("a booking ends after it starts")
        if start < self.opens or end > self.closes:
            raise ValueError("that is outside of the hours")
        for _, other_start, other_end in self._bookings.values():
            if start < other_end and other_start < end:
                raise Clash("that time is taken")

    def cancel(self, number):
        del self._bookings[number]

    def bookings(self):
        found = [(number, *booking) for number, booking in self._bookings.items()]
        return sorted(found, key=lambda booking: booking[2])

    def gaps(self):
        gaps = []
        at = self.opens
        for _, _, start, end in self.bookings():
            if at < start:
                gaps.append((at, start))
            at = end
        if at < self.closes:
            gaps.append((at, self.closes))
        return gaps

    def busy(self, since, until):
        return sum(max(0, min(end, until) - max(start, since)) for _, _, start, end in self.bookings())
